"""Every difference and every caveat that the table names exists today: a test fails when adv-lib mends it."""

from __future__ import annotations

import pytest
import torch
from frontdef_advlib.library import AdvLibrary
from torch import nn

from frontdef.threat import distance

TABLE = AdvLibrary().table()
PINNED: set[tuple[str, str, str]] = set()


def pins(*rows: tuple[str, str], caveat: bool = False):
    """Mark a test as the one that shows what some rows name."""
    PINNED.update((*row, "caveat" if caveat else "difference") for row in rows)
    return lambda test: test


def test_everything_named_is_pinned():
    named = {(*key, kind) for key, row in TABLE.items() for kind in ("difference", "caveat") if getattr(row, kind)}
    assert named == PINNED


ZERO = torch.tensor([0])
IDENTITY = [[1.0, 0.0], [0.0, 1.0]]


def image(*pixels):
    return torch.tensor(pixels).view(1, 1, 1, -1)


@pins(("pgd", "linf"))
def test_advlib_pgd_never_looks_at_its_last_point(attack, cnn, batch, right):
    x, y = batch
    assert torch.equal(attack("pgd", "linf", 0.2, cnn, x, y, steps=1, relative_step=1.0), x)
    native = attack("pgd", "linf", 0.1, cnn, x, y, library="native", steps=5)
    one_more = attack("pgd", "linf", 0.1, cnn, x, y, steps=6)
    fell = ~right(cnn, native, y)
    assert fell.float().mean() > 0.3
    torch.testing.assert_close(one_more[fell], native[fell], atol=1e-6, rtol=0)
    weak = attack("pgd", "linf", 0.01, cnn, x, y, steps=5)
    standing = right(cnn, weak, y)
    assert standing.float().mean() > 0.5
    assert torch.equal(weak[standing], x[standing])


class Restless(nn.Module):
    """The wrong logit grows with every call, and its slope changes sign with every call."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, x):
        calls = len(self.seen)
        self.seen.append(x.detach().clone())
        wrong = 0.005 * calls + 1e-4 * (-1) ** calls * x.flatten(1).sum(1)
        zero = 0 * wrong
        return torch.stack([zero + 1, wrong, zero - 1, zero - 2], dim=1)


@pins(("apgd", "linf"), ("apgd", "l2"), ("apgdt", "linf"), ("apgdt", "l2"))
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_advlib_apgd_halves_its_step_though_the_loss_rises(norm, attack, wrap):
    """``loss_best_last_check = loss_best`` without a copy: the comparison that follows is of a tensor with itself."""
    moved = {}
    for library in ("advlib", "torchattacks"):
        inner = Restless()
        attack("apgd", norm, 0.2, wrap(inner, (1, 1, 1)), image(0.5), ZERO, library=library, steps=100)
        path = torch.cat(inner.seen[-5:]).flatten()
        moved[library] = float(path.diff().abs().max())
    assert moved["torchattacks"] > 0.1
    assert moved["advlib"] < moved["torchattacks"] / 4


@pins(("apgdt", "linf"), ("apgdt", "l2"), ("apgdt", "l1"))
def test_advlib_targeted_dlr_is_against_the_largest_other():
    """AutoAttack's is (z_t - z_y) / ...: of label 0 and target 2 it is above 0 here, though class 1 is larger."""
    from adv_lib.utils.losses import difference_of_logits_ratio

    logits = torch.tensor([[1.0, 5.0, 3.0, 2.0]])
    scale = 5 - (2 + 1) / 2
    ratio = difference_of_logits_ratio(logits, torch.tensor([2]), targeted=True)
    torch.testing.assert_close(ratio, torch.tensor([(3.0 - 5.0) / scale]))


@pins(("apgdt", "linf"), ("apgdt", "l2"), ("apgdt", "l1"), caveat=True)
@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.3), ("l2", 3.0), ("l1", 30.0)])
def test_advlib_apgdt_repairs_what_is_misclassified(norm, eps, attack, cnn, batch, right):
    x = batch[0]
    runner_up = cnn.predict(x).topk(2, dim=1).indices[:, 1]
    assert not right(cnn, x, runner_up).any()
    assert right(cnn, attack("apgdt", norm, eps, cnn, x, runner_up, steps=10, classes=1), runner_up).all()


@pins(("apgd", "l1"), ("apgdt", "l1"), caveat=True)
@pytest.mark.parametrize("family", ["apgd", "apgdt"])
def test_advlib_l1_rounds_to_outside(family, attack, cnn, batch):
    largest = max(
        float(distance(batch[0], attack(family, "l1", eps, cnn, *batch, steps=10), "l1").max()) - eps
        for eps in (6.0, 12.0, 24.0)
    )
    assert 1e-6 < largest < 1e-5


