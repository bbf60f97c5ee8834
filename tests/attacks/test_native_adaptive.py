"""The adaptive search: it finds the gradient that leads somewhere, and is honest about what it did."""

from __future__ import annotations

import pytest
import torch

from frontdef import bpda
from frontdef.attacks.native.adaptive import Borrowed, Combination, adaptive, choices
from frontdef.attacks.native.cascade import cascade
from frontdef.attacks.native.stages import STAGES
from frontdef.config import Config
from frontdef.frontend import FrontEnd
from frontdef.protected import Protected
from frontdef.threat import ThreatModel

THREAT = ThreatModel("linf", 0.035)
GRADIENTS = tuple(stage for stage in STAGES if stage.kind == "climb" and not stage.random)


class Rounded(FrontEnd[Config]):
    """Sixteen levels; a person has to choose a gradient that is not 0."""

    surrogates = (bpda.NONE, bpda.IDENTITY)

    def forward(self, x):
        return bpda.quantize(x, 16, self.surrogate)


class Bare(Rounded):
    """The same, with nothing to choose from."""

    surrogates = (bpda.NONE,)


class Noisy(FrontEnd[Config]):
    """Adds noise at test time."""

    randomized = True

    def forward(self, x):
        return x + 0.1 * torch.randn(x.shape, generator=self.generator(x.device))


@pytest.fixture(scope="module")
def few(batch):
    return batch[0][:24], batch[1][:24]


def behind(front_end: FrontEnd, cnn: Protected) -> Protected:
    return Protected(front_end, cnn.classifier, image_shape=cnn.image_shape)


def search(model, few, seed=0, stages=GRADIENTS, **more):
    return adaptive(
        model, *few, threat=THREAT, steps=3, stages=stages, generator=torch.Generator().manual_seed(seed), **more
    )


@pytest.mark.parametrize(("front_end", "surrogate"), [(Rounded, "identity"), (Bare, "")])
def test_it_finds_the_gradient_that_a_person_would_choose(front_end, surrogate, cnn, few, right):
    model = behind(front_end(Config()), cnn)
    generator = torch.Generator().manual_seed(0)
    blind = cascade(model, *few, threat=THREAT, stages=GRADIENTS, generator=generator).examples
    with behind(Rounded(Config()), cnn).surrogate("identity") as told:
        known = cascade(told, *few, threat=THREAT, stages=GRADIENTS, generator=generator).examples
    adapted = search(model, few)
    assert adapted.winner is not None
    assert adapted.winner.surrogate == surrogate or not right(model, adapted.examples, few[1]).any()
    assert right(model, adapted.examples, few[1]).sum() <= right(model, known, few[1]).sum()
    assert right(model, adapted.examples, few[1]).sum() < right(model, blind, few[1]).sum()
    assert model.front_end.surrogate.name == "none", "the search left another surrogate behind"


def test_what_it_says_is_what_it_did(cnn, few, right):
    model = behind(Rounded(Config()), cnn)
    began = int(right(model, *few).sum())
    model.passes.forward = model.passes.backward = 0
    adapted = search(model, few, probed=8)
    assert THREAT.contains(few[0], adapted.examples).all()
    standing = int(right(model, adapted.examples, few[1]).sum())
    assert standing == began - sum(stage.broke for stage in adapted.spent)
    assert all(stage.tried <= 8 for stage in adapted.spent if stage.stage.startswith("search"))
    assert sum(stage.backward for stage in adapted.spent) == model.passes.backward
    told = [stage for stage in adapted.spent if str(adapted.winner) in stage.stage]
    assert len(told) == len(GRADIENTS) + 1
    assert told[0].tried == began - sum(stage.broke for stage in adapted.spent if stage.stage.startswith("search"))


def test_a_seed_fixes_it_also_where_the_model_draws(cnn, few):
    examples = []
    for _ in range(2):
        model = behind(Noisy(Config()), cnn).eot(2, average="probabilities")
        model.front_end.reseed(5)
        examples.append(search(model, (few[0][:6], few[1][:6]), stages=()))
    assert torch.equal(examples[0].examples, examples[1].examples)
    assert examples[0].winner == examples[1].winner


def test_the_combinations_are_what_the_defense_allows(cnn, few):
    plain, noisy = choices(cnn, few[0]), choices(behind(Noisy(Config()), cnn).eot(4), few[0])
    assert len(plain) == 1 * 3 * 2
    assert len(noisy) == 2 * 3 * 2 * 3
    assert noisy[0] == Combination("true", "cross-entropy", False, 4, "probabilities")
    assert {choice.surrogate for choice in noisy} == {"true", ""}

    class Smooth(Rounded):
        surrogates = (bpda.SMOOTH,)

    steep = {choice.surrogate for choice in choices(behind(Smooth(Config()), cnn), few[0])}
    assert steep == {"smooth:10", "smooth:2.5", "smooth:40", ""}


def test_a_borrowed_gradient_leaves_the_logits_as_they_are(cnn, few):
    model = behind(Rounded(Config()), cnn)
    borrowed, x = Borrowed(model, model.without()), few[0][:4].clone().requires_grad_()
    logits = borrowed(x)
    torch.testing.assert_close(logits, model(few[0][:4]), rtol=1e-6, atol=1e-5)
    assert (logits - model.without()(few[0][:4])).abs().max() > 1e-3, "rounding changes nothing here"
    (gradient,) = torch.autograd.grad(logits[:, 0].sum(), x)
    (lent,) = torch.autograd.grad(model.without()(x)[:, 0].sum(), x)
    assert torch.equal(gradient, lent)


def test_many_combinations_are_thinned_out_on_few_samples(cnn, few, monkeypatch, right):
    monkeypatch.setattr("frontdef.attacks.native.adaptive.COMBINATIONS", 6)
    model = behind(Rounded(Config()), cnn)
    first, second, third, *_ = search(model, few, stages=(), probed=20).spent
    names = [stage.stage.split(",")[0] for stage in (first, second, third)]
    assert names == ["search 1: 18 combinations", "search 2: 9 combinations", "search 3: 5 combinations"]
    standing = int(right(model, *few).sum()) - first.broke - second.broke
    assert (first.tried, second.tried, third.tried) == (8, 13, min(20, standing))


def test_nothing_to_break_costs_one_look(cnn, few):
    cnn.passes.forward = cnn.passes.backward = 0
    adapted = search(cnn, (few[0], (cnn.predict(few[0]).argmax(1) + 1) % 10))
    assert torch.equal(adapted.examples, few[0])
    assert (adapted.winner, cnn.passes.forward, cnn.passes.backward) == (None, len(few[0]), 0)
