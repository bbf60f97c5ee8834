"""What changed between two runs, or two rows of one: the same samples, an exact paired test for each number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from frontdef.threat import format_eps
from frontdef.verdicts.attacked import Attacked, Model, Models, stood
from frontdef.verdicts.bracket import DiagnosisEvidence
from frontdef.verdicts.resolution import needed
from frontdef.verdicts.statistics import holm, mcnemar, paired_difference

if TYPE_CHECKING:
    from frontdef.verdicts.broken import Columns

Verdict = Literal["worse", "better", "undecided", "same"]

ALPHA = 0.05
"""Level of the Holm-corrected McNemar tests of a comparison."""

MARGIN = 0.01
"""Two numbers are the same where the 95 % interval of their difference lies within ±MARGIN."""

CLEAN, WORST = "no attack", "all attacks"


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two that are compared.

    Args:
        models: What its attacks broke.
        evidence: What the attacks of its diagnoses broke, as `frontdef.verdicts.bracket.brackets` has it.
    """

    models: Models
    evidence: Columns | None = None


@dataclass(frozen=True)
class Change:
    """One number of A beside that of B, on the samples that both were measured on.

    Args:
        dataset: Data set.
        classifier: Classifier.
        row_a: Title of A's defense.
        row_b: Title of B's.
        norm: Norm of the threat model; empty for `CLEAN`.
        eps: Its radius; NaN for `CLEAN`.
        attack: The attack, per sample the worst over libraries; `WORST` for the worst case, `CLEAN` for clean accuracy.
        n: Samples that both have.
        share_a: Share of them that A classifies right under it.
        share_b: The same of B.
        only_a: How many A alone does.
        only_b: How many B alone does.
        p_value: Exact McNemar test.
        p_holm: The same, corrected for all numbers of the comparison.
        low: Lower end of the 95 % interval of the difference, B minus A.
        high: Its upper end.
        needed: Samples with which that interval would reach no farther than `MARGIN` to each side, if the same share of
            them ended differently; None where it does so already.
        verdict: ``worse`` or ``better``, of B; ``same``: within `MARGIN`; ``undecided``.
    """

    dataset: str
    classifier: str
    row_a: str
    row_b: str
    norm: str
    eps: float
    attack: str
    n: int
    share_a: float
    share_b: float
    only_a: int
    only_b: int
    p_value: float
    p_holm: float
    low: float
    high: float
    needed: int | None
    verdict: Verdict = "undecided"

    @property
    def changed(self) -> bool:
        """Whether a difference is shown."""
        return self.verdict in {"worse", "better"}


def compare(a: Side, b: Side, pairs: Iterable[tuple[Model, Model]]) -> list[Change]:
    """Compare rows: their clean accuracy, and in each threat model that both have, the worst case and each attack.

    Args:
        a: Where A's rows are.
        b: Where B's are.
        pairs: A row of A and one of B, of the same data set.
    """
    changes = [change for model_a, model_b in pairs for change in _numbers(a, model_a, b, model_b)]
    corrected = holm([change.p_value for change in changes])
    return [_judge(replace(change, p_holm=p)) for change, p in zip(changes, corrected, strict=True)]


def unmatched(a: Models, b: Models, pairs: Iterable[tuple[Model, Model]]) -> list[str]:
    """What only one of two sides has, a line each, so that nothing is left out without a word.

    Args:
        a: A's rows.
        b: B's.
        pairs: Those that are compared.
    """
    lines = []
    for model_a, model_b in pairs:
        own, other = a[model_a], b[model_b]
        for threat in (*own.threats, *(threat for threat in other.threats if threat not in own.threats)):
            names = [set(stood(attacked, *threat)) for attacked in (own, other)]
            for side, only in (("A", names[0] - names[1]), ("B", names[1] - names[0])):
                if only:
                    where = f"{' '.join(model_a)} {threat[0]} ε={format_eps(threat[1])}"
                    lines.append(f"{where}: only {side} has {', '.join(sorted(only))}")
    return lines


def _numbers(a: Side, model_a: Model, b: Side, model_b: Model) -> Iterator[Change]:
    own, other = a.models[model_a], b.models[model_b]
    where = (*model_a[:2], model_a[2], model_b[2])
    everywhere = np.ones(len(own.ids), bool), np.ones(len(other.ids), bool)
    clean = (own, everywhere[0], own.correct), (other, everywhere[1], other.correct)
    yield _paired((*where, "", float("nan"), CLEAN), *clean)
    broke = DiagnosisEvidence.of(model_a, own, a.evidence), DiagnosisEvidence.of(model_b, other, b.evidence)
    for norm, eps in own.threats:
        if (norm, eps) not in other.threats:
            continue
        worst = [
            attacked.correct & ~np.logical_or.reduce([attacked.fell(norm, eps), *found.within(norm, eps).values()])
            for attacked, found in zip((own, other), broke, strict=True)
        ]
        yield _paired((*where, norm, eps, WORST), (own, everywhere[0], worst[0]), (other, everywhere[1], worst[1]))
        theirs: Mapping[str, tuple[np.ndarray, np.ndarray]] = stood(other, norm, eps)
        for attack, (ran, left) in stood(own, norm, eps).items():
            if attack in theirs:
                yield _paired((*where, norm, eps, attack), (own, ran, left), (other, *theirs[attack]))


def _paired(
    where: tuple[str, str, str, str, str, float, str],
    a: tuple[Attacked, np.ndarray, np.ndarray],
    b: tuple[Attacked, np.ndarray, np.ndarray],
) -> Change:
    """One number.

    Args:
        where: What it is.
        a: The model, which of its samples it was measured on, and which of them it classifies right.
        b: The same of the other.
    """
    (own, ran_a, left_a), (other, ran_b, left_b) = a, b
    _, at_a, at_b = np.intersect1d(own.ids[ran_a], other.ids[ran_b], assume_unique=True, return_indices=True)
    right_a, right_b = left_a[ran_a][at_a], left_b[ran_b][at_b]
    n, only_a, only_b = len(at_a), int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    shares = (float(right_a.mean()), float(right_b.mean())) if n else (float("nan"), float("nan"))
    low, high = paired_difference(only_b, only_a, n) if n else (-1.0, 1.0)
    settled = (high - low) / 2 <= MARGIN
    fewest = None if settled else needed(MARGIN, (only_a + only_b + 1) / (n + 2))
    p = mcnemar(only_a, only_b)
    return Change(*where, n, *shares, only_a, only_b, p, p, low, high, fewest)


def _judge(change: Change) -> Change:
    if change.p_holm < ALPHA:
        return replace(change, verdict="worse" if change.only_a > change.only_b else "better")
    return replace(change, verdict="same" if change.low >= -MARGIN and change.high <= MARGIN else "undecided")
