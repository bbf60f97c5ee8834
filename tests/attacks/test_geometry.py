"""Projections, steepest ascent and draws, against slow independent references."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import optimize, stats

from frontdef.attacks.native.geometry import DRAWS, PROJECTIONS, STEEPEST, project_l1_box, random_perturbation
from frontdef.threat import ThreatModel, distance

NORMS = ["linf", "l2", "l1"]
ORDERS = {"linf": math.inf, "l2": 2, "l1": 1}
DUALS = {"linf": 1, "l2": 2, "l1": math.inf}


def slow_projection(point: np.ndarray, eps: float, norm: str) -> np.ndarray:
    """One point at a time, in float64; the ℓ1 threshold by root finding instead of sorting."""
    if np.linalg.norm(point, ORDERS[norm]) <= eps:
        return point
    if norm == "linf":
        return np.array([min(max(value, -eps), eps) for value in point])
    if norm == "l2":
        return point * eps / math.sqrt(sum(value * value for value in point))
    shrunk = lambda t: np.sign(point) * np.maximum(np.abs(point) - t, 0)  # noqa: E731
    threshold = optimize.brentq(lambda t: np.abs(shrunk(t)).sum() - eps, 0, np.abs(point).max(), xtol=1e-14)
    return shrunk(threshold)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("eps", [0.05, 0.7, 5.0])
def test_projection_is_the_nearest_point(norm, eps):
    generator = np.random.default_rng(0)
    points = generator.normal(size=(60, 23)) * generator.uniform(0, 2, size=(60, 1))
    points[0] = 0.0
    points[1] = eps * np.eye(23)[4]
    points[2] = 1.0  # all values tie
    projected = PROJECTIONS[norm](torch.tensor(points, dtype=torch.float32), eps).numpy()
    expected = np.stack([slow_projection(point, eps, norm) for point in points])
    np.testing.assert_allclose(projected, expected, atol=2e-6)


@pytest.mark.parametrize("norm", NORMS)
def test_projection_of_many_pixels_ends_in_the_ball(norm):
    torch.manual_seed(0)
    wide = torch.randn(4, 3 * 224 * 224)
    for eps in (0.01, 3.0, 1e4):
        sizes = torch.linalg.vector_norm(PROJECTIONS[norm](wide, eps).double(), ord=ORDERS[norm], dim=1)
        assert (sizes <= eps * (1 + 3e-7)).all()


def test_large_images_stay_in_the_l2_ball(linear, attack):
    """On 150 000 values a norm summed in float32 would leave the ball by more than the tolerance."""
    torch.manual_seed(0)
    model = linear(torch.randn(2, 3 * 224 * 224) * 1e-3, image_shape=(3, 224, 224))
    images = torch.rand(2, 3, 224, 224) * 0.2 + 0.4
    examples = attack("native", "pgd", "l2", 3.0, model, images, model.predict(images).argmax(1), steps=3)
    assert (distance(images, examples, "l2") - 3).max() < 1e-7


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("scale", [1.0, 1e-12, 1e-30])
def test_steepest_ascent_attains_the_dual_norm(norm, scale):
    torch.manual_seed(0)
    gradient, inside = torch.randn(50, 17) * scale, torch.full((50, 17), 0.5)
    step = STEEPEST[norm](gradient, inside)
    sizes = torch.linalg.vector_norm(step.double(), ord=ORDERS[norm], dim=1)
    torch.testing.assert_close(sizes, torch.ones(50, dtype=torch.float64), rtol=1e-5, atol=0)
    gain = (step.double() * gradient.double()).sum(1)
    torch.testing.assert_close(
        gain, torch.linalg.vector_norm(gradient.double(), ord=DUALS[norm], dim=1), rtol=1e-5, atol=0
    )


@pytest.mark.parametrize("norm", NORMS)
def test_no_gradient_no_step(norm):
    assert torch.equal(STEEPEST[norm](torch.zeros(3, 5), torch.rand(3, 5)), torch.zeros(3, 5))


def test_l1_passes_over_pixels_at_the_wall():
    gradient = torch.tensor([[-3.0, 2.0, 1.0], [3.0, -2.0, 1.0], [-3.0, 2.0, 1.0], [-1.0, -1.0, -1.0]])
    x = torch.tensor([[0.0, 0.5, 0.5], [1.0, 0.5, 0.5], [0.5, 1.0, 0.5], [0.0, 0.0, 0.0]])
    expected = torch.tensor([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    assert torch.equal(STEEPEST["l1"](gradient, x), expected)


@pytest.mark.parametrize("norm", NORMS)
def test_draws_are_uniform_in_the_ball(norm):
    """The radius of a uniform point in D dimensions has the distribution function (r/ε)^D; signs are fair."""
    dimensions, eps = 4, 0.3
    like = torch.empty(20000, dimensions)
    draws = DRAWS[norm](like, eps, torch.Generator().manual_seed(1)).double()
    radii = torch.linalg.vector_norm(draws, ord=ORDERS[norm], dim=1) / eps
    assert radii.max() <= 1 + 1e-6
    assert stats.kstest(radii.numpy() ** dimensions, "uniform").pvalue > 1e-3
    for axis in range(dimensions):
        assert stats.binomtest(int((draws[:, axis] > 0).sum()), len(draws)).pvalue > 1e-3


@pytest.mark.parametrize(("norm", "share"), [("linf", None), ("l2", "square"), ("l1", "value")])
def test_draws_favor_no_direction(norm, share):
    """On a uniform point, the first coordinate's share of the norm is Beta distributed (Dirichlet marginals)."""
    dimensions = 4
    draws = DRAWS[norm](torch.empty(20000, dimensions), 1.0, torch.Generator().manual_seed(2)).double()
    if share is None:
        assert stats.kstest(draws[:, 0].numpy(), stats.uniform(-1, 2).cdf).pvalue > 1e-3
        return
    parts = draws.square() if share == "square" else draws.abs()
    a = 0.5 if share == "square" else 1.0
    first = (parts[:, 0] / parts.sum(1)).numpy()
    assert stats.kstest(first, stats.beta(a, a * (dimensions - 1)).cdf).pvalue > 1e-3


