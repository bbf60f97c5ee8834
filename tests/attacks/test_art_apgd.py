"""ART's APGD and AutoAttack: what they achieve, and where they depart from the paper."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from scipy import stats
from torch import nn

from frontdef.errors import MissingExtraError
from frontdef.threat import distance
from tests.attacks.pins import pins

ROWS = [("apgd", "linf"), ("apgd", "l2")]
EPS = {"linf": 0.05, "l2": 0.5}


@pytest.mark.parametrize("loss", ["cross-entropy", "dlr"])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_art_apgd_breaks_the_cnn(norm, loss, attack, cnn, batch, right):
    examples = attack("art", "apgd", norm, EPS[norm], cnn, *batch, steps=15, loss=loss)
    assert right(cnn, *batch).float().mean() > 0.8
    assert right(cnn, examples, batch[1]).float().mean() <= 0.05


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_art_apgd_reaches_targets(norm, attack, cnn, batch):
    x, wanted = batch[0][:30], (batch[1][:30] + 1) % 10
    examples = attack("art", "apgd", norm, 3 * EPS[norm], cnn, x, wanted, steps=15, target="next")
    assert (cnn.predict(x).argmax(1) == wanted).float().mean() < 0.1
    assert (cnn.predict(examples).argmax(1) == wanted).float().mean() >= 0.8


def test_art_apgd_restarts_survivors(attack, cnn, batch, right):
    """More restarts fool more, and only what still stands is attacked again."""
    standing = right(cnn, *batch)
    x, y = batch[0][standing], batch[1][standing]

    def run(restarts):
        cnn.passes.backward = 0
        examples = attack("art", "apgd", "linf", 0.02, cnn, x, y, steps=5, restarts=restarts)
        return right(cnn, examples, y).sum().item(), cnn.passes.backward / len(x)

    (once, steps), (often, more) = run(1), run(3)
    assert 0 < often <= once
    assert steps == 5
    assert steps < more < 3 * steps


class Recorded(nn.Module):
    """A module that keeps the batches it was asked about."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.asked = inner, []

    def forward(self, x):
        if len(x) > 1:  # counting classes is no question
            self.asked.append(x.detach().clone())
        return self.inner(x)


class Band(nn.Module):
    """Three classes; class 0 but for a band of brightness that steps jump over."""

    def forward(self, x):
        score = 0.01 - (x.flatten(1).mean(1) - 0.6).abs()
        return torch.stack([0 * score, score, score - 1], dim=1)


@pins("art", *ROWS)
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_art_apgd_forgets_what_it_met(norm, attack, wrap, right):
    x, y = torch.full((300, 1, 1, 1), 0.5), torch.zeros(300, dtype=torch.int64)
    lost = {}
    for library in ("art", "torchattacks"):
        seen = Recorded(Band())
        examples = attack(library, "apgd", norm, 0.2, wrap(seen, (1, 1, 1)), x, y, steps=30)
        met = torch.stack([Band()(batch).argmax(1) == 1 for batch in seen.asked if len(batch) == 300]).any(0)
        lost[library] = (met & right(wrap(Band(), (1, 1, 1)), examples, y)).sum().item()
    assert lost["art"] > 5
    assert lost["torchattacks"] == 0


@pins("art", *ROWS)
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_art_apgd_gives_its_start_back(norm, attack, linear):
    """Nothing fools this model. torchattacks, whose start lies on the sphere, returns the image instead."""
    model = linear(torch.ones(3, 2), bias=[100.0, 0.0, 0.0])
    x, y = torch.full((500, 1, 1, 2), 0.5), torch.zeros(500, dtype=torch.int64)
    examples = attack("art", "apgd", norm, 0.3, model, x, y, steps=3)
    radii = (distance(x, examples, norm) / 0.3).numpy()
    assert stats.kstest(radii**2, "uniform").pvalue > 1e-3, "uniform in a ball of two dimensions"
    assert torch.equal(attack("torchattacks", "apgd", norm, 0.3, model, x, y, steps=3), x)


