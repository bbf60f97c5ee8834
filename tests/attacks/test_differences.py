"""Every difference and every caveat that a table names exists today: a test fails when the library mends it."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn
from torch.nn import functional as F

from frontdef.attacks import art, foolbox, torchattacks
from frontdef.attacks.native import library as native
from frontdef.threat import TOLERANCE, distance
from tests.attacks.pins import PINNED, pins

TABLES = {"native": native.TABLE, "art": art.TABLE, "foolbox": foolbox.TABLE, "torchattacks": torchattacks.TABLE}


def test_everything_named_is_pinned():
    for path in Path(__file__).parent.glob("test_*.py"):
        importlib.import_module(f"tests.attacks.{path.stem}")
    named = {
        (library, *key, kind)
        for library, table in TABLES.items()
        for key, row in table.items()
        for kind in ("difference", "caveat")
        if getattr(row, kind)
    }
    assert named == PINNED


def images(*pixels: list[float]) -> torch.Tensor:
    return torch.tensor(pixels).view(len(pixels), 1, 1, -1)


ZERO = torch.tensor([0])


# --- ART ---


@pins("art", ("fgsm", "l1"))
def test_art_l1_step_stalls_at_a_saturated_pixel(attack, linear):
    model = linear([[0.0, 0.0, 0.0], [5.0, 4.0, 1.0]], bias=[7.0, 0.0])
    x = images([1.0, 0.3, 0.5])  # class 0; the first pixel has the largest gradient and is white already
    assert torch.equal(attack("art", "fgsm", "l1", 0.6, model, x, ZERO), x)
    torch.testing.assert_close(attack("native", "fgsm", "l1", 0.6, model, x, ZERO), images([1.0, 0.9, 0.5]))


@pins("art", ("pgd", "l1"))
def test_art_l1_pgd_stalls_and_rescales(attack, linear, cnn, batch, right):
    from art.attacks.evasion.projected_gradient_descent.projected_gradient_descent_pytorch import (
        ProjectedGradientDescentPyTorch,
    )

    model = linear([[0.0, 0.0, 0.0], [5.0, 4.0, 1.0]], bias=[7.0, 0.0])
    x = images([1.0, 0.3, 0.5])
    assert torch.equal(attack("art", "pgd", "l1", 0.6, model, x, ZERO), x)
    assert right(model, x, ZERO)
    assert not right(model, attack("native", "pgd", "l1", 0.6, model, x, ZERO), ZERO)

    rescaled = ProjectedGradientDescentPyTorch._projection(torch.tensor([[0.9, 0.3]]), 0.6, 1)
    torch.testing.assert_close(rescaled, torch.tensor([[0.45, 0.15]]))  # the nearest point is (0.6, 0)

    standing = {
        name: int(right(cnn, attack(name, "pgd", "l1", 6.0, cnn, *batch), batch[1]).sum())
        for name in ("native", "art", "foolbox")
    }
    print("ℓ1 PGD, ε = 6, of 100 digits still classified right:", standing)
    assert standing["art"] > standing["native"] + 20, "on digits, most of ART's ℓ1 attacks stall"


@pins("art", ("pgd", "l2"))
def test_art_l2_cuts_at_the_box_before_it_projects(attack, linear):
    model = linear([[0.0, 0.0], [1.0, 1.0]], bias=[5.0, 0.0])
    x = images([0.95, 0.5])
    run = lambda library: attack(library, "pgd", "l2", 0.1, model, x, ZERO, steps=1, relative_step=2.0)  # noqa: E731
    step = 0.2 / 2**0.5
    cut = torch.tensor([0.05, step])
    torch.testing.assert_close(run("art"), x + 0.1 * cut / cut.norm())
    for library in ("native", "foolbox", "torchattacks"):
        torch.testing.assert_close(run(library), x + torch.tensor([0.05, 0.1 / 2**0.5]))


@pins("art", ("cw", "l2"))
def test_art_cw_hardly_moves_saturated_pixels(attack, linear, right):
    """There tanh is flat: its slope of 1e-6 scales a gradient step to nothing, while Adam divides it out."""
    model = linear([[0.0] * 4, [1.0] * 4], bias=[0.5, 0.0])
    x = images([0.0] * 4)  # black; any ℓ2 distance above 1/4 suffices
    parameters = {"steps": 100, "lr": 0.1}
    assert torch.equal(attack("art", "cw", "l2", 1.0, model, x, ZERO, **parameters), x)
    examples = attack("foolbox", "cw", "l2", 1.0, model, x, ZERO, **parameters)
    assert not right(model, examples, ZERO)
    assert distance(x, examples, "l2").item() == pytest.approx(0.25, rel=0.01)


@pins("art", ("cw", "l2"))
def test_art_cw_binary_search_stalls(linear):
    """Any c above 0.2 works here. A bisection from 1 goes 1/2, 1/4, 1/8, 3/16, 7/32, 13/64 and on to 0.2.

    CarliniL2Method.generate sets ``c_old = c_current`` without copying, so the lower bound becomes the next candidate
    instead of the constant that failed, and the search never moves again.
    """
    from art.attacks.evasion import CarliniL2Method

    class Recording(CarliniL2Method):
        def _loss(self, x, x_adv, target, c_weight):
            constants.append(float(c_weight[0]))
            return super()._loss(x, x_adv, target, c_weight)

    constants: list[float] = []
    model = linear([[1.0, 0, 0, 0], [0, 1.0, 0, 0]])
    x = images([0.7, 0.5, 0.5, 0.5]).numpy()
    attack = Recording(model.art_classifier(), initial_const=1.0, binary_search_steps=8, max_iter=30, verbose=False)
    attack.generate(x, y=np.array([[1.0, 0.0]]))
    tried = [c for c, previous in zip(constants, [None, *constants], strict=False) if c != previous]
    assert tried == [1.0, 0.5, 0.25, 0.125, 0.1875]


@pins("art", ("deepfool", "l2"))
def test_art_deepfool_ignores_the_label(attack, linear, right):
    model = linear([[1.0, 0.0], [0.0, 1.0]])
    x, wrong_label = images([0.7, 0.5]), torch.tensor([1])  # predicted 0: misclassified as it is
    repaired = attack("art", "deepfool", "l2", 1.0, model, x, wrong_label)
    assert right(model, repaired, wrong_label)
    for library in ("foolbox", "torchattacks"):
        assert torch.equal(attack(library, "deepfool", "l2", 1.0, model, x, wrong_label), x)


@pins("art", ("deepfool", "l2"))
def test_art_deepfool_overshoots_once(attack, linear):
    """On a linear model one step reaches the boundary up to ART's 1e-7: the overshoot comes on top, at the end."""
    model = linear([[1.0, 0.0], [0.0, 1.0]])
    x = images([0.7, 0.5])
    for overshoot in (0.02, 0.5):
        examples = attack("art", "deepfool", "l2", 1.0, model, x, ZERO, overshoot=overshoot, steps=50)
        assert distance(x, examples, "l2").item() == pytest.approx(0.1 * 2**0.5 * (1 + overshoot), rel=1e-3)


