"""Do the libraries agree? One verdict for each pair that ran the same attack on the same samples."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import combinations
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from frontdef.attacks.conduct import OTHER_TYPE
from frontdef.attacks.rounding import CLOSE
from frontdef.threat import MEASURED, TOLERANCE
from frontdef.verdicts.attacked import Attacked, Models, by_model, medians
from frontdef.verdicts.looks import ALPHA
from frontdef.verdicts.statistics import exceeds, holm, mcnemar, paired_difference, wilson

Verdict = Literal["invalid", "different", "unexplained", "inconclusive", "equivalent", "identical"]

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
"""The gravest first."""

DISAGREE: tuple[Verdict, ...] = ("invalid", "different", "unexplained")
"""The verdicts by which two libraries disagree; the others find no difference, or too few samples to tell."""

MARGIN = 0.05
"""Two libraries are equivalent where the interval of their difference in success rate lies within ±MARGIN: the
95 % interval, or a wider one where this is one look of several."""

IDENTICAL = 1e-6
"""Examples that differ by no more than this in any value are the same."""

OTHERS = 0.01
"""Two calls that are said to be exact return other examples on no more than this share of the samples, or than what
rounding alone changes."""

GROUP = ["dataset", "classifier", "defense", "surrogate", "family", "source", "norm", "parameters", "eps"]

AT_HAND = 8
"""Cells whose examples are kept in memory while they are compared: those of more libraries than anybody has."""

Mode = Literal["matched", "defaults"]

BUDGET = 1.25
"""Two attacks differ in budget where one made this many times the passes of the other."""

Examples = Callable[[str], np.ndarray]


@dataclass(frozen=True)
class Agreement:
    """The verdict on two libraries that ran one attack.

    Args:
        dataset: Data set.
        classifier: Classifier.
        defense: Title of the defense.
        surrogate: Surrogate gradient of the attack.
        family: Id of the attack family.
        source: The model that was attacked instead; empty where it is the defense itself.
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
        p_holm: The same, corrected for all pairs of the run, and for the looks where this is one of several.
        low: Lower end of the interval of the difference in success rate, A minus B, at the level of the look.
        high: Its upper end.
        max_difference: Largest difference between their examples in any value; NaN where examples were not compared.
        same_share: Share of the samples whose examples differ by at most 1e-4; NaN where they were not compared.
        distance_a: Median distance of A's successful examples in the norm; NaN where there are none.
        distance_b: The same of B's.
        passes_a: Forward and backward passes of A, mean a sample; NaN where not known.
        passes_b: The same of B.
        invalid_a: Share of A's examples outside the threat model.
        invalid_b: The same of B's.
        mode: Whether the libraries ran with the same parameters, or each with its own defaults.
        verdict: The verdict.
        weaker: The library that fell short, where the verdict is ``different``.
        reason: The verdict in words, with its figures and what is known to explain it.
        known: The named differences of the two realizations.
        cause: What explains a verdict other than identical, in the words of `frontdef.attacks.library.Cause`, separated
            by commas; of ``different`` only what predicts that this library is the weaker one, and ``unexplained``
            where nothing does.
        rounding: The smaller share of the samples, of the two libraries, whose examples rounding alone changes; NaN
            where it was not measured, as for attacks that draw.
        level: Error level of this look; `ALPHA` where there is one only.
    """

    dataset: str
    classifier: str
    defense: str
    surrogate: str
    family: str
    source: str
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
    same_share: float
    distance_a: float
    distance_b: float
    passes_a: float
    passes_b: float
    invalid_a: float
    invalid_b: float
    mode: Mode
    verdict: Verdict = "inconclusive"
    weaker: str = ""
    reason: str = ""
    known: str = ""
    cause: str = ""
    rounding: float = float("nan")
    level: float = ALPHA


@dataclass(frozen=True)
class _Side:
    """What is known of one library's cell."""

    library: str
    cell: str
    difference: str = ""
    causes: tuple[str, ...] = ()
    weakens: tuple[str, ...] = ()
    strengthens: tuple[str, ...] = ()
    rounded: int = 0
    rounding_samples: int = 0
    faults: tuple[str, ...] = ()
    passes: float = float("nan")
    level: float = ALPHA


def agreement(
    outcomes: pd.DataFrame | Models, examples: Examples | None = None, cells: pd.DataFrame | None = None
) -> list[Agreement]:
    """Compare every pair of libraries that ran the same attack on the same defense.

    Only samples count that both were run on and that are classified correctly before the attack.

    Args:
        outcomes: As `frontdef.matrix.results.MatrixResults.outcomes` gives them, or sorted out by model.
        examples: Cell → examples ``(N,C,H,W)``, to see whether they are identical; None leaves that out.
        cells: As `frontdef.matrix.results.MatrixResults.cells` gives them: named differences, faults and passes; None
            leaves these out.
    """
    sides = {} if cells is None else {side.cell: side for side in _sides(cells)}
    distant = _distant(examples)
    pairs = [pair for attacked in by_model(outcomes).values() for pair in _pairs(attacked, distant, sides)]
    adjusted = holm([min(1.0, pair.p_value * ALPHA / pair.level) for pair, *_ in pairs])
    return [
        _explain(_judge(replace(pair, p_holm=p), side_a, side_b, samples), side_a, side_b)
        for (pair, side_a, side_b, samples), p in zip(pairs, adjusted, strict=True)
    ]


