"""Activations and the quantizer, worked out by hand."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from frontdef.errors import ImageError


def test_normalized_activations_by_hand(make):
    """w = (1, −3): ‖w‖₁ = 4. At (0.5, 1): (0.5 − 3)/4 = −0.625. At (1, 0): ¼."""
    front_end = make([[[[1.0, -3.0], [0.0, 0.0]]]], image_shape=(1, 2, 2))
    x = torch.tensor([[[[0.5, 1.0], [0.9, 0.1]]], [[[1.0, 0.0], [0.2, 0.3]]]])
    assert front_end.activations(x).flatten().tolist() == pytest.approx([-0.625, 0.25])
    assert front_end(x).flatten().tolist() == [-1, 0]


def test_padding_and_channels(make):
    """Two channels, a filter that picks the second one's center; the border sees black."""
    weights = torch.zeros(1, 2, 3, 3)
    weights[0, 1, 0, 1] = -2
    front_end = make(weights, image_shape=(2, 2, 2), padding=1)
    x = torch.zeros(1, 2, 2, 2)
    x[0, 1] = torch.tensor([[0.8, 0.2], [0.4, 0.6]])
    z = front_end.activations(x)
    assert z.flatten().tolist() == pytest.approx([0, 0, -0.8, -0.2])
    assert front_end(x).flatten().tolist() == [0, 0, -1, 0]


def test_the_ternary_quantizer_is_equation_6(make):
    """f₂(z) = ½ sgn(z − c) + ½ sgn(z + c), with sgn(0) = 1."""
    front_end = make(source="pixels", thresholds=(-0.3, 0.3))
    z = torch.tensor([-1.0, -0.31, -0.3, -0.29, 0.0, 0.29, 0.3, 1.0]).double()
    z[[2, 6]] = front_end.thresholds
    assert front_end.codes(z).tolist() == [-1, -1, 0, 0, 0, 0, 1, 1]


def test_more_levels_are_equation_5(make):
    thresholds = (-0.6, -0.1, 0.2, 0.7)
    front_end = make(source="pixels", thresholds=thresholds)
    z = torch.linspace(-1, 1, 41).double() + 0.003
    expected = sum(0.5 * torch.sign(z - c) for c in torch.tensor(thresholds).double())
    torch.testing.assert_close(front_end.codes(z).double(), expected)
    assert sorted(front_end.codes(z).unique().tolist()) == [-2, -1, 0, 1, 2]


def test_binary_codes_are_half_integers(make):
    assert make(source="pixels", thresholds=(0.5,)).codes(torch.tensor([0.4, 0.5]).double()).tolist() == [-0.5, 0.5]


def test_pixels_are_quantized_as_they_are(make, images):
    x = images(3, 1, 28, 28)
    front_end = make(source="pixels")
    assert torch.equal(front_end(x), (x >= 0.5).float())
    assert list(front_end.parameters()) == []
    front_end.require_trained()


def test_the_scale_of_a_filter_does_not_matter(make, images):
    x, weights = images(4, 1, 28, 28), torch.randn(5, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(make(weights)(x), make(weights * torch.tensor([0.01, 1, 7, 300, 2]).view(-1, 1, 1, 1))(x))


def test_activations_never_leave_the_interval(make, images):
    front_end = make(image_shape=(3, 28, 28))
    x = torch.cat([images(6, 3, 28, 28), torch.ones(1, 3, 28, 28), images(6, 3, 28, 28).round()])
    assert front_end.activations(x.double()).abs().amax() <= 1 + 1e-12


def test_in_training_stages_nothing_is_quantized(make, images):
    front_end, x = make(), images(2, 1, 28, 28)
    with front_end.in_mode("unquantized"):
        z = front_end(x)
    weight = front_end.filters
    expected = F.conv2d(x, weight, padding=2) / weight.abs().sum((1, 2, 3)).view(-1, 1, 1)
    torch.testing.assert_close(z, expected)
    assert set(front_end(x).unique().tolist()) <= {-1.0, 0.0, 1.0}


def test_other_images_than_it_was_built_for(make, images):
    for shape in ((2, 1, 27, 28), (2, 3, 28, 28)):
        with pytest.raises(ImageError, match="28"):
            make()(images(*shape))


def test_the_first_filters_are_uniform_and_depend_on_the_seed(make):
    """He et al. 2015 for the ReLU: within √(6/25) = 0.489898, and close to it among 625 weights."""
    state = torch.get_rng_state()
    front_end = make()
    first = front_end.filters.clone()
    assert torch.equal(torch.get_rng_state(), state)
    assert 0.48 < first.abs().max() <= 0.489898
    assert first.std().item() == pytest.approx(0.489898 / 3**0.5, rel=0.05)
    front_end.reseed(1)
    front_end.fit(torch.zeros(1, 1, 28, 28))
    assert not torch.equal(front_end.filters, first)
    front_end.reseed(0)
    front_end.fit(torch.zeros(1, 1, 28, 28))
    assert torch.equal(front_end.filters, first)