@pytest.mark.parametrize("norm", NORMS)
def test_a_random_perturbation_stays_inside_and_follows_its_generator(norm):
    images = torch.rand(20, 3, 5, 4)
    images[0], images[1] = 0, 1
    draw = lambda seed: random_perturbation(images, norm, 0.4, torch.Generator().manual_seed(seed))  # noqa: E731
    assert ThreatModel(norm, 0.4).contains(images, draw(0)).all()
    assert torch.equal(draw(0), draw(0))
    assert not torch.equal(draw(0), draw(1))


@pytest.mark.parametrize("eps", [0.3, 2.0, 9.0])
def test_projection_onto_ball_and_box_is_the_nearest_point(eps):
    """By its variational inequality: no feasible point lies on the far side of the projection."""
    torch.manual_seed(0)
    x = torch.rand(40, 23).round(decimals=1)  # some at the walls
    points = torch.randn(40, 23) * torch.tensor([0.05, 0.5, 4.0, 0.0]).repeat(10)[:, None]
    projected = project_l1_box(points, x, eps)
    assert (projected.double().abs().sum(1) <= eps + 1e-6).all()
    assert ((x + projected >= 0) & (x + projected <= 1)).all()
    unchanged = points.abs().sum(1) <= eps
    inside = unchanged & ((x + points >= 0) & (x + points <= 1)).all(1)
    assert torch.equal(projected[inside], points[inside])
    corners = torch.cat([eps * torch.eye(23), -eps * torch.eye(23), torch.zeros(1, 23)])
    for corner in corners:
        feasible = (corner + x).clamp(0, 1) - x
        products = ((points - projected) * (feasible - projected)).double().sum(1)
        assert (products <= 1e-4).all()