def _distant(examples: Examples | None) -> Callable[[str, str], tuple[float, float]]:
    """Two cells → the largest difference between their examples in any value, and the share that is the same.

    A minimum-norm attack is judged at many radii, so each pair is compared once; NaN where nothing can be compared.
    """
    if examples is None:
        return lambda a, b: (math.nan, math.nan)
    read = lru_cache(maxsize=AT_HAND)(examples)

    @cache
    def compare(a: str, b: str) -> tuple[float, float]:
        first, second = read(a), read(b)
        if first.shape != second.shape:
            return math.nan, math.nan
        apart = np.abs(first - second).reshape(len(first), -1).max(1)
        return float(apart.max()), float((apart <= CLOSE).mean())

    return compare


def _sides(cells: pd.DataFrame) -> Iterator[_Side]:
    for row in cells[cells["status"] == "ok"].to_dict("records"):
        faults = tuple(fault for fault in row["faults"] if not fault.startswith(OTHER_TYPE))
        passes = row["forwards"] + row["backwards"]
        samples = row.get("rounding_samples", math.nan)
        measured = 0 if pd.isna(samples) else int(samples)
        yield _Side(
            row["library"],
            row["cell"],
            row["difference"],
            _words(row["causes"]),
            _words(row.get("weakens")),
            _words(row.get("strengthens")),
            round(row["rounding"] * measured) if measured else 0,
            measured,
            faults,
            passes,
            ALPHA if pd.isna(row.get("level")) else float(row["level"]),
        )


def _words(stored: Any) -> tuple[str, ...]:
    """A list of words; of a run that does not have it none."""
    return tuple(stored) if isinstance(stored, Sequence | np.ndarray) else ()


def _pairs(
    attacked: Attacked, distant: Callable[[str, str], tuple[float, float]], sides: Mapping[str, _Side]
) -> Iterator[tuple[Agreement, _Side, _Side, int]]:
    """The pairs of each attack on a model, with the samples that both libraries were run on."""
    correct, valid = attacked.says("clean_correct"), attacked.says("valid")
    for where, places in _questions(attacked):
        norm, eps, libraries, at = where["norm"], where["eps"], list(places), list(places.values())
        cells, ran = [attacked.cells["cell"][place] for place in at], attacked.ran[at]
        broke = attacked.succeeds(norm)[at] <= eps + TOLERANCE
        # Which samples are right is said once, by the first cell that has them.
        right = ran & _first_said(correct, attacked.ran, sorted(at))
        counts, tried = _together(ran, ran), _together(right, right)
        fell, only = _together(right & broke, right), _together(right & broke, right & ~broke)
        outside = 1 - (valid[at] & ran).sum(1) / ran.sum(1)
        typical = medians(attacked.succeeds(norm)[at], broke) if norm in MEASURED else np.full(len(at), np.nan)
        mode: Mode = "defaults" if json.loads(where["parameters"]).get("defaults") else "matched"
        for a, b in combinations(range(len(at)), 2):
            n, only_a, only_b = int(tried[a, b]), int(only[a, b]), int(only[b, a])
            side_a, side_b = (sides.get(cells[i], _Side(libraries[i], cells[i])) for i in (a, b))
            level = min(side_a.level, side_b.level)
            low, high = paired_difference(only_a, only_b, n, 1 - level) if n else (-1.0, 1.0)
            most, same = distant(cells[a], cells[b])
            pair = Agreement(
                **where,
                library_a=libraries[a],
                library_b=libraries[b],
                n=n,
                success_a=int(fell[a, b]) / n if n else 0.0,
                success_b=int(fell[b, a]) / n if n else 0.0,
                only_a=only_a,
                only_b=only_b,
                p_value=mcnemar(only_a, only_b),
                p_holm=1.0,
                low=low,
                high=high,
                max_difference=most,
                same_share=same,
                distance_a=float(typical[a]),
                distance_b=float(typical[b]),
                passes_a=side_a.passes,
                passes_b=side_b.passes,
                invalid_a=float(outside[a]),
                invalid_b=float(outside[b]),
                mode=mode,
                known=" ".join(filter(None, (side_a.difference, side_b.difference))),
                rounding=_least_rounded(side_a, side_b)[0],
                level=level,
            )
            yield pair, side_a, side_b, int(counts[a, b])


def _questions(attacked: Attacked) -> Iterator[tuple[dict[str, Any], dict[str, int]]]:
    """Each attack that some libraries ran at a radius: what it is, and library → its row, by the libraries' names."""
    asked: dict[tuple[Any, ...], dict[str, int]] = {}
    for place, question in enumerate(zip(*(attacked.cells[name] for name in GROUP), strict=True)):
        asked.setdefault(question, {}).setdefault(str(attacked.cells["library"][place]), place)
    for question, places in asked.items():
        if len(places) > 1:
            yield dict(zip(GROUP, question, strict=True)), dict(sorted(places.items()))