@pins("art", ("fgsm", "l2"), ("pgd", "l2"), caveat=True)
@pytest.mark.parametrize("family", ["fgsm", "pgd"])
def test_art_l2_counts_small_gradients_as_zero(family, attack, linear):
    model = linear([[60.0, 0.0], [0.0, 60.0]])
    x = images([0.99, 0.01])  # margin 58.8: the gradient's norm is about 2e-24
    assert torch.equal(attack("art", family, "l2", 0.2, model, x, ZERO), x)
    assert distance(x, attack("native", family, "l2", 0.2, model, x, ZERO), "l2").item() == pytest.approx(0.2, rel=1e-3)


@pins("art", ("pgd", "linf"), ("pgd", "l2"), ("pgd", "l1"), caveat=True)
@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_art_restarts_overwrite_a_success(norm, attack, linear, right):
    """Its success is a prediction that differs from the clean one, whatever the label says."""
    model = linear([[1.0, 0.0], [0.0, 1.0]])
    x, y = images([0.5, 0.52]), ZERO  # misclassified as it is; many starts are classified right
    parameters = {"steps": 1, "relative_step": 1e-6, "random_start": True, "restarts": 20}
    assert right(model, attack("art", "pgd", norm, 0.3, model, x, y, **parameters), y)
    assert not right(model, attack("native", "pgd", norm, 0.3, model, x, y, **parameters), y)
    assert not right(model, attack("foolbox", "pgd", norm, 0.3, model, x, y, **parameters), y)


