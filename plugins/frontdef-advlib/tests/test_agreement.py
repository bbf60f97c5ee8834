"""adv-lib against the other libraries at equal parameters, and against known distances where it has no peer."""

from __future__ import annotations

import pytest
import torch

from frontdef.threat import distance

ONE = torch.tensor([1])


def same(first, second, tolerance=1e-5):
    """Share of samples whose examples agree."""
    return float(((first - second).abs().flatten(1).amax(1) <= tolerance).double().mean())


@pytest.mark.parametrize(("family", "norm"), [("ddn", "l2"), ("fmn", "linf"), ("fmn", "l1")])
@pytest.mark.parametrize("target", ["none", "next"])
def test_advlib_is_foolbox(family, norm, target, attack, cnn, batch):
    """The same images at first; FMN then waits on the boundary, where rounding picks one of several as close."""
    x, y = batch[0], batch[1] if target == "none" else (batch[1] + 1) % 10
    for steps in (10, 40):
        first, second = (
            attack(family, norm, 1.0, cnn, x, y, library=name, steps=steps, target=target)
            for name in ("advlib", "foolbox")
        )
        torch.testing.assert_close(distance(x, first, norm), distance(x, second, norm), rtol=1e-5, atol=1e-7)
        assert steps > 10 or same(first, second) == 1
    assert (first - x).abs().max() > 0.03


@pytest.mark.parametrize(("norm", "name"), [("linf", "Linf"), ("l2", "L2")])
def test_advlib_fab_is_torchattacks(norm, name, attack, cnn, batch, right):
    import torchattacks

    theirs = torchattacks.FAB(cnn, norm=name, eps=1e6, steps=10, multi_targeted=False, n_classes=10)(*batch)
    ours = attack("fab", norm, 1.0, cnn, *batch, steps=10)
    assert not right(cnn, ours, batch[1]).any()
    assert same(ours, theirs, 1e-3) >= 0.99


def test_advlib_cw_is_foolbox_cw_where_every_pixel_counts(attack, linear):
    torch.manual_seed(0)
    model = linear(torch.randn(3, 16).tolist())
    x = torch.rand(12, 1, 1, 16) * 0.4 + 0.3
    y = model.predict(x).argmax(1)
    parameters = {"steps": 40, "lr": 0.01, "initial_const": 2.0}
    first, second = (attack("cw", "l2", 1.0, model, x, y, library=name, **parameters) for name in ("advlib", "foolbox"))
    broken = (second != 0).flatten(1).any(1)
    assert broken.sum() >= 5
    torch.testing.assert_close(first[broken], second[broken], atol=2e-4, rtol=0)
    assert torch.equal(first[~broken], x[~broken]), "and where it finds nothing it returns the image"


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("loss", ["cross-entropy", "dlr"])
def test_advlib_apgd_breaks_what_torchattacks_breaks(norm, loss, attack, cnn, batch, right):
    """The step schedule differs; on an undefended CNN the outcome hardly does."""
    eps = {"linf": 0.04, "l2": 0.3}[norm]
    standing = [
        right(cnn, attack("apgd", norm, eps, cnn, *batch, library=name, steps=30, loss=loss), batch[1])
        for name in ("advlib", "torchattacks")
    ]
    assert 0 < standing[0].sum() < len(batch[0])
    assert (standing[0] == standing[1]).float().mean() >= 0.9


CLOSEST = {"linf": 0.125, "l2": 0.125 * 2**0.5, "l1": 0.25, "l0": 1.0}


@pytest.mark.parametrize(
    ("family", "norm"),
    [
        *[("pdpgd", norm) for norm in ("l0", "l1", "l2", "linf")], ("alma", "l2"), ("alma", "l1"), ("sigmazero", "l0"),
        ("fab", "l1"), ("fab", "l2"), ("fab", "linf"), ("ddn", "l2"),
    ],
)  # fmt: skip
def test_the_closest_point_of_a_linear_model_is_found(family, norm, attack, linear, right):
    unreachable = [[0.0] * 4] * 2  # ALMA's loss needs a third class
    model = linear([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], *unreachable], bias=[5.0, 5.0, -9.0, -9.0])
    x = torch.tensor([0.5, 0.75, 0.5, 0.5]).view(1, 1, 1, 4)
    steps = {"alma": 500, "pdpgd": 300}.get(family, 100)
    examples = attack(family, norm, 1.0, model, x, ONE, steps=steps)
    assert not right(model, examples, ONE)
    assert distance(x, examples, norm).item() == pytest.approx(CLOSEST[norm], rel=0.15 if family == "alma" else 0.06)


T = 6
COSTS = {
    ("pgd", "linf"): (T, T),
    ("apgd", "linf"): (T + 1, T + 1),
    ("apgd", "l1"): (T + 1, T + 1),
    ("fmn", "l2"): (T, T),
    ("ddn", "l2"): (T, T),
    ("cw", "l2"): (T, T),
    ("fab", "l2"): (2 * T + 1, 9 * T),
    ("alma", "l2"): (T, T),
    ("sigmazero", "l0"): (T, T),
    ("pdpgd", "l2"): (T, T),
}
"""Forward and backward passes a sample, of T steps, where there are ten classes."""


@pytest.mark.parametrize(("family", "norm"), COSTS, ids="-".join)
def test_costs(family, norm, attack, cnn, batch):
    x, y = batch
    cnn.passes.forward = cnn.passes.backward = 0
    attack(family, norm, 1e-4, cnn, x, y, steps=T)
    assert (cnn.passes.forward / len(x), cnn.passes.backward / len(x)) == COSTS[family, norm]
