"""Do the libraries agree? One verdict for each pair that ran the same attack on the same samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd

from frontdef.verdicts.statistics import holm, mcnemar, paired_difference

Verdict = Literal["identical", "equivalent", "different", "inconclusive", "invalid"]

ALPHA = 0.05
"""Level of the Holm-corrected McNemar test."""

MARGIN = 0.05
"""Two libraries are equivalent where the 95 % interval of their difference in success rate lies within ±MARGIN."""

IDENTICAL = 1e-6
"""Examples that differ by no more than this in any value are the same."""

GROUP = ["dataset", "classifier", "defense", "surrogate", "family", "norm", "parameters", "eps"]

Examples = Callable[[str], np.ndarray]


@dataclass(frozen=True)
class Agreement:
    """The verdict on two libraries that ran one attack.

    Args:
        dataset: Data set.
        classifier: Classifier.
        defense: Title of the defense.
        surrogate: Surrogate gradient of the attack.
        family: Attack family.
        norm: Its norm.
        parameters: Its parameters, JSON.
        eps: Radius at which success is judged.
        library_a: One library.
        library_b: The other.
        n: Samples.
        success_a: Share of the correctly classified samples that A broke.
        success_b: The same of B.
        only_a: Samples that only A broke.
        only_b: Samples that only B broke.
        p_value: Exact McNemar test.
        p_holm: The same, corrected for all pairs of the run.
        low: Lower end of the 95 % interval of the difference in success rate, A minus B.
        high: Its upper end.
        max_difference: Largest difference between their examples in any value; NaN where examples were not compared.
        invalid_a: Share of A's examples outside the threat model.
        invalid_b: The same of B's.
        verdict: The verdict.
        weaker: The library that fell short, where the verdict is ``different``.
        reason: The verdict in words, with its figures and what is known to explain it.
        known: The named differences of the two realisations.
    """

    dataset: str
    classifier: str
    defense: str
    surrogate: str
    family: str
    norm: str
    parameters: str
    eps: float
    library_a: str
    library_b: str
    n: int
    success_a: float
    success_b: float
    only_a: int
    only_b: int
    p_value: float
    p_holm: float
    low: float
    high: float
    max_difference: float
    invalid_a: float
    invalid_b: float
    verdict: Verdict = "inconclusive"
    weaker: str = ""
    reason: str = ""
    known: str = ""


def agreement(
    outcomes: pd.DataFrame, examples: Examples | None = None, differences: Mapping[str, str] | None = None
) -> list[Agreement]:
    """Compare every pair of libraries that ran the same attack on the same defense.

    Only samples that are classified correctly before the attack count.

    Args:
        outcomes: As `frontdef.matrix.results.Results.outcomes` gives them.
        examples: Cell → examples ``(N,C,H,W)``, to see whether they are identical; None leaves that out.
        differences: Cell → named difference of the library's realisation.
    """
    known = differences or {}
    pairs = [pair for _, group in outcomes.groupby(GROUP, sort=False) for pair in _pairs(group, examples, known)]
    adjusted = holm([pair.p_value for pair in pairs])
    return [_explain(_judge(replace(pair, p_holm=p))) for pair, p in zip(pairs, adjusted, strict=True)]


def _pairs(group: pd.DataFrame, examples: Examples | None, known: Mapping[str, str]) -> Iterator[Agreement]:
    success = group.pivot(index="sample_id", columns="library", values="success").astype(bool)
    valid = group.groupby("library")["valid"].mean()
    correct = group.groupby("sample_id")["clean_correct"].first().reindex(success.index).to_numpy(dtype=bool)
    cells = group.groupby("library")["cell"].first()
    where = {name: group[name].iloc[0] for name in GROUP}
    n = int(correct.sum())
    for a, b in combinations(success.columns, 2):
        broke_a, broke_b = success[a].to_numpy()[correct], success[b].to_numpy()[correct]
        only_a, only_b = int((broke_a & ~broke_b).sum()), int((broke_b & ~broke_a).sum())
        low, high = paired_difference(only_a, only_b, n) if n else (-1.0, 1.0)
        apart = float(np.abs(examples(cells[a]) - examples(cells[b])).max()) if examples else float("nan")
        yield Agreement(
            **where,
            library_a=str(a),
            library_b=str(b),
            n=n,
            success_a=float(broke_a.mean()) if n else 0.0,
            success_b=float(broke_b.mean()) if n else 0.0,
            only_a=only_a,
            only_b=only_b,
            p_value=mcnemar(only_a, only_b),
            p_holm=1.0,
            low=low,
            high=high,
            max_difference=apart,
            invalid_a=1 - float(valid[a]),
            invalid_b=1 - float(valid[b]),
            known=" ".join(known[cell] for cell in (cells[a], cells[b]) if known.get(cell)),
        )


def _explain(pair: Agreement) -> Agreement:
    if not pair.known or pair.verdict == "identical":
        return pair
    return replace(pair, reason=f"{pair.reason}. Known: {pair.known}")


def _judge(pair: Agreement) -> Agreement:
    outside = [
        name for name, share in ((pair.library_a, pair.invalid_a), (pair.library_b, pair.invalid_b)) if share > 0
    ]
    interval = (
        f"success differs by {pair.success_a - pair.success_b:+.1%} (95 % interval {pair.low:+.1%} to {pair.high:+.1%})"
    )
    if outside:
        share = max(pair.invalid_a, pair.invalid_b)
        return replace(
            pair,
            verdict="invalid",
            reason=f"{' and '.join(outside)} left the threat model (up to {share:.1%} of examples)",
        )
    if pair.max_difference <= IDENTICAL:
        return replace(
            pair, verdict="identical", reason=f"no value of any example differs by more than {pair.max_difference:.1g}"
        )
    if pair.p_holm < ALPHA:
        weaker = pair.library_a if pair.only_a < pair.only_b else pair.library_b
        reason = f"{weaker} is weaker: {interval}, p = {pair.p_holm:.2g} (McNemar, Holm)"
        return replace(pair, verdict="different", weaker=weaker, reason=reason)
    if pair.low >= -MARGIN and pair.high <= MARGIN:
        return replace(pair, verdict="equivalent", reason=f"{interval}, within ±{MARGIN:.0%}")
    return replace(
        pair,
        reason=f"{interval}, p = {pair.p_holm:.2g}: neither a difference nor equivalence within ±{MARGIN:.0%} is "
        "shown; more samples decide",
    )
