"""A configuration that cannot work is refused with the reason and what can; absent values follow the images."""

from __future__ import annotations

import pytest
from frontdef_sparsecode import frontdef_defenses
from frontdef_sparsecode.config import COLOR, GRAY, LARGE, FixedSparseCodeConfig, SparseCodeConfig

from frontdef.errors import ConfigError, UnknownNameError


@pytest.fixture(scope="module")
def defenses():
    return {defense.name: defense for defense in frontdef_defenses()}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"top": 200}, r"top = 200 coefficients cannot be kept of atoms = 160: choose top = 1…160"),
        ({"atoms": 10}, r"top = 16 .* atoms = 10 \(top was not given\)"),
        ({"patch": 29}, r"patch = 29 does not fit into images of 28x28: at most 28"),
        ({"patch": 4, "stride": 9}, r"leave 6 pixels of 28x28 uncovered.*'bicubic'"),
        ({"dropout": 0}, "the encoder without dropout is the defense 'sparsecode-fixed'"),
        ({"dropout": 1.0}, "less than 1"),
        ({"beta": 0}, "greater than 0"),
        ({"lam": -1}, "greater than 0"),
        ({"widths": (0, 3)}, "both widths are at least 1"),
        ({"decoder": "none"}, "'supervised' or 'unsupervised'"),
        ({"atom": 100}, "did you mean 'atoms'"),
        ({"eps": 8}, "less than or equal to 1"),
    ],
    ids=str,
)
def test_bad_values_are_named(defenses, values, message):
    with pytest.raises(ConfigError, match=message):
        defenses["sparsecode"].build(values, image_shape=(1, 28, 28))


def test_the_image_shape_is_needed(defenses):
    with pytest.raises(ConfigError, match="image_shape"):
        defenses["sparsecode"].build({})


def test_there_is_no_dropout_to_set_without_dropout(defenses):
    with pytest.raises(ConfigError, match="unknown key 'dropout'"):
        defenses["sparsecode-fixed"].build({"dropout": 0.5}, image_shape=(1, 28, 28))


def test_unknown_surrogate(defenses):
    with pytest.raises(UnknownNameError, match="'smooth-top-2t'"):
        defenses["sparsecode"].build({}, image_shape=(1, 28, 28), surrogate="smooth-top-2")


def test_the_defaults_are_the_dissertations():
    config = SparseCodeConfig()
    assert (config.dropout, config.beta, config.signed, config.decoder) == (0.95, 3.0, True, "supervised")
    color = config.settings((3, 32, 32))
    assert color == COLOR
    assert (color.patch, color.stride, color.atoms, color.lam, color.iterations, color.top) == (4, 2, 500, 1, 1000, 50)
    assert color.eps == 8 / 255
    large = config.settings((3, 160, 160))
    assert large == LARGE
    assert (large.patch, large.stride, large.atoms, large.lam, large.iterations) == (8, 4, 1000, 0.5, 10000)
    assert large.upsampling == "bicubic"
    assert config.settings((1, 28, 28)) == GRAY
    assert [FixedSparseCodeConfig().settings(s).top for s in ((3, 32, 32), (3, 160, 160), (1, 28, 28))] == [15, 15, 5]


def test_given_values_stand():
    settings = FixedSparseCodeConfig(top=7, patch=6, stride=3, lam=0.2, widths=(5, 6)).settings((3, 32, 32))
    assert (settings.top, settings.patch, settings.stride, settings.lam, settings.widths) == (7, 6, 3, 0.2, (5, 6))
    assert settings.atoms == COLOR.atoms