# --- foolbox ---


@pins("foolbox", ("fgsm", "l1"), ("bim", "l1"), ("pgd", "l1"))
@pytest.mark.parametrize("family", ["fgsm", "bim", "pgd"])
def test_foolbox_l1_steps_along_the_gradient(family, attack, linear):
    model = linear([[0.0, 0.0, 0.0], [3.0, -2.0, 1.0]], bias=[9.0, 0.0])
    x = images([0.5, 0.5, 0.5])
    parameters = {} if family == "fgsm" else {"steps": 1, "relative_step": 1.0}
    spread, one_pixel = (
        attack(name, family, "l1", 0.3, model, x, ZERO, **parameters) for name in ("foolbox", "native")
    )
    torch.testing.assert_close(spread, x + 0.3 * torch.tensor([3.0, -2.0, 1.0]) / 6)
    torch.testing.assert_close(one_pixel, x + 0.3 * torch.tensor([1.0, 0.0, 0.0]))


@pins("foolbox", ("bim", "l1"), ("pgd", "l1"))
def test_foolbox_l1_rescales():
    import eagerpy
    from foolbox.attacks import L1PGD, L1BasicIterativeAttack

    origin, point = (eagerpy.astensor(torch.tensor([values])) for values in ([0.0, 0.0], [0.9, 0.3]))
    for method in (L1PGD(), L1BasicIterativeAttack()):
        torch.testing.assert_close(method.project(point, origin, 0.6).raw, torch.tensor([[0.45, 0.15]]))


def momentum_reference(model, x, y, eps, steps, decay, normalize):
    """MI-FGSM (Dong et al. 2018, equations 6 and 7), one way of normalizing the gradient at a time."""
    momentum, current = torch.zeros_like(x), x
    for _ in range(steps):
        current = current.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(F.cross_entropy(model(current), y, reduction="sum"), current)
        momentum = decay * momentum + normalize(gradient)
        current = (x + (current + 0.1 * eps * momentum.sign() - x).clamp(-eps, eps)).clamp(0, 1)
    return current.detach()


@pins("foolbox", ("mifgsm", "linf"))
@pytest.mark.parametrize(("library", "signs"), [("foolbox", True), ("art", False), ("torchattacks", False)])
def test_foolbox_accumulates_signs(library, signs, attack, cnn, batch):
    ways = {True: torch.sign, False: lambda gradient: gradient / gradient.abs().sum((1, 2, 3), keepdim=True)}
    examples = attack(library, "mifgsm", "linf", 0.1, cnn, *batch, steps=8)
    agrees = {}
    for way, normalize in ways.items():
        expected = momentum_reference(cnn, *batch, 0.1, 8, 1.0, normalize)
        agrees[way] = float(((examples - expected).abs().flatten(1).amax(1) <= 1e-4).float().mean())
    assert agrees[signs] >= 0.99
    assert agrees[not signs] < 0.5


@pins("foolbox", ("cw", "l2"))
def test_foolbox_cw_returns_black_images(attack, cnn, batch, right):
    standing = right(cnn, *batch)
    x, y = batch[0][standing][:20], batch[1][standing][:20]
    parameters = {"steps": 1, "lr": 1e-3}
    assert torch.equal(attack("foolbox", "cw", "l2", 1.0, cnn, x, y, **parameters), torch.zeros_like(x))
    assert torch.equal(attack("torchattacks", "cw", "l2", 1.0, cnn, x, y, **parameters), x)
    examples = attack("art", "cw", "l2", 1.0, cnn, x, y, **parameters)
    failed = right(cnn, examples, y)
    assert failed.any()
    assert torch.equal(examples[failed], x[failed])


@pins("foolbox", ("noise", "linf"))
def test_foolbox_linf_noise_leaves_the_ball(attack, linear):
    model = linear([[0.0, 0.0], [0.0, 0.0]], bias=[0.0, 1.0])  # never class 0, so every draw is kept
    x, y = torch.full((200, 1, 1, 2), 0.5), torch.zeros(200, dtype=torch.int64)
    sizes = distance(x, attack("foolbox", "noise", "linf", 0.1, model, x, y, draws=1), "linf")
    assert (sizes > 0.1 + TOLERANCE).double().mean() > 0.3
    assert sizes.max() > 0.2
    assert distance(x, attack("native", "noise", "linf", 0.1, model, x, y, draws=1), "linf").max() <= 0.1 + TOLERANCE


