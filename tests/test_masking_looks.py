"""A diagnosis that takes more samples while it is undecided: the rate of its false alarms, and what it can see."""

from __future__ import annotations

import functools
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from frontdef.checks.kit import Cost
from frontdef.checks.masking import Budget, diagnose
from frontdef.checks.masking.looks import POWER, DiagnosisLooks
from frontdef.checks.masking.questions import PairedSamples, Shares
from frontdef.checks.masking.statistics import GROSS, LEVEL, MARGIN, STRONGER
from frontdef.config import Config
from frontdef.errors import ConfigError
from frontdef.frontend import Identity
from frontdef.protected import Protected
from frontdef.threat import ThreatModel

LOOKS = DiagnosisLooks.between(32, 256)
RUNS = 20_000
BUDGET = Budget(
    steps=10, restarts=2, noise=5, queries=20, passes=2, directions=2, binarized=4, inner=10, eot=2, judge=4
)


def alarms(only_rival, only_own, runs=RUNS, seed=0, looks=LOOKS):
    """How often the rule raises an alarm, where a rival and the attack each break a share of the samples alone.

    By its definition, once for each outcome of a sample: the rival alone, the attack alone, or neither. A finding
    depends on how many samples had which outcome, not on their order, so each count is judged once.
    """
    random = np.random.default_rng(seed)
    outcomes = random.choice(3, size=(runs, looks.sizes[-1]), p=[only_rival, only_own, 1 - only_rival - only_own])
    counts = np.stack([(outcomes == alone).cumsum(1)[:, np.array(looks.sizes) - 1] for alone in (0, 1)], 2)

    @functools.cache
    def judged(look, rival, own):
        numbers = torch.arange(looks.sizes[look])
        return PairedSamples(numbers < rival, numbers >= len(numbers) - own, "a rival").finding((), looks.levels[look])

    raised = 0
    for run in counts.tolist():
        findings = (judged(look, *pair) for look, pair in enumerate(run))
        raised += next((finding.alarm for finding in findings if not finding.undecided), False)
    return raised / runs


def test_looks_double_up_to_the_most():
    assert DiagnosisLooks.between(32, 200).sizes == (32, 64, 128, 200)
    assert DiagnosisLooks.between(64, 64).sizes == DiagnosisLooks.between(64, 10 * 64).sizes[:1] == (64,)
    assert DiagnosisLooks.between(100, 30).sizes == (30,)


@pytest.mark.parametrize("most", [32, 50, 64, 200, 5000])
def test_the_levels_of_all_looks_add_up_to_that_of_one_test(most):
    levels = DiagnosisLooks.between(32, most).levels
    assert sum(levels) == pytest.approx(LEVEL)
    assert levels[0] > 0.5**8  # eight of eight suffice
    assert all(later <= earlier for earlier, later in pairwise(levels))


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3])
def test_equal_attacks_raise_no_more_alarms_than_the_level_allows(share):
    """5 standard deviations of the simulation above the level would be an alarm rate that is too high."""
    rate = alarms(share, share, runs=4000)
    assert rate <= LEVEL + 5 * (LEVEL * (1 - LEVEL) / 4000) ** 0.5


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.02, 0.05, 0.1, 0.2, 0.3, 0.5])
@pytest.mark.parametrize("looks", [DiagnosisLooks.between(32, 64), LOOKS, DiagnosisLooks.between(64, 1024)])
def test_equal_attacks_raise_no_more_alarms_than_the_level_allows_by_many_runs(share, looks):
    assert alarms(share, share, looks=looks) <= LEVEL + 3 * (LEVEL * (1 - LEVEL) / RUNS) ** 0.5


def test_what_could_have_been_detected_is_detected_as_often_as_is_said():
    gain = LOOKS.detectable()
    runs = 1500
    apart = 4 * (POWER * (1 - POWER) / runs) ** 0.5
    assert alarms(gain, 0.0, runs=runs) >= POWER - apart
    assert alarms(gain - 0.02, 0.0, runs=runs) <= POWER + apart
    assert DiagnosisLooks((32,)).detectable() > DiagnosisLooks((64,)).detectable() > LOOKS.detectable() > MARGIN
    assert LOOKS.detectable(tested=0.5) > LOOKS.detectable()
    assert DiagnosisLooks((4,)).detectable() == 1.0


def broken(*numbers, n=64):
    which = torch.zeros(n, dtype=torch.bool)
    which[list(numbers)] = True
    return which


def test_answers_of_several_blocks_count_together():
    block = PairedSamples(broken(*range(5)), broken(), "a rival")
    one, both = block.finding((), LEVEL), block.finding([block], LEVEL)
    assert (one.alarm, one.undecided, one.n) == (False, True, 64)
    assert (both.alarm, both.undecided, both.n, both.p) == (True, False, 128, 0.5**10)
    some = Shares(broken(*range(6)), "on")
    assert (some.finding((), LEVEL).undecided, some.finding([some] * 3, LEVEL).alarm) == (True, True)


