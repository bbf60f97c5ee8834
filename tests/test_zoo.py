"""Every liar of the zoo is called masked or invalid, and no honest model is, on a budget that fits the fast suite.

``python -m tests.zoo`` judges them on the default budget; `docs/masking.md` has its table.
"""

from __future__ import annotations

import pytest

from frontdef.checks.masking import Budget, diagnose
from tests.zoo import ZOO
from tests.zoo.lab import THREAT, Lab

BUDGET = Budget(
    steps=20, restarts=2, noise=20, queries=150, passes=3, directions=5, binarized=10, inner=99, eot=4, judge=16
)


@pytest.fixture(scope="module")
def lab():
    return Lab()


@pytest.mark.parametrize("member", ZOO, ids=lambda member: member.name)
def test_judged_rightly(member, lab):
    protected = member.build(lab)
    diagnosis = diagnose(protected, lab.test.images, lab.test.labels, THREAT, seed=lab.seed, budget=BUDGET)
    assert diagnosis.verdict in member.allowed, diagnosis.reasons
    if member.kind == "liar" and diagnosis.verdict == "masked":
        assert diagnosis.n_survived > 0.25 * diagnosis.n_attacked, "it fools nobody: PGD breaks it"
