"""A rival is run on what PGD leaves; on the rest only where that can change what is said of it."""

from __future__ import annotations

import pytest
import torch

import frontdef
from frontdef.checks.masking import diagnose
from frontdef.checks.masking.questions import PairedSamples, settled
from frontdef.checks.masking.statistics import LEVEL, MARGIN, OPEN, STRONGER
from tests.test_masking import BUDGET, THREAT, N, ask, named, protect, samples  # noqa: F401


@pytest.mark.parametrize("least", [MARGIN, STRONGER])
@pytest.mark.parametrize("level", [LEVEL, 0.8 * LEVEL, 0.05])
def test_what_is_settled_by_the_samples_that_pgd_leaves_is_settled_on_all(least, level):
    """Exhaustively up to 24 samples: whatever the rival misses of what PGD broke, it is neither alarm nor undecided."""
    some = 0
    for n in range(1, 25):
        for beyond in range(n + 1):
            if not settled(beyond, n, least):
                continue
            for missed in range(n - beyond + 1):
                rival, own = torch.zeros(2, n, dtype=torch.bool)
                rival[:beyond] = own[beyond : beyond + missed] = True
                finding = PairedSamples(rival, own, "a rival", least=least).finding((), level)
                assert (finding.status, finding.undecided) == ("passed", False)
                some += 1
    assert some > 500


def test_what_is_not_settled_could_be_an_alarm_or_undecided():
    for n in range(1, 65):
        for beyond in range(n + 1):
            rival, own = torch.zeros(2, n, dtype=torch.bool)
            rival[:beyond] = True
            finding = PairedSamples(rival, own, "a rival").finding((), LEVEL)
            assert settled(beyond, n, MARGIN) is not (finding.alarm or finding.undecided), (n, beyond, OPEN)


def test_rivals_of_an_honest_model_are_run_on_what_stands(samples):  # noqa: F811
    diagnosis = ask(protect(), *samples)
    tried = {attempt.name: attempt.n for attempt in diagnosis.attempts}
    assert 0 < diagnosis.n_survived < diagnosis.n_attacked == tried["white box"]
    assert tried["one step"] == tried["random search"] == tried["margin loss"] == diagnosis.n_survived
    assert named(diagnosis, "one step").measured.endswith(f"of the {diagnosis.n_survived} that PGD leaves of {N}")


def test_a_rival_that_objects_was_run_on_all_samples():
    """PGD on the cross-entropy fails behind a temperature, PGD on the margin does not."""
    from tests.zoo import ZOO
    from tests.zoo.lab import THREAT as ZOO_THREAT
    from tests.zoo.lab import Lab

    (member,) = (each for each in ZOO if each.name == "temperature")
    protected, there = member.protected(Lab())
    x, y = there.test.images[:64], there.test.labels[:64]
    diagnosis = diagnose(protected, x, y, frontdef.ThreatModel(ZOO_THREAT.norm, ZOO_THREAT.eps), budget=BUDGET)
    margin = named(diagnosis, "margin loss")
    assert margin.alarm
    assert f"of {diagnosis.n_attacked}" in margin.measured
    tried = {attempt.name: attempt for attempt in diagnosis.attempts}
    assert tried["margin loss"].n == diagnosis.n_attacked
    assert margin.figure == pytest.approx((tried["margin loss"].broken - tried["white box"].broken) / margin.n)


def test_where_pgd_breaks_all_no_rival_is_run(samples):  # noqa: F811
    diagnosis = ask(protect(), *samples, threat=frontdef.ThreatModel("linf", 0.5))
    assert diagnosis.n_survived == 0
    assert [attempt.name for attempt in diagnosis.attempts] == ["white box"]
    assert named(diagnosis, "one step").measured == f"PGD breaks all {diagnosis.n_attacked}"
    assert diagnosis.verdict == "trusted"
