"""Randomized front ends: their own draws, reproducible, and no global generator moved."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from frontdef_art.randomness import numpy_seeded
from frontdef_art.table import DEFENSES

from frontdef.protected import Protected

RANDOMIZED = [defense.name for defense in DEFENSES if defense.randomized]


@pytest.mark.parametrize("name", RANDOMIZED)
def test_a_seed_gives_the_draws_and_calls_differ(name, build, gray):
    front_end = build(name)
    front_end.reseed(1)
    first, second = front_end(gray[:2]), front_end(gray[:2])
    assert not torch.equal(first, second)
    front_end.reseed(1)
    assert torch.equal(front_end(gray[:2]), first)
    front_end.reseed(2)
    assert not torch.equal(front_end(gray[:2]), first)
    reseeded = build(name)
    reseeded.reseed(1)
    assert torch.equal(reseeded(gray[:2]), first)


@pytest.mark.parametrize("name", [defense.name for defense in DEFENSES])
def test_global_generators_stay_where_they_were(name, build, gray):
    front_end = build(name)
    np.random.seed(7)
    torch.manual_seed(7)
    front_end(gray[:2].clone().requires_grad_()).sum().backward()
    drawn = np.random.rand(3), torch.rand(3)
    np.random.seed(7)
    torch.manual_seed(7)
    np.testing.assert_array_equal(drawn[0], np.random.rand(3))
    assert torch.equal(drawn[1], torch.rand(3))


def test_the_state_of_numpy_is_restored_after_an_error():
    np.random.seed(7)
    expected = np.random.rand()
    np.random.seed(7)
    with pytest.raises(ValueError, match="low >= high"), numpy_seeded(0):
        np.random.randint(1, 0, size=np.random.randint(3, 9))
    assert np.random.rand() == expected


def test_noise_has_the_stated_deviation_and_differs_by_sample(build):
    gray = torch.full((20, 1, 28, 28), 0.5)
    noisy = build("art-gaussian-augmentation", sigma=0.1)(gray)
    assert (noisy - gray).std().item() == pytest.approx(0.1, rel=0.03)  # 15680 draws: standard error 0.6 %
    assert (noisy - gray).mean().item() == pytest.approx(0, abs=0.004)
    assert not torch.equal(noisy[0], noisy[1])


def test_gradient_of_noise_is_zero_exactly_where_the_draw_was_clipped(build, gray):
    x = gray.clone().requires_grad_()
    output = build("art-gaussian-augmentation", sigma=0.3)(x)
    (grad,) = torch.autograd.grad(output.sum(), x)
    clipped = (output == 0) | (output == 1)
    assert 0.1 < clipped.float().mean() < 0.9
    assert torch.equal(grad, (~clipped).float())
    (grad,) = torch.autograd.grad(build("art-gaussian-augmentation", "identity", sigma=0.3)(x).sum(), x)
    assert (grad == 1).all()


def test_total_variation_falls(build, gray):
    def variation(images):
        return sum(images.diff(dim=axis).abs().sum() for axis in (2, 3))

    front_end = build("art-tv-min")
    assert variation(front_end(gray)) < 0.8 * variation(gray)


def test_expectation_over_transformation_takes_a_draw_a_copy(build, gray):
    front_end = build("art-gaussian-augmentation", sigma=0.3)
    protected = Protected(front_end, torch.nn.Flatten(), image_shape=(1, 28, 28))
    few, many = (protected.eot(n)(gray).std(0).mean() for n in (1, 64))
    assert many < few