@pins("foolbox", ("noise", "l2"))
def test_foolbox_l2_noise_is_a_normalized_cube(attack, linear):
    model = linear([[0.0, 0.0], [0.0, 0.0]], bias=[0.0, 1.0])
    x, y = torch.full((4000, 1, 1, 2), 0.5), torch.zeros(4000, dtype=torch.int64)
    angles = {}
    for library in ("foolbox", "native"):
        shift = (attack(library, "noise", "l2", 0.3, model, x, y, draws=1) - x).flatten(1).double()
        quarters = torch.atan2(shift[:, 1], shift[:, 0]).numpy() / (np.pi / 2)
        angles[library] = quarters % 1  # a cube has more room towards each corner
        sizes = shift.norm(dim=1)
        on_the_sphere = float(((sizes - 0.3).abs() < 1e-6).double().mean())
        assert on_the_sphere == 1.0 if library == "foolbox" else on_the_sphere < 0.01
    assert stats.kstest(angles["foolbox"], "uniform").pvalue < 1e-3
    assert stats.kstest(angles["native"], "uniform").pvalue > 1e-3


@pins("foolbox", ("fgsm", "l2"), ("bim", "l2"), ("pgd", "l2"), caveat=True)
@pytest.mark.parametrize("family", ["fgsm", "bim", "pgd"])
def test_foolbox_l2_steps_shrink_below_1e_12(family, attack, linear):
    model = linear([[32.0, 0.0], [0.0, 32.0]])
    x = images([1.0, 0.0])
    norm = 32 * np.exp(-32.0)  # 4e-13; of the wrong logit alone: in float32 the label's probability is 1
    parameters = {} if family == "fgsm" else {"steps": 1, "relative_step": 1.0}
    short, full = (attack(name, family, "l2", 0.2, model, x, ZERO, **parameters) for name in ("foolbox", "native"))
    assert distance(x, short, "l2").item() == pytest.approx(0.2 * norm / 1e-12, rel=1e-2)
    assert distance(x, full, "l2").item() == pytest.approx(0.2, rel=1e-3)


# --- torchattacks ---


@pins("torchattacks", ("pgd", "l2"))
def test_torchattacks_l2_steps_shrink_with_confidence_and_batch_size(attack, linear):
    model = linear([[20.0, 0.0], [0.0, 20.0]])
    x = images([1.0, 0.0])
    norm = 20 * np.exp(-20.0)  # of one image's gradient, 4e-8
    for copies in (1, 100, 1000):
        many = x.repeat(copies, 1, 1, 1)
        y = ZERO.repeat(copies)
        examples = attack("torchattacks", "pgd", "l2", 0.2, model, many, y, steps=1, relative_step=1.0)
        averaged = norm / copies
        expected = 0.2 * averaged / (averaged + 1e-10)
        assert distance(many, examples, "l2")[0].item() == pytest.approx(expected, rel=1e-2)
        for library in ("native", "foolbox"):
            examples = attack(library, "pgd", "l2", 0.2, model, many, y, steps=1, relative_step=1.0)
            assert distance(many, examples, "l2")[0].item() == pytest.approx(0.2, rel=1e-3)


def test_scaled_logits_look_robust_to_l2_pgd(attack, cnn, rescale, batch, right):
    """The same decisions, logits times 8: only the guards against division by zero differ between the libraries."""
    model = rescale(8.0)
    standing = {
        library: float(
            right(model, attack(library, "pgd", "l2", 1.0, model, *batch, steps=10), batch[1]).float().mean()
        )
        for library in ("native", "art", "foolbox", "torchattacks")
    }
    print("ℓ2 PGD, ε = 1, logits × 8, share still classified right:", standing)
    assert standing["native"] <= 0.05
    assert standing["native"] + 0.2 < standing["art"] < standing["foolbox"] < standing["torchattacks"]


