"""Logits that lead elsewhere than to the decision: wrong classes as targets, and margins that jump."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from frontdef import bpda
from frontdef.checks.masking import Budget, diagnose
from frontdef.checks.masking.evidence import Evidence
from frontdef.checks.masking.targets import nearest, pgd_at_each
from frontdef.config import Config
from frontdef.frontend import FrontEnd, Identity
from frontdef.protected import Protected
from frontdef.threat import ThreatModel, distance

SHAPE = (1, 6, 6)
N, K = 40, 5
BUDGET = Budget(
    steps=20, restarts=2, noise=5, queries=60, passes=2, directions=2, binarized=4, inner=10, eot=2, judge=4
)


class Linear(nn.Module):
    """K classes; logits are linear functions of the image around gray."""

    def __init__(self, classes=K, seed=0):
        super().__init__()
        self.register_buffer("rows", torch.randn(36, classes, generator=torch.Generator().manual_seed(seed)))

    def forward(self, x):
        return (x - 0.5).flatten(1) @ self.rows


class Trap(Linear):
    """The class after the leader is always just below it, and its slope leads to gray and no further."""

    def forward(self, x):
        logits = 20 * super().forward(x)
        top, leader = logits.max(dim=1)
        slope = torch.tanh(0.1 * (x - 0.5).flatten(1) @ self.rows[:, 0].flip(0))
        return logits.scatter(1, ((leader + 1) % K)[:, None], (top - (2 - slope))[:, None])


class Jump(Linear):
    """Decides as the linear functions do, and shows others."""

    def forward(self, x):
        decided = super().forward(x.detach()).argmax(dim=1)
        return 10 * torch.nn.functional.one_hot(decided, K) + 0.1 * (x - 0.5).flatten(1) @ self.rows.flip(0)


class Rounding(FrontEnd[Config]):
    """Eight levels, with the identity as the gradient."""

    surrogates = (bpda.IDENTITY,)

    def forward(self, x):
        return bpda.quantize(x, 8, self.surrogate)


class Noise(FrontEnd[Config]):
    """Gaussian noise."""

    randomized = True
    keeps_range = False

    def forward(self, x):
        return x + 0.1 * torch.randn(x.shape, generator=self.generator(x.device))


def protect(classifier, front_end=Identity):
    return Protected(front_end(Config()), classifier, image_shape=SHAPE)


@pytest.fixture(scope="module")
def x():
    return 0.25 + 0.5 * torch.rand(N, *SHAPE, generator=torch.Generator().manual_seed(1))


def ask(protected, x, eps=0.2):
    y = protected.predict(x).argmax(1)
    return {
        finding.name: finding for finding in diagnose(protected, x, y, ThreatModel("linf", eps), budget=BUDGET).findings
    }


def test_a_target_finds_what_a_trap_hides(x):
    findings = ask(protect(Trap()), x, eps=0.1)
    assert findings["targets"].alarm
    assert findings["targets"].figure > 0.2
    assert not findings["random starts"].alarm
    assert not ask(protect(Linear()), x, eps=0.1)["targets"].alarm


def test_two_classes_leave_no_choice(x):
    assert ask(protect(Linear(2)), x)["targets"].status == "not applicable"


@pytest.mark.parametrize(("norm", "order"), [("linf", 1.0), ("l2", 2.0), ("l1", float("inf"))])
def test_the_nearest_classes_are_those_of_the_smallest_distance(x, norm, order):
    model = Linear(40)
    logits = model(x)
    y = logits.argmax(1)
    gaps = logits.gather(1, y[:, None]) - logits
    lengths = (model.rows[:, y].T[:, :, None] - model.rows[None]).norm(p=order, dim=1)
    distances = torch.where(lengths > 0, gaps / lengths, torch.inf)
    assert torch.equal(nearest(model, x, y, ThreatModel(norm, 0.1), 13), distances.topk(13, largest=False).indices)


@pytest.mark.parametrize("targets", [2, 9])
def test_all_wrong_classes_are_tried_and_no_more_than_are_allowed(x, targets):
    model, seen = Linear(), []
    y = model(x).argmax(1)
    tried = nearest(model, x, y, ThreatModel("linf", 0.1), targets)
    assert tried.shape == (N, min(targets, K - 1))
    assert not (tried == y[:, None]).any()
    threat = ThreatModel("l2", 0.01)  # nothing falls
    hook = lambda *args: seen.append(len(args[1][0]))  # noqa: E731
    model.register_forward_hook(hook)
    examples = pgd_at_each(model, x, y, threat=threat, steps=3, step_size=0.01, targets=targets, mode="matched")
    assert (distance(x, examples, "l2") <= 0.01 + 1e-6).all()
    shortlist = 4 if targets < K - 1 else 0
    assert sum(seen) == N * (1 + shortlist + 4 * min(targets, K - 1))


def test_a_decision_that_the_logits_do_not_lead_to_jumps(x):
    jump = ask(protect(Jump()), x)["decision jump"]
    assert jump.alarm
    assert jump.figure == 1.0
    for honest in (protect(Linear()), protect(Linear(), Rounding)):
        finding = ask(honest, x, eps=0.02)["decision jump"]  # small enough that many survive
        assert finding.status == "passed"
        assert finding.n > 10


def test_an_attack_on_a_randomized_model_averages_what_the_model_is_judged_by(x):
    protected = protect(Linear(), Noise)
    y = protected.predict(x).argmax(1)
    evidence = Evidence(protected, x, y, ThreatModel("linf", 0.1), BUDGET)
    assert (evidence.attacked.average, evidence.attacked.draws) == ("probabilities", BUDGET.eot)
    rescaled, _ = evidence.rescaled()
    assert (rescaled.model.average, rescaled.model.draws) == ("probabilities", BUDGET.eot)
    findings = ask(protected, x)
    assert findings["average"].n > 10
    assert findings["decision jump"].status == "not applicable"
    assert ask(protect(Linear()), x)["average"].status == "not applicable"
