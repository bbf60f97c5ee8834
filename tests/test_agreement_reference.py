"""The figures of a comparison, worked out on matrices, are those of a plain count, to the last digit."""

from __future__ import annotations

import json
from itertools import combinations
from statistics import median

import numpy as np
import pandas as pd
import pytest

from frontdef.threat import MEASURED
from frontdef.verdicts.agreement import GROUP, agreement
from frontdef.verdicts.broken import success
from frontdef.verdicts.statistics import mcnemar, paired_difference

FIGURES = (
    *("library_a", "library_b", "n", "success_a", "success_b", "only_a", "only_b", "p_value", "low", "high"),
    *("distance_a", "distance_b", "invalid_a", "invalid_b", "max_difference", "same_share"),
)


def drawn(seed: int, *, draws: bool = False, shorter: bool = False) -> pd.DataFrame:
    """Outcomes of two models in three norms, of one library that sees fewer samples where that is asked for.

    Args:
        seed: Decides all of them.
        draws: Whether each cell says for itself which samples are right, as of a model that draws.
        shorter: Whether one library ran on some of the samples.
    """
    rng, frames = np.random.default_rng(seed), []
    ids = rng.permutation(1000)[:37]
    for defense in ("none", "wavelet"):
        right = rng.random(37) < 0.9
        for family, norm, radii in (
            ("pgd", "linf", (0.1,)),
            ("deepfool", "l2", (0.5, 1.0)),
            ("spatial", "spatial", (1.0,)),
        ):
            for library in ("native", "torchattacks", "art"):
                n = 20 if shorter and library == "native" else 37
                recorded = {
                    "sample_id": ids, "label": rng.integers(0, 3, 37), "target": rng.choice([-1, 1], 37),
                    "clean_correct": rng.random(37) < 0.8 if draws else right,
                    "adversarial_prediction": rng.integers(0, 3, 37),
                    **{name: rng.choice([0.4, 0.8, 1 + 5e-7 / radii[-1], 1.1], 37) * radii[-1] for name in MEASURED},
                    "in_box": rng.random(37) < 0.95, "finite": rng.random(37) < 0.95, "valid": rng.random(37) < 0.9,
                }  # fmt: skip
                where = {
                    "cell": f"{defense}-{family}-{library}", "dataset": "d", "classifier": "c", "defense": defense,
                    "surrogate": "", "source": "", "family": family, "norm": norm, "library": library,
                    "parameters": json.dumps({}),
                }  # fmt: skip
                frames += [pd.DataFrame({**where, "eps": eps, **recorded}).iloc[:n] for eps in radii]
    return pd.concat(frames, ignore_index=True)


def counted(outcomes: pd.DataFrame, examples: dict[str, np.ndarray]) -> list[dict]:
    """The same figures, a sample at a time."""
    pairs = []
    for question, group in outcomes.groupby(GROUP, sort=False):
        norm, eps = question[GROUP.index("norm")], question[GROUP.index("eps")]
        group = group.assign(success=success(group, norm, eps))
        right: dict[int, bool] = {}
        for row in group.itertuples():
            right.setdefault(row.sample_id, row.clean_correct)
        sides = {name: side.set_index("sample_id") for name, side in group.groupby("library")}
        for a, b in combinations(sorted(sides), 2):
            both = [i for i in sides[a].index if i in sides[b].index and right[i]]
            fell = {name: {i for i in both if sides[name].success[i]} for name in (a, b)}
            only_a, only_b = len(fell[a] - fell[b]), len(fell[b] - fell[a])
            low, high = paired_difference(only_a, only_b, len(both))
            first, second = (examples[sides[name].cell.iloc[0]] for name in (a, b))
            apart = [float(abs(x - y).max()) for x, y in zip(first, second, strict=False)]
            told = {"n": len(both), "only_a": only_a, "only_b": only_b, "low": low, "high": high}
            told |= {"library_a": a, "library_b": b, "p_value": mcnemar(only_a, only_b)}
            compared = len(first) == len(second)
            told["max_difference"] = max(apart) if compared else None
            told["same_share"] = np.mean([value <= 1e-4 for value in apart]) if compared else None
            for end, name in (("a", a), ("b", b)):
                reached = sides[name][sides[name].success]
                told[f"success_{end}"] = len(fell[name]) / len(both)
                told[f"distance_{end}"] = median(reached[norm]) if norm in reached and len(reached) else None
                told[f"invalid_{end}"] = 1 - sides[name].valid.sum() / len(sides[name])
            pairs.append({**dict(zip(GROUP, question, strict=True)), **told})
    return pairs


@pytest.mark.parametrize(("draws", "shorter"), [(False, False), (True, False), (False, True), (True, True)])
def test_every_figure_is_that_of_a_plain_count(draws, shorter):
    for seed in range(2):
        outcomes = drawn(seed, draws=draws, shorter=shorter)
        rng = np.random.default_rng(seed)
        images = {cell: 20 if shorter and cell.endswith("native") else 37 for cell in outcomes["cell"].unique()}
        examples = {cell: rng.choice([0, 5e-5, 1e-3], (n, 1, 2, 2)) for cell, n in images.items()}
        pairs, plain = agreement(outcomes, examples.__getitem__), counted(outcomes, examples)
        assert len(pairs) == len(plain) == 2 * 4 * 3
        for pair, asked in zip(pairs, plain, strict=True):
            for name in (*GROUP, *FIGURES):
                value = getattr(pair, name)
                assert value == asked[name] or (asked[name] is None and np.isnan(value)), (name, pair, asked)
