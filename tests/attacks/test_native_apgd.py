"""Native auto-PGD and Square: the papers' rules, survivors only."""

from __future__ import annotations

import copy

import pytest
import torch

from frontdef.attacks.native import wave
from frontdef.attacks.native.autopgd import AutoPgd, ClimbRun, apgd, apgdt
from frontdef.attacks.native.losses import DIRECTIONS, cross_entropy, gap, log_odds, targeted_dlr
from frontdef.attacks.native.square import random_search, square
from frontdef.errors import ConfigError
from frontdef.threat import ThreatModel
from tests.attacks.pins import pins

NORMS = {"linf": 0.03, "l2": 0.22, "l1": 0.8}
ATTACKS = {"apgd": apgd, "apgdt": apgdt}


@pytest.fixture(params=NORMS)
def threat(request) -> ThreatModel:
    return ThreatModel(request.param, NORMS[request.param])


@pytest.fixture(scope="module")
def standing(cnn, batch, right):
    keep = right(cnn, *batch)
    return batch[0][keep], batch[1][keep]


def run(attack, model, batch, threat, seed=0, **parameters):
    generator = torch.Generator().manual_seed(seed)
    return attack(model, *batch, threat=threat, generator=generator, **{"steps": 12, **parameters})


def cost(model, attack):
    model.passes.forward = model.passes.backward = 0
    return attack(), model.passes.forward, model.passes.backward


def agree(first, second):
    return float(((first - second).abs().flatten(1).amax(1) <= 1e-4).double().mean())


def beside_torchattacks(net, x, y, norm, loss, shift=0.0):
    """Both from one start, in double precision: examples, which samples still stand, and their losses."""
    import torchattacks

    net, x = copy.deepcopy(net).double(), x.double()
    threat = ThreatModel(norm.lower(), {"Linf": 0.015, "L2": 0.1}[norm])
    theirs = torchattacks.APGD(net, norm=norm, eps=threat.eps, steps=30, loss=loss)
    dlr = theirs.dlr_loss
    theirs.dlr_loss = lambda logits, labels: dlr(logits, labels) + shift
    started = []
    hook = net.register_forward_pre_hook(lambda _, inputs: started.append(inputs[0].detach().clone()))
    torch.manual_seed(0)
    expected, right, _, _ = theirs.attack_single_run(x, y)
    hook.remove()
    climbed = DIRECTIONS["cross-entropy" if loss == "ce" else "dlr"]
    result = x.clone()
    attack = AutoPgd(net, x, y, threat, 30, lambda logits, labels, _: climbed(logits, labels))
    left = attack.climb(result, torch.arange(len(x)), iter([ClimbRun(started[0], y)]), 1)
    with torch.no_grad():
        losses = [climbed(net(examples[left]), y[left]) for examples in (result, expected)]
    return result[left], expected[left], left, right.nonzero().flatten(), losses


@pytest.mark.parametrize("norm", ["Linf", "L2"])
@pytest.mark.parametrize(("loss", "shift"), [("ce", 0.0), ("dlr", 10.0)])
def test_it_is_torchattacks_apgd_step_for_step(norm, loss, shift, cnn, standing):
    """It breaks the same samples, and comes to the same examples of the others after three checkpoints.

    A constant makes DLR positive and changes no step: at its first checkpoint the authors' code compares the first loss
    with a row that is not filled yet, with 0, which a positive loss exceeds as it should.
    """
    examples, expected, left, right, losses = beside_torchattacks(cnn.classifier, *standing, norm, loss, shift)
    assert len(left) > 20
    assert torch.equal(left, right)
    assert agree(examples, expected) >= 0.98
    assert (losses[0] - losses[1]).abs().max() <= 1e-3


def test_the_first_checkpoint_counts_a_rise_from_the_start_also_of_a_negative_loss(cnn, standing):
    """The authors' code does not: DLR is below 0 where a sample is right, so one rise of it goes uncounted."""
    examples, expected, left, right, _ = beside_torchattacks(cnn.classifier, *standing, "Linf", "dlr")
    assert torch.equal(left, right)
    assert 0.5 < agree(examples, expected) < 0.9


@pytest.mark.parametrize("attack", ATTACKS)
def test_examples_stay_inside_and_survivors_alone_cost(attack, cnn, batch, threat, right):
    examples, forward, backward = cost(cnn, lambda: run(ATTACKS[attack], cnn, batch, threat))
    assert threat.contains(batch[0], examples).all()
    fell, wrong = ~right(cnn, examples, batch[1]), ~right(cnn, *batch)
    assert wrong.sum() < fell.sum() < len(fell)
    assert torch.equal(examples[wrong], batch[0][wrong])
    runs = 9 if attack == "apgdt" else 1
    assert forward + backward < 0.95 * len(fell) * (1 + runs * 25)


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_first_success_is_returned_and_nothing_later_undoes_it(attack, cnn, standing, threat, right):
    """Whatever iterate of the surviving rows is misclassified, its sample comes back misclassified."""
    seen = []
    for number in range(6):
        x, y = standing[0][number : number + 1], standing[1][number : number + 1]
        hook = cnn.register_forward_hook(lambda _, __, logits, y=y: seen.append(bool((logits.argmax(1) != y).any())))
        examples = run(ATTACKS[attack], cnn, (x, y), threat)
        hook.remove()
        assert any(seen) == bool(~right(cnn, examples, y).any())
        seen.clear()


