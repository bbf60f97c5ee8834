"""`decide = true`: a comparison of libraries goes on, with more of the same samples, until it is decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from frontdef.matrix.attack import Cell
from frontdef.matrix.entries import Matrix
from frontdef.models.fingerprint import digest
from frontdef.registry import get_family
from frontdef.verdicts.looks import Looks
from frontdef.verdicts.resolution import DISCORDANT, FINE, POWER, detectable, needed, within

if TYPE_CHECKING:
    from frontdef.matrix.results import MatrixResults
    from frontdef.runs.plan import Plan
    from frontdef.runs.store import Store
    from frontdef.verdicts.agreement import Agreement

ASKED = ("dataset", "classifier", "defense", "surrogate", "family", "source", "norm", "parameters")
"""What the libraries have in common that are compared, beside the radius."""


def question(about: Mapping[str, Any]) -> str:
    """Hash of a comparison: the same for the cells of all libraries that take part.

    Args:
        about: A cell as it is described, or a verdict's fields; a minimum-norm attack is one question at all radii.
    """
    eps = None if get_family(about["family"]).minimum_norm else about["eps"]
    return digest([*(about[name] for name in ASKED), eps])[:16]


def sized(cell: Cell, matrix: Matrix) -> Cell:
    """A cell that is compared, with the samples and the level of the look that its comparison has come to.

    Args:
        cell: The cell, on all samples that it may take.
        matrix: The matrix.
    """
    if not matrix.decide:
        return cell
    looks = Looks.between(matrix.decide_samples, cell.samples)
    grown = matrix.grown.get(question(cell.describe()), 0)
    look = next((place for place, size in enumerate(looks.sizes) if size >= grown), len(looks.sizes) - 1)
    return replace(cell, samples=looks.sizes[look], level=looks.levels[look], most=cell.samples)


def grown(matrix: Matrix, plan: Plan, pairs: Iterable[Agreement]) -> Matrix | None:
    """The matrix with the next look for every comparison that is undecided; None where there is none to take.

    Args:
        matrix: As it was run.
        plan: Its plan.
        pairs: The verdicts that came of it.
    """
    undecided = {
        question({name: getattr(pair, name) for name in (*ASKED, "eps")})
        for pair in pairs
        if pair.verdict == "inconclusive"
    }
    larger = {
        key: 2 * cell.samples
        for cell in plan.of(Cell.table.name)
        if cell.samples < cell.most and (key := question(cell.describe())) in undecided
    }
    return matrix.model_copy(update={"grown": {**matrix.grown, **larger}}) if larger else None


def as_grown(matrix: Matrix, store: Store) -> Matrix:
    """The matrix as far as a run of it has come, so that the same command goes on there, and finds each of its cells.

    Args:
        matrix: What is asked for.
        store: The run folder; of another matrix, or of none, nothing is taken.
    """
    if not matrix.decide or store.head is None:
        return matrix
    asked, document = matrix.model_dump(mode="json"), store.head.document
    if {**document, "grown": None} != {**asked, "grown": None}:
        return matrix
    return matrix.model_copy(update={"grown": dict(document["grown"])})


def next_look(plan: Plan, results: MatrixResults) -> Plan | None:
    """The plan that goes on with what is undecided after a run; None where all is decided, or all samples are used.

    Args:
        plan: What was run.
        results: What came of it.
    """
    matrix = Matrix.model_validate(plan.document)
    if not matrix.decide:
        return None
    larger = grown(matrix, plan, results.agreement())
    return None if larger is None else results.kind.remake(larger.model_dump(mode="json"), plan.device)


def tells(plan: Plan) -> str:
    """What the comparisons of a plan can tell, in words; empty where no two libraries run the same attack."""
    sizes: dict[str, list[int]] = {}
    for cell in plan.of(Cell.table.name):
        sizes.setdefault(question(cell.describe()), []).append(max(cell.samples, cell.most))
    compared = [cells for cells in sizes.values() if len(cells) > 1]
    if not compared:
        return ""
    pairs = sum(len(cells) * (len(cells) - 1) // 2 for cells in compared)
    fewest, most = min(map(min, compared)), max(map(max, compared))
    span = f"{most}" if fewest == most else f"{fewest} to {most}"
    gain = detectable(fewest, pairs)
    seen = f"a difference of {gain:.1%} is seen with probability {POWER:.0%}" if gain < 1 else "no difference is seen"
    decides = " at most, as far as it takes" if Matrix.model_validate(plan.document).decide else ""
    return (
        f"{pairs} comparisons of two libraries on {span} samples{decides}: with {fewest} {seen}, and libraries that "
        f"end differently on {DISCORDANT:.0%} of the samples are told to agree within ±{within(fewest):.1%}; "
        f"±{FINE:.0%} needs {needed(FINE)} samples"
    )