def _together(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """On how many samples two rows are both true, ``(rows, rows)``; float32 counts exactly up to 16 million."""
    return first.astype(np.float32) @ second.astype(np.float32).T


def _first_said(said: np.ndarray, ran: np.ndarray, places: Sequence[int]) -> np.ndarray:
    """What the first of some cells that was run on a sample says of it, bool ``(samples,)``."""
    return np.asarray(said[places][ran[places].argmax(0), np.arange(said.shape[1])])


def _least_rounded(side_a: _Side, side_b: _Side) -> tuple[float, float]:
    """Share of samples that rounding changes on the side where it changes fewer, and the end of its 95 % interval.

    NaN where a side was not measured; where nothing was seen to change, nothing is excused.
    """
    if not (side_a.rounding_samples and side_b.rounding_samples):
        return math.nan, math.nan
    side = min((side_a, side_b), key=lambda side: side.rounded / side.rounding_samples)
    share = side.rounded / side.rounding_samples
    return share, wilson(side.rounded, side.rounding_samples)[1] if side.rounded else 0.0


def _explain(pair: Agreement, side_a: _Side, side_b: _Side) -> Agreement:
    if pair.verdict == "identical":
        return pair
    causes = dict.fromkeys(
        _toward(pair, side_a, side_b)
        if pair.verdict == "different"
        else (*side_a.causes, *side_b.causes, *_by_chance(pair), *_by_budget(pair), *_by_rounding(pair))
    )
    if pair.verdict == "unexplained" or (not causes and pair.verdict == "different"):
        causes = {"unexplained": None}
    known = f". Known: {pair.known}" if pair.known else ""
    return replace(pair, reason=pair.reason + known, cause=", ".join(causes))


def _toward(pair: Agreement, side_a: _Side, side_b: _Side) -> Sequence[str]:
    """What predicts that the weaker one is the weaker one.

    Two calls with defaults of their own are two attacks: where the passes do not say it, the defaults do.
    """
    weaker, stronger = (side_a, side_b) if pair.weaker == pair.library_a else (side_b, side_a)
    causes = (*weaker.weakens, *stronger.strengthens)
    if pair.mode == "matched":
        return causes
    spent_less = weaker.passes < stronger.passes
    return (*causes, *(_by_budget(pair) if spent_less else ())) or ("defaults",)


def _by_chance(pair: Agreement) -> Sequence[str]:
    """Each library draws its random start from its own generator; that one is weaker, no draw explains."""
    return ("random start",) if json.loads(pair.parameters).get("random_start") else ()


def _by_budget(pair: Agreement) -> Sequence[str]:
    """With its own defaults a library may spend several times the passes of another."""
    low, high = sorted((pair.passes_a, pair.passes_b))
    return ("budget",) if pair.mode == "defaults" and high > BUDGET * low else ()


def _by_rounding(pair: Agreement) -> Sequence[str]:
    """Rounding was seen to change examples of both libraries."""
    return ("rounding",) if pair.rounding > 0 else ()


def _unexplained(pair: Agreement, side_a: _Side, side_b: _Side, samples: int) -> str:
    """What is said where two calls that should return the same examples do not; empty where they do."""
    share, at_most = _least_rounded(side_a, side_b)
    if math.isnan(share) or math.isnan(pair.same_share):
        return ""
    others = round((1 - pair.same_share) * samples)
    if not exceeds(others, samples, max(OTHERS, at_most), pair.level):
        return ""
    measured = min(side_a.rounding_samples, side_b.rounding_samples)
    return (
        f"both calls are said to be exact, and {others} of {samples} samples got other examples; rounding alone "
        f"changes {share:.1%} of {measured}"
    )


def _judge(pair: Agreement, side_a: _Side, side_b: _Side, samples: int) -> Agreement:
    tampered = [f"{side.library} {fault}" for side in (side_a, side_b) for fault in side.faults]
    if tampered:
        return replace(pair, verdict="invalid", reason="; ".join(tampered))
    outside = [
        name for name, share in ((pair.library_a, pair.invalid_a), (pair.library_b, pair.invalid_b)) if share > 0
    ]
    interval = (
        f"success differs by {pair.success_a - pair.success_b:+.1%} ({100 * (1 - pair.level):.4g} % interval "
        f"{pair.low:+.1%} to {pair.high:+.1%})"
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
    if said := _unexplained(pair, side_a, side_b, samples):
        return replace(pair, verdict="unexplained", reason=f"{said}; {interval}")
    if pair.low >= -MARGIN and pair.high <= MARGIN:
        return replace(pair, verdict="equivalent", reason=f"{interval}, within ±{MARGIN:.0%}")
    return replace(
        pair,
        reason=f"{interval}, p = {pair.p_holm:.2g}: neither a difference nor equivalence within ±{MARGIN:.0%} is "
        "shown; more samples decide",
    )