def test_a_weaker_rival_proves_nothing_where_only_the_loss_is_poor():
    rival, own = broken(*range(40)), broken(*range(20))
    proof = PairedSamples(rival, own, "search", best=own).finding((), LEVEL)
    hint = PairedSamples(rival, own, "search", best=rival).finding((), LEVEL)
    assert (proof.strength, hint.strength) == ("proof", "hint")
    assert "on its best loss 62%" in hint.measured


@pytest.mark.parametrize(("n", "alarm", "strength"), [(9, False, ""), (13, True, "hint"), (40, True, "proof")])
def test_a_stronger_rival_is_a_hint_from_a_tenth_on_and_a_proof_from_a_quarter(n, alarm, strength):
    finding = PairedSamples(broken(*range(n), n=128), broken(n=128), "targets", least=STRONGER, gross=GROSS).finding(
        (), LEVEL
    )
    assert (finding.alarm, finding.strength) == (alarm, strength)


class Sly(nn.Module):
    """Logits of one slope of which cross-entropy takes no notice on every eighth image: other losses break these."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, x):
        self.seen.append(len(x))
        mean = x.flatten(1).mean(1) - 0.5
        flag = (x[:, 0, 0, 0] > 0.97).to(x.dtype)
        scale = 1 + flag * 1e5
        return torch.stack([-mean * scale, mean * scale], dim=1)


def images(n, every):
    """Images that one step turns, whose gradient of the cross-entropy is 0 in float32 on every so-manieth."""
    random = torch.Generator().manual_seed(0)
    x = 0.52 + 0.05 * torch.rand(n, 1, 6, 6, generator=random)
    x[::every, 0, 0, 0] = 1.0
    return x, torch.ones(n, dtype=torch.long)


THREAT = ThreatModel("linf", 0.02 + 0.1)


def ask(every, **settings):
    x, y = images(128, every)
    model = Protected(Identity(Config()), Sly(), image_shape=(1, 6, 6))
    return diagnose(model, x, y, THREAT, budget=BUDGET, **settings)


def margin_of(diagnosis):
    return next(finding for finding in diagnosis.findings if finding.name == "margin loss")


def test_an_undecided_diagnosis_takes_more_samples_and_only_for_what_is_undecided():
    first, more, all_ = ask(8, first=32), ask(8, first=16), ask(8)
    assert (all_.looks, margin_of(all_).n, margin_of(all_).level) == ((128,), 128, LEVEL)
    for diagnosis in (first, more):
        finding = margin_of(diagnosis)
        assert finding.alarm
        assert finding.n > diagnosis.looks[0]
        assert finding.n == diagnosis.looks[-1] == diagnosis.n == diagnosis.n_attacked
        assert finding.level == DiagnosisLooks.between(diagnosis.looks[0], 128).levels[len(diagnosis.looks) - 1]
        others = [other.n for other in diagnosis.findings if other.n is not None and not other.alarm]
        assert min(others) <= diagnosis.looks[0]
        assert diagnosis.n_survived == margin_of(diagnosis).n // 8
    assert sum(attempt.n for attempt in more.attempts if attempt.name == "white box") == more.n


def test_a_decided_diagnosis_takes_no_more():
    diagnosis = ask(1000, first=16)  # the first image alone resists, which is below what matters
    assert (diagnosis.n, diagnosis.looks, diagnosis.most) == (16, (16,), 128)


def test_each_sample_of_a_further_look_counts_as_evidence_under_its_own_number():
    kept = {}
    diagnosis = ask(8, first=16, keep=lambda name, numbers, examples: kept.setdefault(name, []).append(numbers))
    numbers = torch.cat(kept["white box"])
    assert sorted(numbers.tolist()) == list(range(diagnosis.n))
    assert diagnosis.n > 16


def test_a_certificate_is_asked_about_the_samples_that_are_taken():
    asked = []

    def certified(x, y):
        asked.append(len(x))
        return torch.arange(len(x)) % 2 == 0

    diagnosis = ask(8, first=32, certified=certified)
    assert sum(asked) == diagnosis.n
    assert diagnosis.n_certified == diagnosis.n // 2


def test_too_few_samples_are_a_reason_to_take_more():
    x, y = images(128, 1000)
    y[::2] = 0
    y[:16] = 0
    model = Protected(Identity(Config()), Sly(), image_shape=(1, 6, 6))
    diagnosis = diagnose(model, x, y, THREAT, budget=BUDGET, first=16)
    assert diagnosis.n_attacked >= 10
    assert diagnosis.looks[0] == diagnosis.n == 64
    assert diagnosis.cost != Cost()


def test_a_first_look_takes_a_sample():
    with pytest.raises(ConfigError, match="first=0"):
        ask(8, first=0)
