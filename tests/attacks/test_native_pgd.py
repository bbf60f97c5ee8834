"""Native PGD: what its modes, losses and restarts promise."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from frontdef.attacks.native import fast as fast_mode
from frontdef.attacks.native import wave
from frontdef.attacks.native.ascent import look
from frontdef.attacks.native.losses import DIRECTIONS, LOSSES, log_odds
from frontdef.attacks.native.noise import noise
from frontdef.attacks.native.pgd import pgd
from frontdef.protected import Protected
from frontdef.threat import ThreatModel, distance

NORMS = {"linf": 0.03, "l2": 0.22, "l1": 1.5}
"""Radii at which some of the digits fall and others stand."""


@pytest.fixture(params=NORMS)
def threat(request) -> ThreatModel:
    return ThreatModel(request.param, NORMS[request.param])


def run(model, batch, threat, seed=0, **parameters):
    parameters = {"steps": 5, "step_size": 0.4 * threat.eps, **parameters}
    return pgd(model, *batch, threat=threat, generator=torch.Generator().manual_seed(seed), **parameters)


class Scaled(nn.Module):
    """Logits times a factor."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, logits):
        return self.factor * logits


def cost(model, attack):
    model.passes.forward = model.passes.backward = 0
    examples = attack()
    return examples, model.passes.forward, model.passes.backward


@pytest.mark.parametrize("restarts", [1, 3])
def test_fast_mode_is_no_weaker_and_cheaper(cnn, batch, threat, right, restarts):
    """From the same starts, what falls in the end falls on the way."""
    parameters = {"random_start": True, "restarts": restarts}
    matched, forward, backward = cost(cnn, lambda: run(cnn, batch, threat, **parameters))
    fast, fast_forward, fast_backward = cost(cnn, lambda: run(cnn, batch, threat, mode="fast", **parameters))
    fell, fell_fast = ~right(cnn, matched, batch[1]), ~right(cnn, fast, batch[1])
    assert 0 < fell.sum() < len(fell)
    assert not (fell & ~fell_fast).any()
    assert fast_forward < 0.9 * forward
    assert fast_backward < 0.9 * backward
    assert threat.contains(batch[0], fast).all()


def test_restarts_in_one_pass_give_what_restarts_one_by_one_give(cnn, batch, threat, monkeypatch):
    """Also the same first success, and the last iterate of the last restart where there is none."""
    threat = ThreatModel(threat.norm, 1.2 * threat.eps)
    examples, passes = {}, {}
    for rows in (1, 10_000):
        monkeypatch.setattr(wave, "FULL", {"cpu": rows})
        sizes = []
        hook = cnn.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))  # noqa: B023
        examples[rows] = run(cnn, batch, threat, random_start=True, restarts=8, mode="fast")
        hook.remove()
        passes[rows] = len(sizes)
        assert max(sizes) == len(batch[0])
    agree = ((examples[1] - examples[10_000]).abs().flatten(1).amax(1) <= 1e-4).double().mean()
    assert agree >= 0.99
    assert passes[10_000] < passes[1]


@pytest.mark.parametrize(("left", "sizes"), [(1, [1, 4, 15]), (8, [1, 4, 4, 4, 4, 3]), (32, [1] * 20)])
def test_waves_grow_and_never_outgrow_the_batch(left, sizes):
    """So a sample that falls in its second run has cost three runs in vain, not eighteen."""
    made = []

    def attempt(runs, standing, to_come):
        made.append(runs)
        assert to_come == 20 - sum(map(len, made))
        return standing

    wave.waves(attempt, iter(range(20)), 20, torch.arange(left), samples=32)
    assert [run for runs in made for run in runs] == list(range(20))
    assert [len(runs) for runs in made] == sizes