@pins("art", ("apgd", "l2"), caveat=True)
def test_art_apgd_steps_shrink_with_the_gradient(attack, wrap):
    """At a margin of 16 the gradient of one image has a norm of 2e-7, the batch's average divides it by its size."""
    moved = []
    for copies in (2, 2000):
        layer = nn.Linear(2, 3)
        with torch.no_grad():
            layer.weight.copy_(torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]]))
            layer.bias.copy_(torch.tensor([16.0, 0.0, -100.0]))
        seen = Recorded(nn.Sequential(nn.Flatten(), layer))
        x, y = torch.full((copies, 1, 1, 2), 0.5), torch.zeros(copies, dtype=torch.int64)
        attack("art", "apgd", "l2", 0.01, wrap(seen, (1, 1, 2)), x, y, steps=1)
        _, start, _, step, *_ = seen.asked
        moved.append((step - start).abs().max().item())
    assert moved[0] > 2e-3
    assert moved[1] < moved[0] / 50


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_art_autoattack_breaks_the_cnn(norm, attack, cnn, batch, right):
    x, y = batch[0][:40], batch[1][:40]
    assert not right(cnn, attack("art", "autoattack", norm, 2 * EPS[norm], cnn, x, y), y).any()


@pins("art", ("autoattack", "linf"), ("autoattack", "l2"))
@pytest.mark.parametrize("norm", [float("inf"), 2])
def test_art_autoattack_is_another_ensemble(norm, cnn):
    from art.attacks.evasion import AutoAttack

    parts = AutoAttack(cnn.art_classifier(), norm=norm, eps=0.1, eps_step=0.2).attacks
    named = [(type(part).__name__, getattr(part, "loss_type", None)) for part in parts]
    assert named == [
        ("AutoProjectedGradientDescent", "cross_entropy"),
        ("AutoProjectedGradientDescent", "difference_logits_ratio"),
        ("DeepFool", None),
        ("SquareAttack", None),
    ]
    assert [part.nb_random_init for part in parts[:2]] == [5, 5]
    assert parts[3].nb_restarts == 5
    assert not any(part.targeted for part in parts)


@pins("art", ("autoattack", "linf"), ("autoattack", "l2"))
@pytest.mark.parametrize("norm", [float("inf"), 2])
@pytest.mark.parametrize(("outside", "taken"), [(0.9e-4, True), (1.1e-4, False)])
def test_art_autoattack_takes_examples_outside_the_ball(norm, outside, taken, linear):
    from art.attacks.evasion.auto_attack import run_attack

    classifier = linear([[1.0, 0.0], [0.0, 1.0]]).art_classifier()
    x = torch.tensor([0.6, 0.5]).view(1, 1, 1, 2).numpy()
    shifted = x.copy()
    shifted[0, 0, 0, 1] += 0.2 * (1 + outside)
    part = SimpleNamespace(generate=lambda x, y: shifted, targeted=False)
    labels = torch.tensor([[1.0, 0.0]]).numpy()
    examples, standing = run_attack(x.copy(), labels, labels[:, 0] == 1, part, classifier, norm, 0.2)
    assert standing[0] != taken
    assert ((examples - x).max() > 0.2 + 1e-6) == taken


def test_art_autoattack_ignores_estimator_orig(linear):
    """Why the model under attack is the only one that it is given: another one is asked once, for the clean images."""
    from art.attacks.evasion import AutoAttack, FastGradientMethod

    fragile, robust = linear([[1.0, 0.0], [0.0, 1.0]]), linear([[1.0, 0.0], [0.0, 1.0]], bias=[100.0, 0.0])
    x = torch.tensor([0.6, 0.5]).view(1, 1, 1, 2)
    classifier = fragile.art_classifier()
    method = AutoAttack(
        classifier,
        eps=0.2,
        attacks=[FastGradientMethod(classifier, eps=0.2, eps_step=0.2)],
        estimator_orig=robust.art_classifier(),
    )
    examples = torch.tensor(method.generate(x.numpy(), y=torch.tensor([[1.0, 0.0]]).numpy()))
    assert method.best_attacks.tolist() == [0], "broken, it says"
    assert robust.predict(examples).argmax(1).item() == 0


def test_art_autoattack_says_what_it_needs(attack, cnn, batch, monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="ART's AutoAttack needs multiprocess"):
        attack("art", "autoattack", "linf", 0.1, cnn, *batch)
