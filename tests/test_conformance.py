"""The kit says which promise is broken: one small liar for each, and honest front ends that pass."""

from __future__ import annotations

import copy
import dataclasses
import re

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

import frontdef
from frontdef import bounds, bpda
from frontdef.checks.conformance import CHECKS, Subject, Verdict, border, check
from frontdef.checks.conformance.properties import _Broken
from frontdef.cli import main
from frontdef.datasets import Split
from frontdef.frontend import Identity
from frontdef.testing import DefenseConformance
from frontdef.threat import TOLERANCE


class Honest(frontdef.FrontEnd):
    """Rounds to eight levels."""

    surrogates = (bpda.IDENTITY, bpda.SMOOTH)

    def forward(self, x):
        return bpda.quantize(x, 8, self.surrogate)


class ZeroGradient(Honest):
    surrogates = (bpda.IDENTITY,)

    def forward(self, x):
        return bpda.quantize(x, 8, bpda.NONE)


class WrongSign(frontdef.FrontEnd):
    def forward(self, x):
        return bpda.replace_gradient(x, -x)


class Blank(frontdef.FrontEnd):
    """Says nothing of an image, with a gradient that is not zero."""

    def forward(self, x):
        return bpda.replace_gradient(torch.zeros_like(x), x)


class Detached(frontdef.FrontEnd):
    def forward(self, x):
        return x.detach().clone()


class NanGradient(frontdef.FrontEnd):
    def forward(self, x):
        return bpda.replace_gradient(x, torch.sqrt(x * 0))


class Mutates(frontdef.FrontEnd):
    def forward(self, x):
        x.data.mul_(0.9)
        return x.clone()


class RemembersCalls(frontdef.FrontEnd):
    def __init__(self, config, **kwargs):
        super().__init__(config, **kwargs)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        return x.clone()


class LooksAtTheBatch(frontdef.FrontEnd):
    def forward(self, x):
        return x - 0.1 * x.mean(0, keepdim=True)


class DrawsGlobally(frontdef.FrontEnd):
    randomized = True

    def forward(self, x):
        return (x + 0.05 * torch.rand_like(x)).clamp(0, 1)


class DrawsFromNumpy(frontdef.FrontEnd):
    randomized = True

    def forward(self, x):
        return (x + float(np.random.rand()) * 0.01).clamp(0, 1)


class HiddenRandomness(frontdef.FrontEnd):
    def forward(self, x):
        return (x + 0.05 * torch.rand(x.shape, generator=self.generator(x.device))).clamp(0, 1)


class LeavesTheRange(frontdef.FrontEnd):
    def forward(self, x):
        return x * 3 - 1


class Doubles(frontdef.FrontEnd):
    def forward(self, x):
        return x.double()


class ForgetsItsState(frontdef.FrontEnd):
    def __init__(self, config, **kwargs):
        super().__init__(config, **kwargs)
        self.shift = torch.rand(1, generator=torch.Generator().manual_seed(torch.seed() % 2**31)) * 0.1

    def forward(self, x):
        return (x * 0.9 + self.shift).clamp(0, 1)


class ProvesEverything(frontdef.Certificate):
    statement = "Everything is robust."
    norms = ("linf", "l2")

    def proof(self, protected, threat):
        return lambda x, y: torch.ones_like(y, dtype=torch.bool)


class ProvesNothing(frontdef.Certificate):
    statement = "Nothing is known."
    norms = ("linf", "l2")

    def proof(self, protected, threat):
        return lambda x, y: torch.zeros_like(y, dtype=torch.bool)


class Boxes(frontdef.Certificate):
    """Interval bounds of what follows the front end: exact behind the identity and before a linear classifier."""

    statement = "Interval bounds."
    norms = ("linf",)
    generosity = 1.0

    def proof(self, protected, threat):
        def prove(x, y):
            reach = threat.eps / self.generosity + TOLERANCE
            return bounds.certified(protected.classifier, (x - reach).clamp(0, 1), (x + reach).clamp(0, 1), y)

        return prove


class TooGenerous(Boxes):
    """A radius a quarter too large: at fixed radii hardly a sample is between what is proved and what is true."""

    generosity = 1.25


def record(front_end, **about):
    about = {"paper": "none", "summary": "under test", "randomized": front_end.randomized, **about}
    return frontdef.Defense("under-test", front_end, **about)


LIARS = [
    ("metadata", record(Honest, summary=""), "missing: summary"),
    ("shapes", record(Doubles), "dtype torch.float64"),
    ("range kept", record(LeavesTheRange), "values in [-1, 2]"),
    ("batch invariance", record(LooksAtTheBatch), "between batches"),
    ("purity", record(Mutates), "the images were changed"),
    ("purity", record(RemembersCalls), "state changed: calls"),
    ("determinism", record(HiddenRandomness), "this looks randomized"),
    ("global randomness", record(DrawsGlobally), "global generator of torch"),
    ("global randomness", record(DrawsFromNumpy), "global generator of numpy"),
    ("accuracy", record(Blank), "no more than by naming the commonest class"),
    ("gradients", record(NanGradient), "NaN or infinite gradient"),
    ("gradients", record(ZeroGradient), "the gradient is zero on 100% of the images"),
    ("gradient parity", record(Detached), "raises RuntimeError: element 0 of tensors does not require grad"),
    ("save and load", record(ForgetsItsState), "the loaded front end computes otherwise"),
    ("gradient useful", record(WrongSign), "PGD never beats noise"),
    ("gradient useful", record(ZeroGradient), "PGD never beats noise"),
    ("certificate", record(Honest, certificate=ProvesEverything), "certified samples fall to"),
]
BY_NAME = {promise.name: promise for promise in CHECKS}


