"""May I believe it? A verdict on the white-box attack of the table, from everything that the run holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from frontdef.attacks.spec import REPEATED, Follows, shown
from frontdef.errors import UnknownNameError
from frontdef.registry import get_family
from frontdef.threat import NORM_LABELS, TOLERANCE, check_norm, format_eps
from frontdef.verdicts.attacked import GROUP, Attacked, Models, by_model
from frontdef.verdicts.bracket import DIAGNOSIS, DiagnosisEvidence
from frontdef.verdicts.statistics import FEWEST, UNION, holm, mcnemar

if TYPE_CHECKING:
    import pandas as pd

    from frontdef.verdicts.broken import Columns

Verdict = Literal["trusted", "not diagnosed", "suspicious", "masked", "invalid"]

GRAVITY: tuple[Verdict, ...] = ("trusted", "not diagnosed", "suspicious", "masked", "invalid")
"""From no objection to the gravest."""

MARKS: Mapping[Verdict, str] = {"trusted": "✓", "not diagnosed": "", "suspicious": "?", "masked": "✕", "invalid": "!"}
"""What stands for a verdict beside a number."""

ALPHA = 0.05
"""Level of the Holm-corrected McNemar tests of one defense and threat model."""

MARGIN = 0.05
"""A gain in success rate below it is no objection, however certain."""

Kind = Follows | Literal["unknown", "diagnosis"]
"""What an attack follows; ``unknown`` where its plugin is not installed, ``diagnosis`` for those of a diagnosis."""

LESS: Mapping[Kind, str] = {
    "one step": "a single step",
    "another model": "made on another model",
    "no gradient": "made without any gradient",
}
"""Kinds that should break no more than a white-box attack, in words."""


@dataclass(frozen=True)
class Suspect:
    """The white-box attack of the table that broke most: what a reader takes the robust accuracy from.

    Args:
        cell: Key of its cell.
        family: Id of its family.
        library: Who ran it.
        surrogate: Gradient that it followed; empty for the front end's own choice.
        parameters: Its parameters (steps, restarts, …), JSON.
        n: Samples that it was run on.
        left: Share of these that are right without attack and that it did not break.
    """

    cell: str
    family: str
    library: str
    surrogate: str
    parameters: str
    n: int
    left: float

    def __str__(self) -> str:
        values = json.loads(self.parameters)
        spent = [f"{name}={values[name]}" for name in REPEATED if name in values]
        asked = ["the library's defaults"] if values.get("defaults") is True else spent
        asked += ["precise"] if values.get("precise") is True else []
        through = f"through {self.surrogate!r}" if self.surrogate else "through the front end's own gradient"
        return f"{self.family} @ {self.library} ({', '.join([*asked, through])})"


@dataclass(frozen=True)
class Rival:
    """An attack beside the suspect, on the samples that are right without attack and that both were run on.

    Of an attack of a diagnosis only what it broke is known, not which samples it was run on.

    Args:
        attack: What it is, in the words of the tables.
        kind: What it follows.
        n: Samples; None where that is not known.
        broke: How many of them it broke.
        beyond: How many of these the suspect left.
        missed: How many it left that the suspect broke; None where that is not known.
        p_value: One-sided exact McNemar test of its breaking more; NaN where it is no attack of which less is expected.
        p_holm: The same, corrected for all that are tested for this defense and threat model.
    """

    attack: str
    kind: Kind
    n: int | None
    broke: int
    beyond: int
    missed: int | None
    p_value: float = float("nan")
    p_holm: float = float("nan")

    @property
    def tells(self) -> bool:
        """Whether there is anything to say of it: it broke what the suspect left, or it is tested."""
        return self.beyond > 0 or self.kind in LESS

    @property
    def objects(self) -> bool:
        """Whether it breaks more than is expected of it, for certain and by more than `MARGIN`."""
        if self.n is None or self.missed is None:
            return False
        return self.p_holm < ALPHA and self.beyond - self.missed >= MARGIN * self.n


@dataclass(frozen=True)
class Belief:
    """Whether the robust accuracy that the white-box attack of the table leaves is to be believed.

    Args:
        dataset: Data set.
        classifier: Classifier.
        defense: Title of the defense.
        norm: Norm of the threat model.
        eps: Its radius.
        verdict: ``invalid`` and ``masked`` are a diagnosis' own; ``suspicious``: a diagnosis or the run objects;
            ``not diagnosed``: the run does not object, and the gradient was not asked; ``trusted``: both are silent.
        reasons: Why, in words and figures, gravest first.
        suspect: The attack that is judged; None where no white-box attack was run in this threat model.
        beyond: How many of the samples that the suspect left all attacks together broke.
        rivals: The attacks beside it, those of the diagnosis included.
        diagnosed: Verdict of the diagnosis that was taken; empty where there is none in this norm.
        diagnosed_eps: Radius of that diagnosis; NaN without.
    """

    dataset: str
    classifier: str
    defense: str
    norm: str
    eps: float
    verdict: Verdict = "not diagnosed"
    reasons: tuple[str, ...] = ()
    suspect: Suspect | None = None
    beyond: int = 0
    rivals: tuple[Rival, ...] = ()
    diagnosed: str = ""
    diagnosed_eps: float = float("nan")

    @property
    def doubtful(self) -> bool:
        """Whether anything objects."""
        return GRAVITY.index(self.verdict) >= GRAVITY.index("suspicious")

    @property
    def gain(self) -> float:
        """Share of the suspect's samples that all attacks together broke beyond it; NaN without a suspect."""
        return float("nan") if self.suspect is None else self.beyond / self.suspect.n

    @property
    def together(self) -> float:
        """Share of the suspect's samples that all attacks together left; NaN without a suspect."""
        return float("nan") if self.suspect is None else self.suspect.left - self.gain