def test_runs_that_go_in_circles_end_early_and_change_nothing(cnn, batch, threat, right, monkeypatch):
    """On a small network the iterates settle soon; what stands then stands after all steps, too."""
    parameters = {"steps": 60, "random_start": True, "restarts": 3, "mode": "fast"}
    threat = ThreatModel(threat.norm, 0.6 * threat.eps)
    early, _, backward = cost(cnn, lambda: run(cnn, batch, threat, **parameters))
    monkeypatch.setattr(fast_mode.PgdRun, "repeats", lambda *_: False)
    late, _, all_backward = cost(cnn, lambda: run(cnn, batch, threat, **parameters))
    assert torch.equal(right(cnn, early, batch[1]), right(cnn, late, batch[1]))
    assert threat.contains(batch[0], early).all()
    if threat.norm == "linf":
        assert backward < 0.8 * all_backward


class Flicker(torch.nn.Module):
    """Always right, but only one draw in eight has a gradient."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.rows = inner, []

    def forward(self, x):
        self.rows.append(len(x))
        logits = self.inner(x)
        return torch.where(torch.rand(len(x), 1) < 0.125, logits, logits.detach())


@pytest.mark.parametrize("n", [1, 50])
def test_a_random_model_is_never_thought_to_go_in_circles(cnn, batch, right, n):
    """Its iterates stand still where a draw has no gradient; every step is taken all the same."""
    standing = right(cnn, *batch)
    x, y = batch[0][standing][:n], batch[1][standing][:n]
    model = Flicker(cnn.classifier)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        pgd(model, x, y, threat=ThreatModel("linf", 1e-4), steps=40, step_size=1e-5, mode="fast")
    assert len(model.rows) == 40 + 2, "all steps, and the two looks that found the model random"


def test_fast_mode_returns_the_first_success(cnn, batch, threat, right):
    """Without a random start the iterates of k steps are those of the first k steps of more."""
    fast = run(cnn, batch, threat, mode="fast", steps=6, loss="margin")
    trajectory = [batch[0]] + [run(cnn, batch, threat, steps=k, loss="margin") for k in range(1, 7)]
    fallen = torch.stack([~right(cnn, examples, batch[1]) for examples in trajectory])
    first = torch.where(fallen.any(0), fallen.int().argmax(0), 6)
    assert len(first.unique()) >= 3
    expected = torch.stack(trajectory)[first, torch.arange(len(first))]
    torch.testing.assert_close(fast, expected, atol=1e-6, rtol=0)


def test_log_odds_have_the_direction_of_cross_entropy():
    """At margins where float64 still resolves it; their softplus is cross-entropy."""
    logits = 3 * torch.randn(200, 7, generator=torch.Generator().manual_seed(0)).double()
    y = torch.arange(200) % 7
    gradients = []
    for loss in (F.cross_entropy, lambda z, label, reduction: log_odds(z, label)):
        z = logits.clone().requires_grad_()
        gradients.append(torch.autograd.grad(loss(z, y, reduction="none").sum(), z)[0])
    slow, direct = (F.normalize(gradient, dim=1) for gradient in gradients)
    torch.testing.assert_close(direct, slow, atol=1e-9, rtol=0)
    torch.testing.assert_close(F.softplus(log_odds(logits, y)), F.cross_entropy(logits, y, reduction="none"))


@pytest.mark.parametrize(("lead", "loss", "gradient"), [(16, True, True), (18, False, True), (105, False, False)])
def test_where_float32_takes_cross_entropy_away(lead, loss, gradient):
    """The leads that the docstring of `log_odds` states; its own gradient is there at all of them."""
    y, kept = torch.zeros(1, dtype=torch.int64), []
    for objective in (LOSSES["cross-entropy"], DIRECTIONS["cross-entropy"]):
        logits = torch.tensor([[float(lead), 0.0]], requires_grad=True)
        value = objective(logits, y)
        kept.append((bool(value != 0), bool((torch.autograd.grad(value.sum(), logits)[0] != 0).any())))
    assert kept == [(loss, gradient), (True, True)]


def test_fast_mode_breaks_what_float32_hides(cnn, batch, threat, right):
    """Logits times 1,024: float32's cross-entropy has no gradient on most samples, and the classifier is the same."""
    x, y = batch
    sharp = Protected(cnn.front_end, nn.Sequential(cnn.classifier, Scaled(1024.0)), image_shape=cnn.image_shape)
    silent = (look(sharp, x, y, "cross-entropy", False)[1] == 0).flatten(1).all(1)
    assert silent.double().mean() > 0.5
    direction = look(sharp, x, y, "cross-entropy", False, DIRECTIONS)[1]
    assert (direction != 0).flatten(1).any(1).all()
    fell = {mode: ~right(sharp, run(sharp, batch, threat, mode=mode), y) for mode in ("matched", "fast")}
    plain = ~right(cnn, run(cnn, batch, threat), y)
    assert fell["matched"].sum() < plain.sum() - 5
    assert fell["fast"].sum() >= plain.sum() - 1