@pytest.mark.parametrize(("name", "defense", "said"), LIARS)
def test_each_liar_is_caught_by_its_check_for_what_it_does(name, defense, said):
    """An alarm alone would do for a check that crashes: it says what the liar does wrong."""
    finding = BY_NAME[name].attempt(Subject(defense))
    assert finding.alarm
    assert said in finding.measured
    assert bool(finding.detail) == said.startswith("raises")


@pytest.fixture(scope="module")
def linear():
    """``linear(certificate)``: a linear classifier behind nothing, trained once, and what is to be proved of it."""

    class Kit(DefenseConformance):
        defense = record(Identity, norms=("linf",))

    Kit.setup_class()

    def build(certificate):
        subject = copy.copy(Kit._subject)
        subject.defense = dataclasses.replace(subject.defense, certificate=certificate)
        return subject

    return build


def test_a_certificate_is_tested_where_half_is_certified(linear):
    honest = BY_NAME["certificate"].attempt(linear(Boxes))
    assert honest.status == "passed"
    proved, certifiable, attacked = map(
        int, re.search(r"where (\d+) of (\d+) .*: (\d+) attacked", honest.measured).groups()
    )
    assert certifiable / 2 <= proved < certifiable
    assert 0 < attacked <= proved


def test_a_radius_that_is_a_quarter_too_large_is_caught_at_the_border(linear):
    finding = BY_NAME["certificate"].attempt(linear(TooGenerous))
    assert finding.alarm
    assert "certified samples fall to" in finding.measured


def test_an_attack_that_crashes_tests_nothing_and_accuses_nobody(linear, monkeypatch):
    falls = border.falls

    def crashing(protected, library, *rest):
        if library.name == "art":
            raise IndexError("index -3 is out of bounds")
        return falls(protected, library, *rest)

    monkeypatch.setattr(border, "falls", crashing)
    finding = BY_NAME["certificate"].attempt(linear(Boxes))
    assert finding.status == "passed"
    assert "pgd of art raised IndexError" in finding.measured
    assert "art, " not in finding.measured.partition("none fell")[0]


def test_where_nothing_is_certified_nothing_was_tested(linear):
    verdict = Verdict("under-test", {}, (BY_NAME["certificate"](linear(ProvesNothing)),), 1.0)
    assert verdict.findings[0].status == "not tested"
    assert not verdict.alarms
    assert "**passes** what could be tested; not tested: certificate" in verdict.to_markdown()
    assert "| certificate | ? not tested |" in verdict.to_markdown()


def test_the_kit_skips_what_it_could_not_test(linear):
    kit = TestHonest()
    kit._subject = linear(ProvesNothing)
    with pytest.raises(pytest.skip.Exception, match="nothing is certified"):
        kit.test_certificate()


def test_no_gradient_is_accused_where_the_classifier_guesses():
    finding = BY_NAME["gradient useful"](Subject(record(Blank)))
    assert finding.status == "not tested"
    assert "guesses" in finding.measured


class LosesSome(frontdef.FrontEnd):
    """Loses one image in five, another at every look."""

    randomized = True

    def forward(self, x):
        kept = torch.rand(len(x), 1, 1, 1, generator=self.generator(x.device)) > 0.2
        return x * kept


def test_what_draws_is_judged_by_the_mean_of_its_draws_as_it_is_attacked():
    """One look in five is wrong; the mean of ten looks is wrong where five of them are, which is one in thirty."""
    reads = nn.Linear(1, 2)
    reads.load_state_dict({"weight": torch.tensor([[10.0], [0.0]]), "bias": torch.tensor([-5.0, 0.0])})
    subject = Subject(record(LosesSome), image_shape=(1, 1, 1))
    subject.protected = frontdef.Protected(
        LosesSome(frontdef.Config()), nn.Sequential(nn.Flatten(), reads), image_shape=(1, 1, 1)
    )
    n = 512
    subject.test = Split(torch.full((n, 1, 1, 1), 0.9), torch.zeros(n, dtype=torch.long), torch.arange(n))
    broken = _Broken(subject, "noise", "linf", 1e-4).first(n)
    assert 0 < broken.sum() < 0.1 * n


@pytest.mark.slow
@pytest.mark.parametrize("name", [defense.name for defense in frontdef.registry.get_defenses()])
def test_every_defense_keeps_its_promises_as_it_comes(name):
    verdict = check(Subject(name))
    assert verdict.passed, verdict.to_markdown()


@pytest.mark.parametrize("name", [name for name in BY_NAME if name not in {"gradient useful", "certificate"}])
def test_the_honest_one_passes(name):
    assert not BY_NAME[name](Subject(record(Honest))).alarm


class TestHonest(DefenseConformance):
    defense = record(Honest)


def test_the_verdict_names_what_failed_and_goes_on():
    verdict = check(Subject(record(LeavesTheRange)))
    assert not verdict.passed
    assert [alarm.name for alarm in verdict.alarms] == ["range kept"]
    assert len(verdict.findings) == len(CHECKS)
    assert "| range kept | ✗ | values in [-1, 2]" in verdict.to_markdown()


def test_the_command_passes_and_fails_with_exit_codes():
    good = CliRunner().invoke(main, ["check", "none"])
    assert good.exit_code == 0, good.output
    assert "**passes** every check" in good.output
    bad = CliRunner().invoke(main, ["check", "non"])
    assert bad.exit_code == 2
    assert "Did you mean 'none'" in bad.output
