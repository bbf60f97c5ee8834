"""The cascade: no weaker than its parts, honest about what broke what and what it cost."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from frontdef.attacks.native.autopgd import apgd, apgdt
from frontdef.attacks.native.cascade import LOOKS, STANDS, WRONG, cascade
from frontdef.attacks.native.stages import PASSES, STAGES, CascadeStage
from frontdef.threat import ThreatModel
from tests.attacks.conftest import protect

NORMS = {"linf": 0.035, "l2": 0.25, "l1": 0.8}
SHORT = tuple(stage for stage in STAGES if stage.kind != "search")


@pytest.fixture(params=NORMS)
def threat(request) -> ThreatModel:
    return ThreatModel(request.param, NORMS[request.param])


@pytest.fixture(scope="module")
def few(batch):
    return batch[0][:40], batch[1][:40]


def run(model, batch, threat, seed=0, stages=STAGES):
    return cascade(model, *batch, threat=threat, stages=stages, generator=torch.Generator().manual_seed(seed))


def test_what_it_says_is_what_it_did(cnn, few, threat, right):
    cnn.passes.forward = cnn.passes.backward = 0
    outcome = run(cnn, few, threat)
    assert threat.contains(few[0], outcome.examples).all()
    assert torch.equal(right(cnn, outcome.examples, few[1]), outcome.broken_by == STANDS)
    assert torch.equal(~right(cnn, *few), outcome.broken_by == WRONG)
    assert torch.equal(outcome.examples[outcome.broken_by == WRONG], few[0][outcome.broken_by == WRONG])
    assert [stage.stage for stage in outcome.spent] == ["as it is", *(stage.name for stage in STAGES)]
    left = len(few[0])
    for number, stage in enumerate(outcome.spent, WRONG + 1):
        broke = (outcome.broken_by == (WRONG if number == STANDS else number)).sum()
        assert (stage.tried, stage.broke) == (left, broke)
        left -= stage.broke
    assert sum(stage.forward for stage in outcome.spent) == cnn.passes.forward
    assert sum(stage.backward for stage in outcome.spent) == cnn.passes.backward
    standing = (outcome.broken_by == STANDS).sum()
    assert 0 < standing < right(cnn, *few).sum()
    spent = cnn.passes.forward + cnn.passes.backward
    assert standing * PASSES * 0.9 < spent < standing * PASSES + 400 * len(few[0])


def test_it_is_no_weaker_than_its_parts_alone(cnn, few, threat, right):
    stands = run(cnn, few, threat, stages=SHORT).broken_by == STANDS
    for attack, steps in ((apgd, 40), (apgdt, 40)):
        left = right(
            cnn, attack(cnn, *few, threat=threat, steps=steps, generator=torch.Generator().manual_seed(1)), few[1]
        )
        assert stands.sum() <= left.sum()


def test_a_seed_fixes_it_and_the_others_do_not_matter(cnn, few, threat):
    stages = (STAGES[0], STAGES[2], CascadeStage("scores", "search", steps=30))
    first, again = (run(cnn, few, threat, stages=stages) for _ in range(2))
    assert torch.equal(first.examples, again.examples)
    wrong = torch.cat([few[1][:20], (few[1][20:] + 1) % 10])
    among_fallen = run(cnn, (few[0], wrong), threat, stages=stages)
    assert torch.equal(first.broken_by[:20], among_fallen.broken_by[:20])
    assert (first.examples[:20] - among_fallen.examples[:20]).abs().max() <= 1e-4


def test_the_nearest_class_is_tried_first_though_another_has_the_larger_logit(linear):
    """Class 2 is behind by twice as much as class 1, and five times as near; one run reaches it."""
    model = linear([[0.0] * 4, [0.1, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 0, 0]], bias=[1.0, 0.85, 0.3, -9.0])
    x, y = torch.full((1, 1, 1, 4), 0.5), torch.tensor([0])
    assert model.predict(x).argsort(1, descending=True)[0, 1] == 1
    once = (CascadeStage("nearest", "classes", "gap", steps=3, runs=1),)
    outcome = run(model, (x, y), ThreatModel("linf", 0.25), stages=once)
    assert outcome.broken_by.tolist() == [0]
    assert model.predict(outcome.examples).argmax(1).tolist() == [2]


class Masked(nn.Module):
    """A model without a gradient."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x.detach()) + 0 * x.sum()