@pins("torchattacks", ("pgd", "l2"))
def test_torchattacks_l2_start_has_a_uniform_radius(attack, linear):
    model = linear(torch.zeros(2, 64), bias=[1.0, 0.0])
    x, y = torch.full((500, 1, 1, 64), 0.5), torch.zeros(500, dtype=torch.int64)
    radii = {}
    for library in ("native", "art", "foolbox", "torchattacks"):
        starts = attack(library, "pgd", "l2", 0.4, model, x, y, steps=1, relative_step=1e-6, random_start=True)
        radii[library] = (distance(x, starts, "l2") / 0.4).numpy()
    assert stats.kstest(radii.pop("torchattacks"), "uniform").pvalue > 1e-3
    for library, values in radii.items():
        assert stats.kstest(values**64, "uniform").pvalue > 1e-3, library


@pins("torchattacks", ("cw", "l2"))
def test_torchattacks_cw_never_moves_saturated_pixels(attack, cnn, batch):
    x, y = batch[0][:20], batch[1][:20]
    saturated = (x == 0) | (x == 1)
    examples = attack("torchattacks", "cw", "l2", 1.0, cnn, x, y, steps=20, lr=0.05)
    assert torch.equal(examples[saturated], x[saturated])
    assert (examples[~saturated] - x[~saturated]).abs().max() > 0.05


@pins("torchattacks", ("cw", "l2"))
def test_torchattacks_cw_reads_negative_logits_as_zero(attack, rescale, batch, right):
    """All logits shifted by -100: the same classifier."""
    model = rescale(shift=-100.0)
    standing = right(model, *batch)
    x, y = (batch[0] * 0.8 + 0.1)[standing], batch[1][standing]
    standing = right(model, x, y)
    x, y = x[standing], y[standing]
    parameters = {"steps": 20, "lr": 0.05}
    assert torch.equal(attack("torchattacks", "cw", "l2", 1.0, model, x, y, **parameters), x)
    assert not right(model, attack("foolbox", "cw", "l2", 1.0, model, x, y, **parameters), y).any()


@pins("torchattacks", ("cw", "l2"))
def test_torchattacks_cw_depends_on_the_batch(attack, cnn, batch, right):
    standing = right(cnn, *batch)
    x, y = batch[0][standing][:20], batch[1][standing][:20]
    parameters = {"steps": 100, "initial_const": 0.3}
    share = {}
    for library in ("torchattacks", "foolbox"):
        together = attack(library, "cw", "l2", 1.0, cnn, x, y, **parameters)
        alone = torch.cat(
            [attack(library, "cw", "l2", 1.0, cnn, x[i : i + 1], y[i : i + 1], **parameters) for i in range(3)]
        )
        share[library] = float(((together[:3] - alone).abs().flatten(1).amax(1) > 1e-4).float().mean())
    assert share["torchattacks"] > share["foolbox"] == 0


def test_torchattacks_cw_is_foolbox_cw_otherwise(attack, linear):
    """Inside the box, logits positive, stopped before the summed loss rises: nothing else differs."""
    torch.manual_seed(0)
    model = linear(torch.randn(3, 16), bias=[20.0, 20.0, 20.0])
    x = torch.rand(12, 1, 1, 16) * 0.4 + 0.3
    y = model.predict(x).argmax(1)
    parameters = {"steps": 40, "lr": 0.003, "initial_const": 2.0}
    first, second = (
        attack(library, "cw", "l2", 1.0, model, x, y, **parameters) for library in ("torchattacks", "foolbox")
    )
    broken = (second != 0).flatten(1).any(1)
    assert broken.sum() >= 5
    torch.testing.assert_close(first[broken], second[broken], atol=1e-5, rtol=0)


def test_torchattacks_kappa_is_no_confidence(attack, cnn, batch, margins):
    """Why the table refuses a confidence: the closest misclassified iterate is kept, whatever its margin."""
    import torchattacks as library

    x, y = batch[0][:30] * 0.8 + 0.1, batch[1][:30]
    kept = margins(cnn, library.CW(cnn, c=10, kappa=5, steps=30, lr=0.05)(x, y), y)
    assert ((kept > 0) & (kept < 4.9)).any()
    confident = attack("foolbox", "cw", "l2", 1.0, cnn, x, y, confidence=5.0, initial_const=10.0, steps=30, lr=0.05)
    broken = (confident != 0).flatten(1).any(1)
    assert broken.any()
    assert (margins(cnn, confident, y)[broken] >= 5 - 1e-4).all()


