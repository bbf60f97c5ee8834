"""foolbox's minimum-norm gradient attacks: what they find, what they spend, and where they depart from their papers."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from frontdef.threat import distance
from tests.attacks.pins import pins

ZERO = torch.tensor([0])
ONE = torch.tensor([1])
X = torch.tensor([0.75, 0.5, 0.5, 0.5]).view(1, 1, 1, 4)
MIRRORED = X[..., [1, 0, 2, 3]]
"""The same with the classes of the model below exchanged; a tie goes to class 0."""
CLOSEST = {"linf": 0.125, "l2": 0.125 * 2**0.5, "l1": 0.25}
"""Distances of both from the boundary of the model below."""


@pytest.fixture
def tilted(linear):
    return linear([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]], bias=[5.0, 5.0])


@pytest.mark.parametrize(("family", "norm"), [("fmn", "l1"), ("fmn", "linf"), ("ddn", "l2"), ("ead", "l1")])
def test_the_closest_point_of_a_linear_model_is_found(family, norm, attack, tilted, right):
    parameters = {"binary_search_steps": 5, "initial_const": 0.01} if family == "ead" else {}
    examples = attack("foolbox", family, norm, 1.0, tilted, MIRRORED, ONE, **parameters)
    assert not right(tilted, examples, ONE)
    assert distance(MIRRORED, examples, norm).item() == pytest.approx(CLOSEST[norm], rel=0.02)


@pins("foolbox", ("fmn", "linf"), caveat=True)
def test_foolbox_fmn_stops_on_the_boundary_of_a_linear_model(attack, tilted):
    """Its first radius is the distance to the linearized boundary; the tie there goes to the label."""
    assert torch.equal(attack("foolbox", "fmn", "linf", 1.0, tilted, X, ZERO), X)


@pins("foolbox", ("fmn", "l1"), caveat=True)
def test_foolbox_l1_fmn_ends_short_of_the_boundary_of_a_cnn(attack, cnn, batch, right):
    """A CNN of ReLUs is linear around most points: more steps do not help."""
    standing = right(cnn, *batch)
    x, y = batch[0][standing], batch[1][standing]
    nearest = torch.full((len(x),), torch.inf)

    def watch(_, inputs, logits):
        wrong = logits.detach().scatter(1, y[:, None], -torch.inf).amax(1)
        nearest.copy_(torch.minimum(nearest, logits.detach().gather(1, y[:, None]).squeeze(1) - wrong))

    hook = cnn.register_forward_hook(watch)
    left = right(cnn, attack("foolbox", "fmn", "l1", 1.0, cnn, x, y, steps=50), y)
    hook.remove()
    print("ℓ1 FMN, of", len(x), "digits never misclassified:", int(left.sum()))
    assert left.sum() > 10
    assert (nearest[left] >= 0).all()
    assert nearest[left].median() < 0.05, "the margins of the images are about 5"
    assert (right(cnn, attack("foolbox", "fmn", "l1", 1.0, cnn, x, y, steps=150), y) == left).float().mean() > 0.95


@pins("foolbox", ("fmn", "l2"))
def test_foolbox_l2_fmn_never_projects(attack, tilted, right):
    """LInf and L1 come back towards the image once they have left; L2FMNAttack.project divides norms by themselves."""
    import eagerpy
    from foolbox.attacks import L2FMNAttack

    origin, point = (eagerpy.astensor(torch.tensor([values])) for values in ([0.0, 0.0], [0.6, 0.8]))
    radius = eagerpy.astensor(torch.tensor([0.1]))
    torch.testing.assert_close(L2FMNAttack().project(point, origin, radius).raw, point.raw)

    by_steps = {steps: attack("foolbox", "fmn", "l2", 10.0, tilted, X, ZERO, steps=steps) for steps in (10, 200)}
    assert not right(tilted, by_steps[200], ZERO)
    assert distance(X, by_steps[200], "l2").item() > 3 * CLOSEST["l2"]
    assert torch.equal(by_steps[200], by_steps[10])


@pins("foolbox", ("fmn", "l2"))
def test_foolbox_l2_fmn_ends_far_behind_ddn(attack, cnn, batch, right):
    standing = right(cnn, *batch)
    x, y = batch[0][standing], batch[1][standing]
    sizes = {}
    for family in ("fmn", "ddn"):
        examples = attack("foolbox", family, "l2", 1e6, cnn, x, y, steps=60)
        assert not right(cnn, examples, y).any()
        sizes[family] = float(distance(x, examples, "l2").median())
    print("median ℓ2 distance, 60 steps:", sizes)
    assert sizes["fmn"] > 1.5 * sizes["ddn"]


@pins("foolbox", ("fmn", "l0"))
def test_foolbox_l0_fmn_keeps_one_value_too_many(attack, linear):
    import eagerpy
    from foolbox.attacks import L0FMNAttack

    origin, point = (eagerpy.astensor(torch.tensor([values])) for values in ([0.0] * 4, [0.4, 0.3, 0.2, 0.1]))
    for radius in (1, 2, 3):
        kept = L0FMNAttack().project(point, origin, eagerpy.astensor(torch.tensor([float(radius)]))).raw
        assert kept.count_nonzero().item() == radius + 1

    robust = linear([[0.0] * 4, [1.0, 0.5, 0.25, 0.125]], bias=[9.0, 0.0])
    with pytest.raises(IndexError, match="index 4 is out of bounds"):
        attack("foolbox", "fmn", "l0", 1e6, robust, X, ZERO, steps=10)


@pins("foolbox", ("ead", "l1"))
def test_foolbox_ead_returns_black_images(attack, cnn, batch, right):
    standing = right(cnn, *batch)
    x, y = batch[0][standing][:10], batch[1][standing][:10]
    parameters = {"steps": 2, "lr": 1e-6, "binary_search_steps": 1}
    assert torch.equal(attack("foolbox", "ead", "l1", 1e6, cnn, x, y, **parameters), torch.zeros_like(x))


def newtonfool_step(model, x, y, eta, *, squared):
    """Length of one step: min(η‖x‖‖g‖, p - 1/K) / ‖g‖ in the paper, of squared norms for foolbox."""
    image = x.clone().requires_grad_()
    probability = F.softmax(model(image), dim=1).gather(1, y[:, None]).squeeze(1)
    (gradient,) = torch.autograd.grad(probability.sum(), image)
    power = 2 if squared else 1
    size, slope = x.flatten(1).norm(dim=1) ** power, gradient.flatten(1).norm(dim=1) ** power
    excess = probability.detach() - 1 / model.n_classes
    return torch.minimum(eta * size * slope, excess) / slope**2 * gradient.flatten(1).norm(dim=1)


@pins("foolbox", ("newtonfool", "l2"))
def test_foolbox_newtonfool_squares_its_norms(attack, linear, cnn, batch, right):
    model = linear([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
    eta = 0.001
    moved = distance(X, attack("foolbox", "newtonfool", "l2", 1e6, model, X, ZERO, steps=1, eta=eta), "l2").item()
    assert moved == pytest.approx(newtonfool_step(model, X, ZERO, eta, squared=True).item(), rel=1e-3)
    assert moved > 2 * newtonfool_step(model, X, ZERO, eta, squared=False).item()

    standing = right(cnn, *batch)
    x, y = batch[0][standing], batch[1][standing]
    examples = attack("foolbox", "newtonfool", "l2", 1e6, cnn, x, y, steps=3)
    finite = examples.isfinite().flatten(1).all(1)
    print("NewtonFool, of", len(x), "examples finite:", int(finite.sum()))
    assert 0 < finite.sum() < len(x)


@pytest.mark.parametrize(
    ("family", "norm"), [("fmn", "l1"), ("fmn", "l2"), ("fmn", "linf"), ("ddn", "l2"), ("ead", "l1")]
)
def test_the_closest_misclassified_point_that_was_seen_is_returned(family, norm, attack, cnn, batch, right):
    standing = right(cnn, *batch)
    x, y = batch[0][standing][:10], batch[1][standing][:10]
    parameters = {"rule": "L1", "binary_search_steps": 3} if family == "ead" else {}
    closest = torch.full((len(x),), math.inf, dtype=torch.float64)

    def watch(_, inputs, logits):
        if family == "ead" and logits.requires_grad:
            return  # a look ahead along the momentum, no candidate
        wrong = logits.argmax(1) != y
        closest.copy_(torch.where(wrong, torch.minimum(closest, distance(x, inputs[0].detach(), norm)), closest))

    hook = cnn.register_forward_hook(watch)
    examples = attack("foolbox", family, norm, 1.0, cnn, x, y, steps=30, **parameters)
    hook.remove()
    broken = ~right(cnn, examples, y)
    assert broken.any()
    torch.testing.assert_close(distance(x, examples, norm)[broken], closest[broken], atol=1e-5, rtol=1e-4)
    assert closest[~broken].isinf().all()


@pytest.mark.parametrize(
    ("family", "norm"), [("fmn", "l0"), ("fmn", "l1"), ("fmn", "l2"), ("fmn", "linf"), ("ddn", "l2"), ("ead", "l1")]
)
def test_the_cnn_is_broken(family, norm, attack, cnn, batch, right):
    x, y = batch[0][:30], batch[1][:30]
    parameters = (
        {"steps": 40, "lr": 0.05, "binary_search_steps": 1, "initial_const": 10.0} if family == "ead" else {"steps": 40}
    )
    standing = right(cnn, attack("foolbox", family, norm, 1.0, cnn, x, y, **parameters), y).float().mean()
    assert standing <= (0.35 if (family, norm) == ("fmn", "l1") else 0.05)


@pytest.mark.parametrize(("family", "norm"), [("fmn", "l1"), ("fmn", "linf"), ("ddn", "l2"), ("ead", "l1")])
def test_a_class_is_reached(family, norm, attack, cnn, batch):
    x, wanted = batch[0][:30], (batch[1][:30] + 1) % 10
    parameters = (
        {"steps": 60, "lr": 0.05, "binary_search_steps": 2, "initial_const": 10.0} if family == "ead" else {"steps": 60}
    )
    examples = attack("foolbox", family, norm, 1.0, cnn, x, wanted, target="next", **parameters)
    assert (cnn.predict(examples).argmax(1) == wanted).float().mean() >= 0.8


T, B = 6, 3
COSTS = {
    ("fmn", "l0"): (T + 1, T),
    ("fmn", "l1"): (T + 1, T),
    ("fmn", "l2"): (T + 1, T),
    ("fmn", "linf"): (T + 1, T),
    ("ddn", "l2"): (T + 1, T),
    ("ead", "l1"): (2 * B * T + 1, B * T),
    ("newtonfool", "l2"): (T + 1, T),
}
"""Forward and backward passes a sample, of T steps and B constants; the last forward is foolbox's own check."""


