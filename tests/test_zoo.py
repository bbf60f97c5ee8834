"""Every liar of the zoo is found, and no honest model is called masked, on a budget that fits the fast suite.

``python -m tests.zoo`` judges them on more samples; `docs/masking.md` has its table.
"""

from __future__ import annotations

from collections import Counter

import pytest

from frontdef.checks.masking import diagnose
from tests.zoo import ZOO
from tests.zoo.lab import BUDGET, SAMPLES, THREAT, Lab


@pytest.fixture(scope="module")
def lab():
    return Lab()


MEMBERS = [
    pytest.param(member, id=member.name, marks=[pytest.mark.slow] if member.slow else [])
    for member in ZOO
    if member.sure
]
"""Those that are judged rightly in the table."""


@pytest.mark.parametrize("member", MEMBERS)
def test_judged_rightly(member, lab):
    protected, there = member.protected(lab)
    images, labels = (tensor[:SAMPLES] for tensor in (there.test.images, there.test.labels))
    diagnosis = diagnose(protected, images, labels, THREAT, seed=lab.seed, budget=BUDGET)
    assert diagnosis.verdict in member.allowed, diagnosis.reasons
    if member.kind == "liar" and diagnosis.verdict == "masked":
        assert diagnosis.n_survived > 0.25 * diagnosis.n_attacked, "it fools nobody: PGD breaks it"


def test_there_are_enough_of_both_kinds():
    count = Counter(member.kind for member in ZOO)
    assert min(count.values()) >= 30, count
    assert len({member.name for member in ZOO}) == len(ZOO)
