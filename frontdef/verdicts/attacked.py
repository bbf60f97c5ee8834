"""A defended model under attack: which attack breaks which of its samples, from which distance on; sorted out once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from frontdef.attacks.spec import shown
from frontdef.threat import MEASURED, NORMS, TOLERANCE, Norm, check_norm
from frontdef.verdicts.broken import breaks_from, distances, loses_from, success

if TYPE_CHECKING:
    import pandas as pd

GROUP = ["dataset", "classifier", "defense"]

ASKED = ("cell", *GROUP, "training", "surrogate", "family", "source", "norm", "parameters", "library", "eps")
"""Columns that are the same in all rows of a cell at a radius; one of them may be missing in outcomes made by hand."""

EXAMPLE = (
    *("sample_id", "label", "clean_correct", "target", "adversarial_prediction"),
    *(*MEASURED, "in_box", "finite", "valid"),
)
"""Columns of each row."""

JUDGED = (*ASKED, *EXAMPLE)
"""The columns of outcomes that verdicts on robustness look at."""

Model = tuple[str, str, str]
"""Data set, classifier, title of the defense."""


class Attacked:
    """The outcomes of one model as matrices: a row a cell and radius at which it is judged, a column a sample.

    Args:
        cells: Column of `ASKED` → a value for each cell and radius at which it is judged, in the order of the run.
        whose: Which of these each example is of, ``(N,)``.
        examples: Column of `EXAMPLE` → values ``(N,)``.
    """

    def __init__(
        self, cells: Mapping[str, Sequence[Any]], whose: np.ndarray, examples: Mapping[str, np.ndarray]
    ) -> None:
        self.cells = cells
        self.ids, first, samples = np.unique(examples["sample_id"], return_index=True, return_inverse=True)
        # Which samples are right is said once, by the first cell that has them.
        self.correct = np.asarray(examples["clean_correct"][first], dtype=bool)
        self._at = whose, samples
        self._examples = examples
        self._least: dict[tuple[Any, str], np.ndarray] = {}
        self.ran = np.zeros(self._shape, dtype=bool)
        self.ran[self._at] = True

    @property
    def _shape(self) -> tuple[int, int]:
        return len(self.cells["cell"]), len(self.ids)

    @cached_property
    def threats(self) -> list[tuple[Norm, float]]:
        """The norms and radii for which attacks were made, in the order of the norms, ε ascending."""
        return sorted(self._made, key=lambda threat: (NORMS.index(threat[0]), threat[1]))

    @cached_property
    def _made(self) -> dict[tuple[Norm, float], list[int]]:
        made: dict[tuple[Norm, float], list[int]] = {}
        for place, (norm, eps) in enumerate(zip(self.cells["norm"], self.cells["eps"], strict=True)):
            made.setdefault((check_norm(norm), eps), []).append(place)
        return made

    def made_for(self, norm: str, eps: float) -> np.ndarray:
        """The cells that are judged in a threat model because they were made for it, in the order of the run."""
        return np.array(self._made.get((check_norm(norm), eps), []), dtype=int)

    def breaks(self, norm: str) -> np.ndarray:
        """The distance from which an example counts for the worst case, ``(cells, samples)``; ∞ where it never does."""
        return self._matrix(breaks_from, norm)

    def loses(self, norm: str) -> np.ndarray:
        """The distance from which an attack got what it was asked for of a right image; ∞ where it never does."""
        return self._matrix(loses_from, norm)

    def succeeds(self, norm: str) -> np.ndarray:
        """The same of any image, right or wrong."""
        return self._matrix(_succeeds_from, norm)

    def says(self, name: str) -> np.ndarray:
        """Where a column of booleans is true, ``(cells, samples)``; nowhere where a cell was not run."""
        said = np.zeros(self._shape, dtype=bool)
        said[self._at] = self._examples[name]
        return said

    def _matrix(self, measure: Callable[[Mapping[str, Any], str], np.ndarray], norm: str) -> np.ndarray:
        if (measure, norm) not in self._least:
            examples = dict(self._examples)
            if norm not in MEASURED:
                examples["norm"] = np.array(self.cells["norm"], dtype=object)[self._at[0]]
            least = np.full(self._shape, np.inf)
            np.fmin.at(least, self._at, measure(examples, norm))
            self._least[measure, norm] = least
        return self._least[measure, norm]

    def fell(self, norm: str, eps: float) -> np.ndarray:
        """Which samples any attack of the run breaks within ``eps``, whatever it was made for; bool ``(samples,)``."""
        return np.asarray(self._first_breaks(norm) <= eps + TOLERANCE)

    def _first_breaks(self, norm: str) -> np.ndarray:
        """The distance from which the first of all attacks breaks each sample."""
        key = (min, norm)
        if key not in self._least:
            self._least[key] = self.breaks(norm).min(axis=0, initial=np.inf)
        return self._least[key]

    def places(self, sample_ids: np.ndarray) -> np.ndarray:
        """Columns of those of the samples that are the model's own."""
        return np.flatnonzero(np.isin(self.ids, sample_ids))

    def attack(self, cell: int) -> str:
        """A cell's attack as tables show it."""
        return shown(self.cells["family"][cell], self.cells["source"][cell])