def test_restarts_in_one_pass_give_what_restarts_one_by_one_give(cnn, standing, threat, monkeypatch, right):
    narrow, examples = ThreatModel(threat.norm, 0.6 * threat.eps), {}
    for rows in (1, 10_000):
        monkeypatch.setattr(wave, "FULL", {"cpu": rows})
        examples[rows] = run(apgd, cnn, standing, narrow, restarts=4)
    assert agree(examples[1], examples[10_000]) >= 0.98
    assert torch.equal(*(right(cnn, found, standing[1]) for found in examples.values()))


def test_restarts_never_help_the_defender(cnn, standing, threat, right):
    fell = [~right(cnn, run(apgd, cnn, standing, threat, steps=4, restarts=n), standing[1]) for n in (1, 2, 8)]
    assert not (fell[0] & ~fell[1]).any()
    assert not (fell[1] & ~fell[2]).any()
    assert fell[2].sum() > fell[0].sum()


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_sample_does_not_see_which_others_are_left(attack, cnn, standing, threat):
    """With neighbors that fall at once, and with neighbors that never fall."""
    x, y = standing[0][:16], standing[1][:16]
    together = run(ATTACKS[attack], cnn, (x, y), threat)
    wrong = (y[8:] + 1) % 10
    among_fallen = run(ATTACKS[attack], cnn, (x, torch.cat([y[:8], wrong])), threat)
    assert agree(among_fallen[:8], together[:8]) == 1


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_margin_is_too_large(attack, cnn, rescale, standing, threat, right):
    """Logits times 60: float32 cross-entropy is exactly 0 on most images; what falls falls all the same."""
    steep = rescale(60.0)
    assert (cross_entropy(steep.predict(standing[0]), standing[1]) == 0).double().mean() > 0.5
    few = standing[0][:40], standing[1][:40]
    fell = [~right(model, run(ATTACKS[attack], model, few, threat), few[1]) for model in (cnn, steep)]
    assert fell[1].sum() > 0.75 * fell[0].sum()


def test_targets_are_reached(cnn, standing, right):
    wanted = (standing[1] + 1) % 10
    attack = {"threat": ThreatModel("linf", 0.3), "steps": 20, "targeted": True}
    assert right(cnn, apgd(cnn, standing[0], wanted, **attack), wanted).double().mean() > 0.9


def test_targeted_losses_by_hand():
    logits = torch.tensor([[1.0, 5.0, 3.0, 0.0, -2.0]])
    y, target = torch.tensor([1]), torch.tensor([3])
    assert gap(logits, y, target).item() == -5
    assert targeted_dlr(logits, y, target).item() == pytest.approx(-5 / (5 - (1 + 0) / 2))
    assert targeted_dlr(logits[:, :3], y, torch.tensor([0])).item() == pytest.approx(-4 / (5 - 1))
    with pytest.raises(ConfigError, match="at least 3 classes"):
        targeted_dlr(logits[:, :2], y, torch.tensor([0]))


def test_log_odds_order_iterates_as_cross_entropy_does():
    """Best and rising are judged by it, so it must be monotone in the loss that it stands for."""
    logits, y = torch.randn(200, 10, dtype=torch.float64), torch.zeros(200, dtype=torch.int64)
    order = cross_entropy(logits, y).argsort()
    assert (log_odds(logits, y)[order].diff() > 0).all()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_square_stops_where_it_succeeded_and_restarts_what_is_left(norm, cnn, batch, right):
    threat = ThreatModel(norm, {"linf": 0.06, "l2": 0.6}[norm])
    left, spent = [], []

    def attack(restarts):
        draws = torch.Generator().manual_seed(0)
        return square(cnn, *batch, threat=threat, queries=40, restarts=restarts, generator=draws)

    for restarts in (1, 3):
        found, forward, _ = cost(cnn, lambda: attack(restarts))  # noqa: B023
        assert threat.contains(batch[0], found).all()
        left.append(right(cnn, found, batch[1]))
        spent.append(forward)
    assert not (left[1] & ~left[0]).any()
    assert 0 < left[1].sum() < left[0].sum() < right(cnn, *batch).sum()
    assert spent[0] < len(batch[0]) * 41
    assert spent[1] <= spent[0] + int(left[0].sum()) * (2 * 40 + 2)


@pins("native", ("square", "l2"))
def test_native_square_writes_a_square_of_the_whole_norm():
    """What the perturbation holds elsewhere is scaled down with it by the projection; the paper moves a window's."""
    x, y, seen = torch.full((1, 1, 8, 8), 0.5), torch.tensor([0]), []

    def rising(images):
        seen.append(images - x)
        return torch.tensor([[100.0, float(len(seen))]])

    random_search(rising, x, y, threat=ThreatModel("l2", 0.4), queries=2, generator=torch.Generator().manual_seed(0))
    before, after = seen
    inside = (after / before - (after / before).flatten()[(after / before).flatten().mode().indices]).abs() > 1e-5
    written = torch.where(inside, after, 0)
    scale = 1 / (1 + float((before * ~inside).square().sum()) / 0.16) ** 0.5
    assert float(written.norm()) == pytest.approx(0.4 * scale, rel=1e-4)