def test_what_gives_no_gradient_falls_to_scores(cnn, few):
    masked = protect(Masked(cnn.classifier), cnn.image_shape)
    outcome = run(masked, (few[0][:12], few[1][:12]), ThreatModel("linf", 0.15))
    last = len(STAGES) - 1
    assert STAGES[last].kind == "search"
    assert (outcome.broken_by == last).sum() >= 6


class Flicker(nn.Module):
    """Right, but for one pass in four, in which nothing is."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        right = torch.tensor([1.0, 0.0, 0.0]).expand(len(x), 3)
        return (right.flip(1) if self.calls % 4 == 0 else right) + 0 * x.sum()


def test_what_does_not_hold_stands_again():
    x, y = torch.rand(5, 1, 4, 4), torch.zeros(5, dtype=torch.int64)
    outcome = run(Flicker(), (x, y), ThreatModel("linf", 0.1), stages=(STAGES[1],))
    assert (outcome.broken_by == STANDS).all()


class Drawn(nn.Module):
    """Wrong of everything but the image, in one pass of ``every`` over the number of the sample."""

    def __init__(self, x):
        super().__init__()
        self.x, self.calls = x, 0

    def forward(self, x):
        self.calls += 1
        sample = (x.flatten(1)[:, None] - self.x.flatten(1)).abs().amax(2).argmin(1)
        moved = (x - self.x[sample]).flatten(1).abs().amax(1) > 0
        wrong = moved & (self.calls % (sample + 1) == 0)
        return torch.stack([torch.zeros(len(x)), 2.0 * wrong - 1, -torch.ones(len(x))], 1) + 0 * x.sum()


def test_of_a_model_that_draws_only_what_holds_each_time_is_broken():
    x = torch.linspace(0.1, 0.9, 5).view(5, 1, 1, 1).expand(5, 1, 4, 4).clone()
    y = torch.zeros(5, dtype=torch.int64)
    stages = (CascadeStage("points", "climb", "margin", steps=8, random=True),)
    broken = {
        looks: (
            cascade(Drawn(x), x, y, threat=ThreatModel("linf", 0.05), stages=stages, looks=looks).broken_by == 0
        ).tolist()
        for looks in (1, LOOKS)
    }
    assert broken[LOOKS] == [True, False, False, False, False]
    assert sum(broken[1]) > 1


def test_two_classes_are_enough(linear):
    model = linear([[1.0, 0.0], [0.0, 1.0]])
    x, y = torch.tensor([[0.7, 0.5], [0.9, 0.1]]).view(2, 1, 1, 2), torch.tensor([0, 0])
    outcome = run(model, (x, y), ThreatModel("linf", 0.15), stages=SHORT)
    assert outcome.broken_by.tolist() == [0, STANDS]


class Receding(nn.Module):
    """Wrong of brighter images in three passes of four, until a stage has ended; then never, and its slope turns."""

    def __init__(self):
        super().__init__()
        self.passes = self.counted = 0

    def forward(self, x):
        self.passes += 1
        first = self.counted < 5  # a cascade counts before and after the clean pass and each stage
        slope = 0.01 * (x.flatten(1).mean(1) - 0.5) * (1 if first else -1)
        wrong = (x.flatten(1).mean(1) > 0.5) & bool(first and self.passes % 4)
        return torch.stack([torch.zeros(len(x)), slope + 2.0 * wrong - 1, -torch.ones(len(x))], 1)

    def count(self):
        self.counted += 1
        return self.passes, 0


def test_of_what_stands_again_the_example_that_held_most_often_is_kept():
    x, y = torch.full((1, 1, 4, 4), 0.5), torch.zeros(1, dtype=torch.int64)
    stages = tuple(CascadeStage(name, "climb", "margin", steps=8) for name in ("up", "down"))
    model = Receding()
    outcome = cascade(model, x, y, threat=ThreatModel("linf", 0.05), stages=stages, looks=LOOKS, count=model.count)
    assert outcome.broken_by.tolist() == [STANDS]
    assert (outcome.examples > x).all()