@pytest.mark.parametrize("mode", ["matched", "fast"])
def test_no_iterate_leaves_the_ball(cnn, batch, threat, mode):
    """Also not the early ones, which start from every pixel a little off, so that rounding errors could add up."""
    for steps in range(1, 5):
        parameters = {"steps": steps, "step_size": 0.5 * threat.eps, "random_start": True, "mode": mode}
        assert threat.contains(batch[0], run(cnn, batch, threat, **parameters)).all()


def test_fast_mode_leaves_misclassified_images_alone(cnn, batch, threat, right):
    wrong = ~right(cnn, *batch)
    assert wrong.any()
    fast = run(cnn, batch, threat, mode="fast")
    assert torch.equal(fast[wrong], batch[0][wrong])


@pytest.mark.parametrize("mode", ["matched", "fast"])
def test_restarts_never_help_the_defender(cnn, batch, threat, right, mode):
    results = [run(cnn, batch, threat, steps=2, random_start=True, restarts=n, mode=mode) for n in (1, 2, 6)]
    fell = [~right(cnn, examples, batch[1]) for examples in results]
    assert torch.equal(results[0][fell[0]], results[2][fell[0]]), "the first success counts"
    assert not (fell[0] & ~fell[1]).any()
    assert not (fell[1] & ~fell[2]).any()
    assert fell[2].sum() > fell[0].sum()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("mode", ["matched", "fast"])
def test_every_loss_rises(cnn, batch, threat, loss, mode, right):
    examples = run(cnn, batch, threat, loss=loss, mode=mode)
    assert threat.contains(batch[0], examples).all()
    assert right(cnn, examples, batch[1]).sum() < right(cnn, *batch).sum() - 10
    if mode == "matched":
        rise = LOSSES[loss](cnn.predict(examples), batch[1]) - LOSSES[loss](cnn.predict(batch[0]), batch[1])
        assert (rise[right(cnn, *batch)] > 0).double().mean() > 0.95


@pytest.mark.parametrize("loss", ["margin", "dlr"])
def test_scaled_logits_change_nothing(cnn, rescale, batch, threat, loss):
    plain, scaled = (run(model, batch, threat, loss=loss) for model in (cnn, rescale(16.0)))
    assert ((plain - scaled).abs().flatten(1).amax(1) <= 1e-4).double().mean() >= 0.99


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.03), ("l2", 0.2)])
def test_small_gradients_take_whole_steps(rescale, batch, norm, eps):
    """Logits times 8 shrink the gradient of cross-entropy below 1e-15, and the steps by nothing."""
    model = rescale(8.0)
    middle = (batch[0] * 0.6 + 0.2).requires_grad_()  # where the box shortens nothing
    (gradient,) = torch.autograd.grad(F.cross_entropy(model(middle), batch[1], reduction="sum"), middle)
    sizes = gradient.flatten(1).norm(dim=1)
    tiny = (sizes > 0) & (sizes < 1e-12)
    assert tiny.sum() >= 5
    middle = middle.detach()
    moved = distance(middle, run(model, (middle, batch[1]), ThreatModel(norm, eps), steps=1), norm)[tiny]
    torch.testing.assert_close(moved, torch.full_like(moved, 0.4 * eps), rtol=1e-3, atol=0)