def beliefs(
    outcomes: pd.DataFrame | Models, evidence: Columns, diagnoses: Iterable[Mapping[str, Any]] = ()
) -> list[Belief]:
    """One verdict for each defense and threat model of the run.

    The suspect is the single white-box cell that broke most, of equals the first by its names. Two things object to
    it. *Less breaks more*: a single step, another model's examples, or an attack without gradients breaks more samples,
    in an exact paired test, which a gradient that leads somewhere does not allow (Athalye et al. 2018,
    arXiv:1802.00420). *Together*: all examples of the run, those of diagnoses included, break at least `UNION` more
    than it does, so that its number is far from the worst case, whatever the cause. The diagnosis of the same norm says
    what is known of the gradient itself.

    Args:
        outcomes: As `frontdef.matrix.results.MatrixResults.outcomes` gives them, or sorted out by model.
        evidence: What the attacks of diagnoses broke, as `frontdef.matrix.results.MatrixResults.evidence` gives it.
        diagnoses: As `frontdef.matrix.results.MatrixResults.diagnoses` gives them.
    """
    diagnosed, judged = list(diagnoses), []
    kind_of = cache(_kind)
    for model, attacked in by_model(outcomes).items():
        where = dict(zip(GROUP, model, strict=True))
        broke = DiagnosisEvidence.of(model, attacked, evidence)
        for norm, eps in attacked.threats:
            seen = _seen(Belief(*model, norm, eps), attacked, broke.within(norm, eps), kind_of)
            judged.append(_judge(seen, _nearest(diagnosed, where, norm, eps)))
    return judged


def _seen(
    bare: Belief, attacked: Attacked, asked: Mapping[str, np.ndarray], kind_of: Callable[[str, str], Kind]
) -> Belief:
    """With the attack that is judged, and what stands beside it.

    Args:
        bare: Where.
        attacked: The model.
        asked: What the attacks of its diagnoses broke there.
        kind_of: Family and source → what such an attack follows.
    """
    cells, made = attacked.cells, attacked.made_for(bare.norm, bare.eps)
    kinds = [kind_of(cells["family"][cell], cells["source"][cell]) for cell in made]
    white = [place for place, kind in enumerate(kinds) if kind == "white box"]
    if not white:
        return bare
    ran = attacked.ran[made]
    broke = ran & (attacked.breaks(bare.norm)[made] <= bare.eps + TOLERANCE)
    share = broke.sum(axis=1) / ran.sum(axis=1)
    names = list(zip(*([cells[name][cell] for cell in made] for name in ("family", "source", "library")), strict=True))
    judged = min(white, key=lambda place: (-share[place], names[place]))
    right = ran[judged] & attacked.correct
    own = broke[judged] & right
    union = np.logical_or.reduce([attacked.fell(bare.norm, bare.eps), *asked.values()]) & right
    both = ran & right
    broke &= both
    n, count, beyond = both.sum(axis=1), broke.sum(axis=1), (broke & ~own).sum(axis=1)
    missed = (both & own & ~broke).sum(axis=1)
    rivals = [
        _rival(_named(attacked, made[place]), kind, *(int(figure[place]) for figure in (n, count, beyond, missed)))
        for place, kind in enumerate(kinds)
        if place != judged
    ]
    rivals += [
        Rival(f"{attack} @ {DIAGNOSIS}", "diagnosis", None, int((ids & right).sum()), int((ids & right & ~own).sum()),
              None)
        for attack, ids in asked.items()
    ]  # fmt: skip
    samples = int(ran[judged].sum())
    cell, family, library, surrogate, parameters = (
        cells[name][made[judged]] for name in ("cell", "family", "library", "surrogate", "parameters")
    )
    left = (int(right.sum()) - int(own.sum())) / samples
    suspect = Suspect(cell, family, library, surrogate, parameters, samples, left)
    return replace(bare, suspect=suspect, beyond=int((union & ~own).sum()), rivals=_corrected(rivals))