def deepfool_reference(model, x, y, steps, extra, step_by_step):
    """DeepFool (Moosavi-Dezfooli et al. 2016, algorithm 2) on one image.

    The authors' code adds 1e-4 (``extra``) to each step's length, and overshoots and clips the sum of all steps.
    """
    current, total = x, torch.zeros_like(x)
    for _ in range(steps):
        logits = model(current)[0]
        if logits.argmax() != y:
            break
        jacobian = torch.autograd.functional.jacobian(lambda image: model(image)[0], current)[:, 0]
        gaps, slopes = logits - logits[y], jacobian - jacobian[y]
        norms = slopes.flatten(1).norm(dim=1)
        ratios = torch.where(torch.arange(len(logits)) == y, torch.inf, gaps.abs() / norms)
        best = int(ratios.argmin())
        step = (ratios[best] + extra) / norms[best] * slopes[best]
        total = total + step
        current = (current + 1.02 * step if step_by_step else x + 1.02 * total).clamp(0, 1)
    return current


@pins("torchattacks", ("deepfool", "l2"))
def test_torchattacks_deepfool_ends_on_the_boundary(attack, cnn, batch, margins, right):
    standing = right(cnn, *batch)
    x, y = batch[0][standing][:12], batch[1][standing][:12]
    by_library = {}
    for library, extra, step_by_step in (("torchattacks", 0.0, True), ("foolbox", 1e-4, False)):
        by_library[library] = attack(library, "deepfool", "l2", 1.0, cnn, x, y, steps=10)
        expected = [deepfool_reference(cnn, x[i : i + 1], y[i], 10, extra, step_by_step) for i in range(len(x))]
        torch.testing.assert_close(by_library[library], torch.cat(expected), atol=1e-5, rtol=0)
    apart = (by_library["foolbox"] - by_library["torchattacks"]).abs().flatten(1).amax(1)
    assert (apart > 1e-4).float().mean() > 0.1
    beyond = {library: margins(cnn, examples, y).abs().median() for library, examples in by_library.items()}
    assert beyond["torchattacks"] < 1e-3 < beyond["foolbox"]


class Dead(nn.Module):
    """No gradient wherever all pixels are dark."""

    def forward(self, x):
        bright = torch.relu(x.flatten(1) - 0.5)
        return torch.stack([1 - 0 * bright.sum(1), bright.sum(1)], dim=1)


@pins("torchattacks", ("deepfool", "l2"), caveat=True)
def test_torchattacks_deepfool_returns_nan(attack, wrap):
    model = wrap(Dead(), (1, 1, 4))
    x, y = images([0.1, 0.2, 0.3, 0.4], [0.9, 0.6, 0.5, 0.6]), torch.tensor([0, 0])
    finite = {
        library: attack(library, "deepfool", "l2", 1.0, model, x, y, steps=3).isfinite().flatten(1).all(1).tolist()
        for library in ("torchattacks", "art", "foolbox")
    }
    assert finite == {"torchattacks": [False, True], "art": [True, True], "foolbox": [True, True]}


class Silent(nn.Module):
    """A classifier whose first answer has no gradient, as a randomized front end can have by chance."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += x.requires_grad  # counting ART's classes is no call
        score = x.flatten(1).sum(1) * (self.calls > 1)
        return torch.stack([2 + 0 * score, score], dim=1)


@pins("torchattacks", ("mifgsm", "linf"), caveat=True)
def test_torchattacks_mifgsm_never_recovers_from_a_zero_gradient(attack, wrap):
    x = images([0.2, 0.3, 0.4, 0.5])
    moved = {}
    for library in ("torchattacks", "art", "foolbox"):
        model = wrap(Silent(), (1, 1, 4))
        examples = attack(library, "mifgsm", "linf", 0.1, model, x, ZERO, steps=5)
        assert examples.isfinite().all()
        moved[library] = float((examples - x).abs().max())
    assert moved["torchattacks"] == 0
    assert moved["art"] == moved["foolbox"] == pytest.approx(0.04, abs=1e-6)