def test_the_margin_loss_survives_where_cross_entropy_underflows(rescale, batch, threat, right):
    """Beyond logit differences of about 100, float32 cross-entropy has no gradient at all."""
    model = rescale(60.0)
    x = batch[0].requires_grad_()
    gradient = torch.autograd.grad(F.cross_entropy(model(x), batch[1], reduction="sum"), x)[0]
    x.requires_grad_(False)
    assert (gradient == 0).flatten(1).all(1).float().mean() > 0.5
    by_loss = {loss: right(model, run(model, batch, threat, loss=loss), batch[1]).sum() for loss in LOSSES}
    assert by_loss["margin"] < by_loss["cross-entropy"] - 20
    assert by_loss["dlr"] < by_loss["cross-entropy"] - 20


@pytest.mark.parametrize("mode", ["matched", "fast"])
def test_no_gradient_no_nan(linear, threat, mode):
    model = linear(torch.zeros(3, 4), bias=[1.0, 0.0, 0.0])
    x, y = torch.rand(5, 1, 1, 4), torch.zeros(5, dtype=torch.int64)
    assert torch.equal(run(model, (x, y), threat, mode=mode), x)


@pytest.mark.parametrize("mode", ["matched", "fast"])
def test_a_sample_does_not_see_its_neighbors(cnn, batch, threat, mode):
    together = run(cnn, batch, threat, mode=mode)
    order = torch.randperm(len(together), generator=torch.Generator().manual_seed(0))
    shuffled = run(cnn, (batch[0][order], batch[1][order]), threat, mode=mode)
    alone = torch.cat([run(cnn, (batch[0][i : i + 1], batch[1][i : i + 1]), threat, mode=mode) for i in range(8)])
    agree = lambda a, b: ((a - b).abs().flatten(1).amax(1) <= 1e-4).double().mean()  # noqa: E731
    assert agree(shuffled, together[order]) >= 0.99
    assert agree(alone, together[:8]) == 1


def test_more_steps_and_a_larger_ball_break_more(cnn, batch, threat, right):
    narrow = ThreatModel(threat.norm, 0.5 * threat.eps)
    stand = lambda examples: int(right(cnn, examples, batch[1]).sum())  # noqa: E731
    parameters = {"step_size": 0.1 * threat.eps}
    assert stand(run(cnn, batch, threat, steps=40, **parameters)) < stand(
        run(cnn, batch, threat, steps=2, **parameters)
    )
    assert stand(run(cnn, batch, threat, steps=40)) < stand(run(cnn, batch, narrow, steps=40))


def test_the_global_generator_is_the_default(cnn, batch, threat):
    draw = lambda: pgd(cnn, *batch, threat=threat, steps=1, step_size=1e-9, random_start=True)  # noqa: E731
    with torch.random.fork_rng():
        torch.manual_seed(3)
        first = draw()
        second = draw()
        torch.manual_seed(3)
        again = draw()
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_noise_keeps_the_first_success(cnn, batch, right, norm):
    threat = ThreatModel(norm, {"linf": 0.4, "l2": 4.0}[norm])
    make = lambda draws: noise(  # noqa: E731
        cnn, *batch, threat=threat, draws=draws, generator=torch.Generator().manual_seed(0)
    )
    fell, results = [], []
    for draws in (1, 2, 8):
        results.append(make(draws))
        assert threat.contains(batch[0], results[-1]).all()
        fell.append(~right(cnn, results[-1], batch[1]))
    assert fell[0].sum() < fell[2].sum()
    assert torch.equal(results[0][fell[0]], results[1][fell[0]])
    assert torch.equal(results[1][fell[1]], results[2][fell[1]])
    assert not (fell[1] & ~fell[2]).any()