def _kind(family: str, source: str) -> Kind:
    if source:
        return "another model"
    try:
        return get_family(family).follows
    except UnknownNameError:  # a run may be read where the plugin that brought the family is not installed
        return "unknown"


def _named(attacked: Attacked, place: int) -> str:
    family, source, library = (attacked.cells[name][place] for name in ("family", "source", "library"))
    return f"{shown(family, source)} @ {library}"


def _rival(attack: str, kind: Kind, n: int, broke: int, beyond: int, missed: int) -> Rival:
    p = mcnemar(beyond, missed, "greater") if kind in LESS else float("nan")
    return Rival(attack, kind, n, broke, beyond, missed, p)


def _corrected(rivals: Sequence[Rival]) -> tuple[Rival, ...]:
    adjusted = iter(holm([rival.p_value for rival in rivals if rival.kind in LESS]))
    return tuple(replace(rival, p_holm=next(adjusted)) if rival.kind in LESS else rival for rival in rivals)


def _nearest(
    diagnoses: Sequence[Mapping[str, Any]], where: Mapping[str, str], norm: str, eps: float
) -> Mapping[str, Any] | None:
    """The diagnosis of the model in a norm: at the radius, or the one whose radius is next to it."""
    mine = [
        diagnosis
        for diagnosis in diagnoses
        if diagnosis["norm"] == norm and all(diagnosis[name] == value for name, value in where.items())
    ]
    return min(mine, key=lambda diagnosis: abs(float(diagnosis["eps"]) - eps), default=None)


def _judge(belief: Belief, diagnosis: Mapping[str, Any] | None) -> Belief:
    objections = tuple(_objections(belief))
    verdict: Verdict = "not diagnosed" if diagnosis is None else diagnosis["verdict"]
    if objections:
        verdict = max(verdict, "suspicious", key=GRAVITY.index)
    said = () if diagnosis is None else tuple(_told(diagnosis))
    first, second = (objections, said) if verdict == "suspicious" else (said, objections)
    reasons = (*first, *second, *(() if objections else _quiet(belief)))
    if diagnosis is None:
        return replace(belief, verdict=verdict, reasons=reasons)
    return replace(
        belief, verdict=verdict, reasons=reasons, diagnosed=diagnosis["verdict"], diagnosed_eps=float(diagnosis["eps"])
    )


def _objections(belief: Belief) -> Iterator[str]:
    suspect = belief.suspect
    if suspect is None:
        return
    if belief.gain >= UNION and belief.beyond >= FEWEST:
        yield (
            f"{suspect} leaves {suspect.left:.1%} of {suspect.n} samples, all attacks together {belief.together:.1%}: "
            f"{100 * belief.gain:.1f} points less, the line is at {100 * UNION:.0f}"
        )
    for rival in belief.rivals:
        if rival.objects and rival.missed is not None:
            yield (
                f"{rival.attack}, {LESS[rival.kind]}, breaks {rival.broke} of {rival.n} samples, {suspect} "
                f"{rival.broke - rival.beyond + rival.missed}, and leaves {rival.beyond} of those; "
                f"p = {rival.p_value:.2g}, corrected {rival.p_holm:.2g}"
            )


def _quiet(belief: Belief) -> Iterator[str]:
    suspect = belief.suspect
    if suspect is None:
        yield "no white-box attack of several steps was run in this threat model, so none is judged"
        return
    tested = sum(rival.kind in LESS for rival in belief.rivals)
    beside = f"; none of {tested} weaker attacks breaks more" if tested else ""
    yield f"{suspect} leaves {suspect.left:.1%} of {suspect.n} samples, all together {belief.together:.1%}{beside}"


def _told(diagnosis: Mapping[str, Any]) -> Iterator[str]:
    norm, eps = NORM_LABELS[check_norm(str(diagnosis["norm"]))], format_eps(float(diagnosis["eps"]))
    steps = diagnosis.get("budget", {}).get("steps")
    how = [f"{diagnosis['n']} samples"]
    how += [f"PGD of {steps} steps"] if steps else []
    how += [f"through {diagnosis['surrogate']!r}"] if diagnosis.get("surrogate") else []
    for reason in diagnosis["reasons"]:
        yield f"diagnosis at {norm} ε = {eps} ({', '.join(how)}): {reason}"
