"""What the chips of belief say beside their verdict: which attack it is about, and how to get what is missing."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass

from frontdef.report.data import Diagnosed, ReportData, Setting
from frontdef.verdicts.belief import Belief


def diagnosis_of(data: ReportData, belief: Belief) -> Diagnosed | None:
    """The diagnosis that a verdict took into account."""
    where = (belief.dataset, belief.classifier, belief.defense, belief.norm, belief.diagnosed_eps)
    for row in data.diagnoses:
        if (row.dataset, row.classifier, row.defense, row.diagnosis.norm, row.diagnosis.eps) == where:
            return row
    return None


def budgets(data: ReportData, belief: Belief) -> list[str]:
    """With which surrogate and how many passes the judged attack and the diagnosis were run."""
    said = ["no white-box attack of several steps was run"]
    if belief.suspect is not None:
        cell = data.cell_by_key[belief.suspect.cell]
        spent = (cell.forwards or 0) + (cell.backwards or 0)
        said = [f"{belief.suspect}, {spent:,.0f} passes a sample on {belief.suspect.n}"]
    row = diagnosis_of(data, belief)
    if row is None:
        return said
    diagnosis = row.diagnosis
    through = f" through {diagnosis.surrogate!r}" if diagnosis.surrogate else ""
    spent = diagnosis.cost.forward + diagnosis.cost.backward
    return [*said, f"diagnosed{through}, {spent:,.0f} passes a sample on {diagnosis.n_attacked}"]


def mend(data: ReportData, norm: str) -> str:
    """What to change so that a run diagnoses a defense in a norm."""
    if data.about.command.startswith("frontdef.evaluate"):
        return "call frontdef.evaluate with diagnose=True and the same out"
    matrix = json.loads(data.about.matrix) if data.about.matrix.startswith("{") else {}
    diagnosed = matrix.get("diagnose")
    if isinstance(diagnosed, list) and norm in diagnosed:
        return "its row in the matrix says diagnose = false: take that out, and run it again"
    return f'write diagnose = ["{norm}"] into the matrix, and run it again'


@dataclass(frozen=True)
class Unjudged:
    """A defense without a verdict in a setting, and why."""

    dataset: str
    classifier: str
    defense: str
    why: str


def unjudged(data: ReportData, setting: Setting) -> list[Unjudged]:
    """The defenses of a setting's model of which no cell has finished, so that there is nothing to believe."""
    judged = {belief.defense for belief in data.beliefs if Setting.of(belief).model == setting.model}
    cells: dict[str, Counter[str]] = {}
    for cell in data.cells:
        if (cell.dataset, cell.classifier) == setting.model and cell.defense not in judged:
            cells.setdefault(cell.defense, Counter())[cell.status] += 1
    words = {"failed": "failed", "missing": "have not run"}
    return [
        Unjudged(*setting.model, defense, ", ".join(f"{count[status]} of its cells {said}" for status, said in
                 words.items() if count[status]))
        for defense, count in cells.items()
    ]  # fmt: skip
