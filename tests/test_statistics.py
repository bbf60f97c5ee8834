"""Tests and intervals against statsmodels and numbers worked out by hand."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import binomtest
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from frontdef.registry import get_metrics
from frontdef.verdicts.measured import SHARE, measured, written
from frontdef.verdicts.statistics import at_least, holm, mcnemar, paired_difference, wilson


@pytest.mark.parametrize(("k", "n"), [(0, 10), (5, 10), (200, 200), (37, 180)])
def test_wilson(k, n):
    assert wilson(k, n) == pytest.approx(proportion_confint(k, n, method="wilson"))


@pytest.mark.parametrize(("a", "b"), [(0, 0), (5, 0), (3, 9), (40, 41)])
def test_mcnemar(a, b):
    reference = reference_mcnemar([[10, a], [b, 10]], exact=True).pvalue if a + b else 1.0
    assert mcnemar(a, b) == pytest.approx(reference)


def test_mcnemar_by_hand():
    assert mcnemar(5, 0) == pytest.approx(2 * 0.5**5)


def test_holm():
    p = np.random.default_rng(0).random(20) ** 3
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert holm([]) == []


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_paired_difference_by_hand():
    a, b = 11 / 102, 1 / 102
    half = 1.959963985 * ((a + b - (a - b) ** 2) / 102) ** 0.5
    assert paired_difference(10, 0, 100) == pytest.approx((a - b - half, a - b + half))


def test_no_discordant_pair_is_no_proof_of_equality_on_few_samples():
    low, high = paired_difference(0, 0, 10)
    assert low < -0.05
    assert high > 0.05


def test_paired_difference_covers():
    rng = np.random.default_rng(1)
    n, p_a, p_b, covered = 60, 0.2, 0.1, 0
    for _ in range(400):
        draws = rng.random(n)
        only_a, only_b = int((draws < p_a).sum()), int((draws > 1 - p_b).sum())
        low, high = paired_difference(only_a, only_b, n)
        covered += low <= p_a - p_b <= high
    assert covered / 400 >= 0.92


def exact_tail(k: int, n: int) -> float:
    """How likely at least k of n fair coins show heads, in whole numbers: scipy 1.17 gives 0 at 1041 of 1075."""
    ways, term = 0, 1
    for i in range(n - k + 1):
        ways += term
        term = term * (n - i) // (i + 1)
    return ways / 2**n


@given(st.integers(0, 3000), st.floats(0, 1))
@example(1075, 1041 / 1075)
def test_mcnemar_is_a_tail_of_fair_coins(n, place):
    k = round(place * n)
    greater, both = exact_tail(k, n), min(1.0, 2 * exact_tail(max(k, n - k), n))
    assert mcnemar(k, n - k, "greater") == pytest.approx(greater, rel=1e-9, abs=1e-300)
    assert mcnemar(k, n - k) == pytest.approx(both, rel=1e-9, abs=1e-300)


@given(st.integers(0, 3000), st.floats(0, 1), st.floats(0.001, 0.999))
def test_tails_and_intervals_are_those_of_scipy(n, place, share):
    k = round(place * n)
    if n:
        tail = binomtest(k, n, share, alternative="greater")
        assert at_least(k, n, share) == pytest.approx(tail.pvalue, rel=1e-8, abs=1e-250)
        assert wilson(k, n) == pytest.approx(binomtest(k, n).proportion_ci(method="wilson"), abs=1e-12)


def test_the_interval_of_a_share_stays_a_share():
    import pandas as pd

    values = [0.0, 0.01, 0.0, 0.4]
    rows = {"dataset": "d", "classifier": "c", "defense": "none", "metric": "m", "parameters": "{}", "quantity": "q"}
    (share,) = measured(pd.DataFrame([{**rows, "unit": "share", "value": value} for value in values]))
    (number,) = measured(pd.DataFrame([{**rows, "unit": "", "value": value} for value in values]))
    assert number.low < 0 == share.low
    assert (share.mean, share.high) == (number.mean, number.high)
    assert written(0.12345, "share") == "12.3"
    assert written(0.12345, "") == "0.123"


def test_a_metric_that_is_a_share_says_so():
    """Else its interval leaves [0,1], and beside accuracies in percent stand some that are not."""
    shares = [metric for metric in get_metrics() if re.search(r"\b(accuracy|shares?)\b", metric.summary)]
    assert len(shares) > 3
    assert [metric.name for metric in shares if metric.unit != SHARE] == []
