"""What the report shows: verdicts as they are, and plain data, so that pages can be made and tested without a run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from frontdef.attacks.spec import SWITCHES
from frontdef.checks.masking.record import Diagnosis
from frontdef.threat import NORM_LABELS, NORMS, check_norm, format_eps
from frontdef.verdicts.agreement import DISAGREE, Agreement
from frontdef.verdicts.belief import Belief
from frontdef.verdicts.bracket import Bracket
from frontdef.verdicts.measured import Measured

if TYPE_CHECKING:
    from frontdef.verdicts.reproduced import Comparison


@dataclass(frozen=True)
class Setting:
    """A threat model on a data set and a classifier: what one view of the report is about."""

    dataset: str
    classifier: str
    norm: str
    eps: float

    @classmethod
    def of(cls, verdict: Bracket | Agreement | Belief) -> Setting:
        """Where a verdict holds."""
        return cls(verdict.dataset, verdict.classifier, verdict.norm, verdict.eps)

    @property
    def model(self) -> tuple[str, str]:
        """Data set and classifier."""
        return self.dataset, self.classifier

    @property
    def group(self) -> tuple[str, str, str]:
        """Everything but ε."""
        return self.dataset, self.classifier, self.norm

    def __str__(self) -> str:
        return f"{self.dataset} · {self.classifier} · {NORM_LABELS[self.norm]} ε = {format_eps(self.eps)}"


@dataclass(frozen=True)
class FamilyNote:
    """A family of attacks: its name, its title in the literature, what can be expected of two libraries."""

    name: str
    title: str = ""
    expected: str = ""


@dataclass(frozen=True, eq=False)
class CleanRow:
    """Which samples a defended model classifies correctly without attack: bool ``(N,)``, by ascending sample id."""

    dataset: str
    classifier: str
    defense: str
    correct: np.ndarray


@dataclass(frozen=True)
class CellRow:
    """What the page shows of a cell: columns of `frontdef.matrix.tables.CELLS`, which says what they hold.

    ``key`` is its column ``cell``, ``invalid`` counts examples outside the threat model.
    """

    key: str
    status: str
    dataset: str
    classifier: str
    defense: str
    family: str
    norm: str
    eps: float | None
    library: str
    library_version: str = ""
    call: str = ""
    surrogate: str = ""
    parameters: str = "{}"
    difference: str = ""
    caveat: str = ""
    faults: tuple[str, ...] = ()
    zero_loss: float = 0.0
    zero_gradient: float = 0.0
    stages: tuple[Mapping[str, Any], ...] = ()
    seed: int = 0
    forwards: float | None = None
    backwards: float | None = None
    seconds: float | None = None
    invalid: int = 0
    command: str = ""
    error: str = ""


@dataclass(frozen=True, eq=False)
class Score:
    """What a cell's examples do in a setting that they may not have been made for.

    Args:
        cell: Key of the cell.
        setting: The threat model.
        broken: bool ``(N,)``: what counts for the worst case, by `frontdef.verdicts.broken.broken`.
        success: bool ``(N,)``: of the samples that are correct without attack, those on which the attack got what it
            was asked for; fewer than ``broken`` where a targeted attack ends in another wrong class.
        attacked: bool ``(N,)``: which samples the cell was run on.
        distance: Median distance of the examples that succeeded, in the setting's norm; None where there are none.
    """

    cell: str
    setting: Setting
    broken: np.ndarray
    success: np.ndarray
    attacked: np.ndarray
    distance: float | None = None


@dataclass(frozen=True, eq=False)
class DiagnosedAttack:
    """What an attack of a diagnosis broke in a setting; it counts for the worst case.

    Args:
        setting: The threat model.
        defense: Title of the defense.
        attack: What the diagnosis calls it.
        broken: bool ``(N,)``, in the order of the clean row.
    """

    setting: Setting
    defense: str
    attack: str
    broken: np.ndarray


@dataclass(frozen=True)
class Diagnosed:
    """A defended model whose gradient was checked, and what was found."""

    dataset: str
    classifier: str
    defense: str
    diagnosis: Diagnosis


@dataclass(frozen=True, eq=False)
class AttackedPicture:
    """One attacked sample: images ``(C,H,W)`` in [0,1]; ``seen`` is what the classifier gets, None if no image."""

    setting: Setting
    defense: str
    family: str
    library: str
    sample_id: int
    label: int
    clean_prediction: int
    adversarial_prediction: int
    distance: float
    clean: np.ndarray
    attacked: np.ndarray
    seen: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Figure:
    """A picture by which a front end shows what it does: ``(N,C,H,W)`` in [0,1], one a sample."""

    dataset: str
    classifier: str
    defense: str
    title: str
    images: np.ndarray


@dataclass(frozen=True)
class About:
    """Where the numbers come from."""

    name: str
    matrix: str = ""
    command: str = "frontdef run"
    device: str = "cpu"
    seed: int = 0
    started: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class ReportData:
    """All that the report shows.

    Args:
        about: Where the numbers come from.
        cells: Every cell of the matrix, finished or not.
        clean: One row a defended model.
        scores: One row a finished cell and setting in which it broke a sample, and for each setting it was made for.
        brackets: One row a defense and setting; they decide which settings there are.
        beliefs: One a defense and setting.
        agreements: One row a pair of libraries, attack and setting.
        diagnoses: One a model whose gradient was checked.
        evidence: One row an attack of these and setting in which it broke a sample.
        measured: One row a defended model and quantity of a metric.
        families: What is known of the families.
        pictures: Attacked samples.
        figures: What front ends show of themselves.
        paper: Whose numbers stand beside the run's; empty for none.
        reproductions: Table of the paper → a row a number.
    """

    about: About
    cells: tuple[CellRow, ...] = ()
    clean: tuple[CleanRow, ...] = ()
    scores: tuple[Score, ...] = ()
    brackets: tuple[Bracket, ...] = ()
    beliefs: tuple[Belief, ...] = ()
    agreements: tuple[Agreement, ...] = ()
    diagnoses: tuple[Diagnosed, ...] = ()
    evidence: tuple[DiagnosedAttack, ...] = ()
    measured: tuple[Measured, ...] = ()
    families: tuple[FamilyNote, ...] = ()
    pictures: tuple[AttackedPicture, ...] = ()
    figures: tuple[Figure, ...] = ()
    paper: str = ""
    reproductions: Mapping[str, Sequence[Comparison]] = field(default_factory=dict)

    @cached_property
    def settings(self) -> tuple[Setting, ...]:
        """The settings: models in the order of the run, norms in that of the threat models, ε ascending."""
        distinct = _distinct(map(Setting.of, self.brackets))
        models = _distinct(setting.model for setting in distinct)
        return tuple(sorted(distinct, key=lambda s: (models.index(s.model), NORMS.index(check_norm(s.norm)), s.eps)))

    @cached_property
    def verdict_at(self) -> Mapping[tuple[Setting, str], str]:
        """Setting and defense → the verdict on its number."""
        return {(Setting.of(belief), belief.defense): belief.verdict for belief in self.beliefs}

    def alone(self, row: Diagnosed) -> bool:
        """Whether a model was diagnosed in a threat model in which no cell of it has finished."""
        where = (row.dataset, row.classifier, row.defense, row.diagnosis.norm, row.diagnosis.eps)
        return all(where != (b.dataset, b.classifier, b.defense, b.norm, b.eps) for b in self.beliefs)

    @cached_property
    def defense_names(self) -> tuple[str, ...]:
        """Titles of the defenses, in the order of the run."""
        shown = (self.cells, self.diagnoses, self.brackets, self.measured, self.figures)
        return _distinct(row.defense for rows in shown for row in rows)

    @cached_property
    def family_names(self) -> tuple[str, ...]:
        """Attack families, in the order of the run."""
        return _distinct(row.family for row in self.cells)

    @cached_property
    def library_names(self) -> tuple[str, ...]:
        """Attack libraries, in the order of the run."""
        return _distinct(row.library for row in self.cells)

    @cached_property
    def cell_by_key(self) -> Mapping[str, CellRow]:
        """Key → cell."""
        return {cell.key: cell for cell in self.cells}

    @cached_property
    def score_at(self) -> Mapping[tuple[str, Setting], Score]:
        """Cell's key and setting → score."""
        return {(score.cell, score.setting): score for score in self.scores}

    @cached_property
    def judged(self) -> Mapping[tuple[Setting, str, str], list[CellRow]]:
        """Setting, defense and family → the cells that were made for it."""
        by_setting: dict[tuple[Setting, str, str], list[CellRow]] = {}
        for cell in self.cells:
            for setting in self.settings_for(cell):
                by_setting.setdefault((setting, cell.defense, cell.family), []).append(cell)
        return by_setting

    def settings_for(self, cell: CellRow) -> list[Setting]:
        """The settings that a cell was made for: several of a minimum-norm attack."""
        radii = self._radii.get((cell.dataset, cell.classifier, cell.norm), {})
        return list(radii.values()) if cell.eps is None else [radii[cell.eps]] if cell.eps in radii else []

    @cached_property
    def _radii(self) -> Mapping[tuple[str, str, str], Mapping[float, Setting]]:
        """Everything but ε → the settings by ε, ascending."""
        by_group: dict[tuple[str, str, str], dict[float, Setting]] = {}
        for setting in self.settings:
            by_group.setdefault(setting.group, {})[setting.eps] = setting
        return by_group

    @cached_property
    def number_of(self) -> Mapping[Setting, int]:
        """Setting → its number."""
        return {setting: i for i, setting in enumerate(self.settings)}

    @cached_property
    def compared(self) -> Mapping[tuple[Setting, str], list[Agreement]]:
        """Setting and mode → the comparisons of libraries there."""
        by_setting: dict[tuple[Setting, str], list[Agreement]] = {}
        for row in self.agreements:
            by_setting.setdefault((Setting.of(row), row.mode), []).append(row)
        return by_setting

    @cached_property
    def variants(self) -> Mapping[tuple[Setting, str, str], set[str]]:
        """Setting, defense and family → the surrogates and parameters that were compared."""
        by_setting: dict[tuple[Setting, str, str], set[str]] = {}
        for row in self.agreements:
            by_setting.setdefault((Setting.of(row), row.defense, row.family), set()).add(
                variant(row.surrogate, row.parameters)
            )
        return by_setting

    @cached_property
    def disagreeing(self) -> frozenset[tuple[Setting, str, str]]:
        """Setting, defense and family in which two libraries disagree with the same parameters."""
        rows = (row for row in self.agreements if row.mode == "matched" and row.verdict in DISAGREE)
        return frozenset((Setting.of(row), row.defense, row.family) for row in rows)

    @cached_property
    def family_by_name(self) -> Mapping[str, FamilyNote]:
        """Name → family; families nothing is known of have their name alone."""
        return {name: FamilyNote(name) for name in self.family_names} | {note.name: note for note in self.families}


def variant(surrogate: str, parameters: str) -> str:
    """A surrogate and an attack's parameters (JSON) in words."""
    decoded = json.loads(parameters)
    values = [SWITCHES[name](value) if name in SWITCHES else f"{name}={value}" for name, value in decoded.items()]
    return ", ".join([f"surrogate {surrogate}", *values] if surrogate else values)


def _distinct(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(values))
