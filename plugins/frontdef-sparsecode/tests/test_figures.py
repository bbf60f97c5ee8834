"""The pictures for the report, and the metric."""

from __future__ import annotations

import pytest
import torch
from frontdef_sparsecode import frontdef_metrics
from frontdef_sparsecode.figures import correlations, histograms

from frontdef import Config, Protected
from frontdef.frontend import Identity


@pytest.mark.parametrize("randomized", [False, True])
def test_titles_and_ranges(make, images, randomized):
    front_end, x = make(randomized, atoms=64, top=8), images(3, 1, 28, 28)
    figures = front_end.figures(x)
    assert sum("coefficients" in title for title in figures) == (4 if randomized else 3)
    assert any("64 atoms" in title for title in figures)
    for title, picture in figures.items():
        assert picture.ndim == 4
        assert len(picture) == (1 if "dictionary" in title else 3), title
        assert picture.min() >= 0
        assert picture.max() <= 1


def test_operations_are_those_of_the_encoder(make, images):
    front_end, x = make(True, atoms=64, top=8, dropout=0.5), images(2, 1, 28, 28)
    front_end.reseed(0)
    steps = list(front_end.operations(x).values())
    front_end.reseed(0)
    code = front_end.encode(x).flatten(2).mT / front_end.norms
    torch.testing.assert_close(steps[3], code)
    assert ((steps[1] != 0).sum(-1) == 8).all()
    assert torch.equal(steps[1][steps[1] != 0], steps[0][steps[1] != 0])
    assert (steps[2] != 0).sum() < (steps[1] != 0).sum()


def test_correlations_and_histograms(make):
    front_end = make(atoms=64, top=8)
    x = torch.zeros(2, 1, 28, 28)
    x[0, :, 4:8, 4:8] = front_end.atoms[5]
    correlated = correlations(x, front_end.atoms, front_end.settings.stride)
    assert correlated[0].argmax() == 5
    assert correlated[0, 5] == pytest.approx(1)
    assert (correlated[1] == 0).all()
    picture = histograms(correlated, torch.full((2, 64), -1.0))
    assert picture.shape == (2, 3, 60, 122)
    dark = (picture < 1).any(1)
    assert dark[0, :, 0].all()  # all at −1: a bar of full height
    assert dark[1, :, 60].all()  # the blank patch: all at 0
    assert not dark[1, :, 80:].any()


def test_the_metric(trained, digits, make):
    (metric,) = frontdef_metrics()
    x, y = digits.test.images[:20], digits.test.labels[:20]
    parameters = metric.parameters_class()(eps=1e-5)
    for randomized in (False, True):
        measures = metric(trained(randomized), x, y, parameters, 0)
        assert set(measures) == {"survival", "silenced", "constant_patches", "constant"}
        front_end = make(**trained().front_end.config.model_dump())
        front_end.load_state_dict(trained(randomized).front_end.state_dict())
        code = front_end.encode(x)
        torch.testing.assert_close(measures["survival"], (code != 0).float().sum((1, 2, 3)) / (169 * 8))
        torch.testing.assert_close(measures["silenced"], (code == 0).all(1).float().mean((1, 2)))
        assert measures["constant_patches"].mean() > 0.9
    none = Protected(Identity(Config()), torch.nn.Flatten(), image_shape=(1, 28, 28))
    assert metric(none, x, y, parameters, 0)["survival"].isnan().all()