def _succeeds_from(columns: Mapping[str, Any], norm: str) -> np.ndarray:
    """The distance of each example that is a success at any; NaN of the rest."""
    return np.where(success(columns, norm, np.inf), distances(columns, norm), np.nan)


Models = Mapping[Model, Attacked]
"""Every model of a run, in its order."""


def by_model(outcomes: pd.DataFrame | Models) -> Models:
    """Sort a run's outcomes out; what is sorted out is returned as it is.

    Args:
        outcomes: As `frontdef.matrix.results.MatrixResults.outcomes` gives them, the columns of `JUDGED` at least.
    """
    if isinstance(outcomes, Mapping):
        return outcomes
    if outcomes.empty:
        return {}
    first, whose = _numbered(outcomes.groupby([*GROUP, "cell", "norm", "eps"], sort=False).ngroup().to_numpy())
    cells = {name: outcomes[name].iloc[first].to_list() for name in ASKED if name in outcomes}
    return sort_out(cells, whose, {name: outcomes[name].to_numpy() for name in EXAMPLE if name in outcomes})


def sort_out(cells: Mapping[str, Sequence[Any]], whose: np.ndarray, examples: Mapping[str, np.ndarray]) -> Models:
    """Part a run by its models.

    Args:
        cells: Column of `ASKED` → a value for each cell and radius at which it is judged, in the order of the run.
        whose: Which of these each example is of, ``(N,)``.
        examples: Column of `EXAMPLE` → values ``(N,)``.
    """
    models: dict[Model, list[int]] = {}
    for place, model in enumerate(zip(*(cells[name] for name in GROUP), strict=True)):
        models.setdefault(model, []).append(place)
    number = np.empty(len(cells["cell"]), dtype=int)
    for many, own in enumerate(models.values()):
        number[own] = many
    together = number[whose]
    order = np.argsort(together, kind="stable") if (np.diff(together) < 0).any() else slice(None)
    starts = np.searchsorted(together[order], np.arange(len(models) + 1))
    whose, examples = whose[order], {name: values[order] for name, values in examples.items()}
    sorted_out = {}
    for (model, own), (start, stop) in zip(models.items(), pairwise(starts), strict=True):
        rows = {name: values[start:stop] for name, values in examples.items()}
        mine = {name: [values[place] for place in own] for name, values in cells.items()}
        sorted_out[model] = Attacked(mine, np.searchsorted(own, whose[start:stop]), rows)
    return sorted_out


def attacks_in(models: Models, norm: str) -> list[str]:
    """The attacks that were made in a norm, as tables show them, in the order of the run."""
    return list(
        dict.fromkeys(
            attacked.attack(cell)
            for attacked in models.values()
            for cell, made_in in enumerate(attacked.cells["norm"])
            if made_in == norm
        )
    )


def unbroken(attacked: Attacked, norm: str, eps: float) -> dict[str, float]:
    """The share of its samples that each attack that was made for a threat model leaves.

    Args:
        attacked: A model.
        norm: Of the threat model.
        eps: Its radius.
    """
    return {attack: float(left[ran].mean()) for attack, (ran, left) in stood(attacked, norm, eps).items()}


def stood(attacked: Attacked, norm: str, eps: float) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Each attack that was made for a threat model, and per sample the worst of it over libraries.

    Args:
        attacked: A model.
        norm: Of the threat model.
        eps: Its radius.

    Returns:
        Attack → which samples it was run on, and which are right and not lost to it; bool ``(samples,)`` each.
    """
    cells: dict[str, list[int]] = {}
    for cell in attacked.made_for(norm, eps):
        cells.setdefault(attacked.attack(cell), []).append(cell)
    left = {}
    for attack, own in cells.items():
        ran = attacked.ran[own]
        lost = (ran & (attacked.loses(norm)[own] <= eps + TOLERANCE)).any(axis=0)
        left[attack] = np.asarray(ran.any(axis=0)), np.asarray(attacked.correct & ~lost)
    return left


def medians(distances: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Median of the chosen values of each row, ``(rows,)``; NaN where there is none."""
    ascending, count = np.sort(np.where(chosen, distances, np.inf), axis=1), chosen.sum(1)
    rows = np.arange(len(distances))
    middle = (ascending[rows, (count - 1) // 2] + ascending[rows, count // 2]) / 2
    return np.where(count > 0, middle, np.nan)


def _numbered(groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each group begins, and the number of each row's; groups are counted in the order in which they begin."""
    _, first, whose = np.unique(groups, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first[order], rank[whose]