@pins(("fmn", "l0"), caveat=True)
def test_advlib_l0_fmn_ends_where_all_radii_are_zero(attack, linear):
    with pytest.raises(RuntimeError, match="out of bounds"):
        attack("fmn", "l0", 5.0, linear(IDENTITY), image(0.4, 0.6), ZERO)


@pins(("fmn", "l2"))
def test_advlib_l2_fmn_jumps_to_the_sphere(attack, linear):
    """A first step of 0.01 from an image whose boundary is 0.18 away: the projection makes it 0.18 long."""
    seen = []
    model = linear(IDENTITY, bias=[5.0, 5.0])
    x = image(0.75, 0.5)
    hook = model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().clone()))
    attack("fmn", "l2", 10.0, model, x, ZERO, steps=2, max_step=0.01)
    hook.remove()
    assert distance(x, seen[1], "l2").item() == pytest.approx(0.125 * 2**0.5, rel=1e-5)


@pins(("fmn", "l1"), ("fmn", "l2"), ("fmn", "linf"), caveat=True)
@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_advlib_fmn_stops_on_the_boundary_of_a_linear_model(norm, attack, linear):
    """The tie on the boundary goes to class 0: for an image of class 1 an example, for one of class 0 none."""
    model = linear([[1.0], [0.0]], bias=[0.0, 0.25])
    assert torch.equal(attack("fmn", norm, 1.0, model, image(0.5), ZERO), image(0.5))
    assert torch.equal(attack("fmn", norm, 1.0, model, image(0.125), torch.tensor([1])), image(0.25))


@pins(("fmn", "l1"), ("fmn", "l2"), caveat=True)
def test_advlib_fmn_ends_short_of_the_boundary_of_a_cnn(attack, cnn, batch, right):
    left = {}
    for norm in ("l1", "l2"):
        few, many = (right(cnn, attack("fmn", norm, 1.0, cnn, *batch, steps=n), batch[1]) for n in (50, 150))
        assert (few == many).float().mean() > 0.9
        left[norm] = int(many.sum())
    print("FMN, of 24 digits never misclassified:", left)
    assert min(left.values()) > 2


def deepfool_path(model, x, y, steps):
    """DeepFool on one image, every step overshot by 2 %, as adv-lib does it; what it looks at."""
    path = [x]
    for _ in range(steps - 1):
        logits = model(path[-1])[0].detach()
        if logits.argmax() != y:
            break
        jacobian = torch.autograd.functional.jacobian(lambda images: model(images)[0], path[-1])[:, 0]
        gaps, slopes = (logits - logits[y]).abs(), jacobian - jacobian[y]
        norms = slopes.flatten(1).norm(dim=1)
        ratios = torch.where(torch.arange(len(gaps)) == y, torch.inf, gaps / norms + 1e-4)
        best = int(ratios.argmin())
        path.append((path[-1] + 1.02 * ratios[best] / norms[best] * slopes[best]).clamp(0, 1))
    return path


@pins(("deepfool", "l2"), ("deepfool", "linf"))
@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_advlib_deepfool_never_looks_at_its_last_point(norm, attack, linear, right):
    model, x = linear(IDENTITY), image(0.75, 0.5)
    assert torch.equal(attack("deepfool", norm, 1.0, model, x, ZERO, steps=1), x)
    assert not right(model, attack("deepfool", norm, 1.0, model, x, ZERO, library="foolbox", steps=1), ZERO)
    assert not right(model, attack("deepfool", norm, 1.0, model, x, ZERO, steps=2), ZERO)


@pins(("deepfool", "l2"))
def test_advlib_deepfool_overshoots_each_step(attack, cnn, batch, right):
    x, y = batch[0][:12], batch[1][:12]
    paths = [deepfool_path(cnn, x[i : i + 1], y[i], 10) for i in range(len(x))]
    assert sum(len(path) > 2 for path in paths) >= 3, "most need one step: nothing to tell apart"
    examples = attack("deepfool", "l2", 1.0, cnn, x, y, steps=10)
    torch.testing.assert_close(examples, torch.cat([path[-1] for path in paths]), atol=1e-5, rtol=0)


@pins(("cw", "l2"))
def test_advlib_cw_first_moves_what_no_logit_depends_on(attack, linear):
    model, x = linear([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), image(0.7, 0.5, 0.9)
    moved = {}
    for library in ("advlib", "foolbox"):
        seen = []
        hook = model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().clone()))  # noqa: B023
        attack("cw", "l2", 1.0, model, x, ZERO, library=library, steps=2, lr=0.1)
        hook.remove()
        moved[library] = float((seen[1] - seen[0]).flatten()[2].abs())
    assert moved["foolbox"] == 0
    assert moved["advlib"] > 0.01
