"""What every front end promises: range, dtype, purity, batch invariance, a gradient."""

from __future__ import annotations

import pytest
import torch
from frontdef_art.table import DEFENSES

from frontdef.errors import ConfigError

NAMES = [defense.name for defense in DEFENSES]
DETERMINISTIC = [defense.name for defense in DEFENSES if not defense.randomized]
SURROGATES = [(d.name, surrogate.name) for d in DEFENSES for surrogate in d.front_end_class().surrogates]


@pytest.mark.parametrize("name", NAMES)
def test_output_is_float32_in_the_unit_interval_and_the_input_is_untouched(name, build, gray, rgb):
    for images in (gray, rgb):
        before = images.clone()
        output = build(name)(images)
        assert torch.equal(images, before)
        assert output.dtype == torch.float32
        assert len(output) == len(images)
        assert 0 <= output.min() <= output.max() <= 1
        assert output.data_ptr() != images.data_ptr()


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_each_sample_is_treated_on_its_own(name, build, gray, rgb):
    for images in (gray, rgb):
        front_end = build(name)
        whole = front_end(images)
        for i in range(len(images)):
            assert torch.equal(whole[i : i + 1], front_end(images[i : i + 1]))
        assert torch.equal(whole.flip(0), front_end(images.flip(0)))


@pytest.mark.parametrize(("name", "surrogate"), SURROGATES)
def test_gradient_is_finite_and_not_zero_and_the_value_does_not_depend_on_the_surrogate(
    name, surrogate, build, gray, rgb
):
    for images in (gray, rgb):
        front_end = build(name, surrogate)
        front_end.reseed(3)
        with torch.no_grad():
            plain = front_end(images)
        front_end.reseed(3)
        x = images.clone().requires_grad_()
        output = front_end(x)
        assert torch.equal(output, plain)
        (grad,) = torch.autograd.grad((output * torch.linspace(-1, 2, output.numel()).view_as(output)).sum(), x)
        assert grad.isfinite().all()
        assert (grad.flatten(1).abs().amax(1) > 0).all(), "a sample without any gradient"


@pytest.mark.parametrize("name", NAMES)
def test_intermediate_points_of_an_attack_outside_the_box_are_clipped(name, build, rgb):
    front_end = build(name)
    outside = rgb * 3 - 1
    front_end.reseed(0)
    expected = front_end(outside.clamp(0, 1))
    front_end.reseed(0)
    if name.endswith("-pytorch"):  # ART's torch code clips after the median, which is the same
        torch.testing.assert_close(front_end(outside), expected)
    else:
        assert torch.equal(front_end(outside), expected)


@pytest.mark.parametrize("name", NAMES)
def test_images_in_other_memory_layouts_and_float64(name, build, rgb):
    front_end = build(name)
    front_end.reseed(0)
    expected = front_end(rgb)
    front_end.reseed(0)
    assert torch.equal(front_end(rgb.contiguous(memory_format=torch.channels_last)), expected)
    front_end.reseed(0)
    double = front_end(rgb.double())
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), expected)


@pytest.mark.parametrize("defense", DEFENSES, ids=lambda defense: defense.name)
def test_the_row_says_what_the_class_is(defense):
    front_end = defense.front_end_class()
    assert front_end.randomized == defense.randomized
    assert front_end.surrogates
    assert all(surrogate.doc and surrogate.informative for surrogate in front_end.surrogates)
    assert defense.paper
    assert defense.summary
    assert all(info.description for info in defense.config_class().model_fields.values())


@pytest.mark.parametrize(
    ("name", "config", "what"),
    [
        ("art-jpeg", {"quality": 0}, "quality = 0"),
        ("art-jpeg", {"qualty": 50}, "did you mean 'quality'"),
        ("art-spatial-smoothing", {"window_size": 0}, "window_size = 0"),
        ("art-tv-min", {"solver": "BFGS"}, "solver = 'BFGS'"),
        ("art-thermometer", {"num_space": 1}, "num_space = 1"),
        ("art-gaussian-augmentation", {"sigma": -0.1}, "sigma = -0.1"),
        ("art-feature-squeezing", {"bit_depth": 65}, "bit_depth = 65"),
    ],
)
def test_a_bad_value_is_named(name, config, what, build):
    with pytest.raises(ConfigError, match=what):
        build(name, **config)


def test_defaults_are_those_of_art():
    import inspect

    for defense in DEFENSES:
        front_end = defense.front_end_class()
        art = type(defense.build({}).preprocessor) if not hasattr(front_end, "row") else front_end.row.art
        theirs = inspect.signature(art.__init__).parameters
        for key, value in defense.configure({}).model_dump().items():
            assert theirs[key].default == value, (defense.name, key)