@pytest.mark.parametrize("row", COSTS, ids="-".join)
def test_costs(row, attack, cnn, batch):
    x, y = batch[0][:10], batch[1][:10]
    parameters = {"binary_search_steps": B} if row[0] == "ead" else {}
    cnn.passes.forward = cnn.passes.backward = 0
    attack("foolbox", *row, 1.0, cnn, x, y, steps=T, **parameters)
    assert (cnn.passes.forward / len(x), cnn.passes.backward / len(x)) == COSTS[row]


@pytest.mark.parametrize(
    ("family", "norm", "parameter", "values"),
    [
        ("fmn", "linf", "max_step", (0.1, 1.0)),
        ("fmn", "linf", "gamma", (0.01, 0.5)),
        ("ddn", "l2", "init_eps", (0.1, 2.0)),
        ("ddn", "l2", "gamma", (0.01, 0.5)),
        ("ead", "l1", "beta", (0.0, 0.05)),
        ("ead", "l1", "confidence", (0.0, 3.0)),
        ("ead", "l1", "initial_const", (0.5, 5.0)),
        ("ead", "l1", "lr", (0.01, 0.1)),
        ("ead", "l1", "rule", ("EN", "L1")),
    ],
)
def test_every_parameter_changes_something(family, norm, parameter, values, attack, cnn, batch):
    x, y = batch[0][:10], batch[1][:10]
    more = {"binary_search_steps": 2, "initial_const": 5.0, "lr": 0.05} if family == "ead" else {}
    first, second = (
        attack("foolbox", family, norm, 1.0, cnn, x, y, **{"steps": 15, **more, parameter: value}) for value in values
    )
    assert not torch.allclose(first, second, atol=1e-4)
