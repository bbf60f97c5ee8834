"""How robust is each defense: certified ≤ true ≤ worst case over all attacks and libraries, per sample."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from frontdef.attacks.spec import shown
from frontdef.threat import NORM_LABELS, TOLERANCE, check_norm
from frontdef.verdicts.attacked import GROUP, Attacked, Model, Models, by_model
from frontdef.verdicts.statistics import wilson

if TYPE_CHECKING:
    import pandas as pd

    from frontdef.verdicts.broken import Columns


@dataclass(frozen=True)
class Strongest:
    """The single attack that broke most samples, over all its cells.

    Args:
        family: Id of its family.
        source: Title of the model that it was run on; empty where that is the defense itself.
        norm: Norm in which it was run.
        library: Who ran it; `DIAGNOSIS` for an attack of a diagnosis, whose family is what the check calls it.
    """

    family: str
    source: str
    norm: str
    library: str

    def __str__(self) -> str:
        return f"{shown(self.family, self.source)} {self.norm} @ {self.library}"

    @property
    def label(self) -> str:
        """The same as people read it."""
        return f"{shown(self.family, self.source)} {NORM_LABELS[check_norm(self.norm)]} @ {self.library}"


@dataclass(frozen=True)
class Bracket:
    """What is known of a defense's robust accuracy in one threat model.

    Args:
        dataset: Data set.
        classifier: Classifier.
        defense: Title of the defense.
        norm: Norm of the threat model.
        eps: Its radius.
        n: Samples.
        clean: Accuracy without attack.
        certified: Share that is proved robust; NaN where no certificate was computed.
        worst_case: Share that no attack of any library broke.
        low: Lower end of the 95 % Wilson interval of ``worst_case``.
        high: Its upper end.
        strongest: The single attack that broke most; None where none broke any.
        violations: Certified samples that an attack broke: an error of the certificate or of that library.
    """

    dataset: str
    classifier: str
    defense: str
    norm: str
    eps: float
    n: int
    clean: float
    certified: float
    worst_case: float
    low: float
    high: float
    strongest: Strongest | None
    violations: tuple[int, ...]


DIAGNOSIS = "diagnosis"
"""What stands in the place of a library for attacks that a diagnosis ran."""


def brackets(outcomes: pd.DataFrame | Models, certified: Columns, evidence: Columns | None = None) -> list[Bracket]:
    """One bracket for each defense and threat model of the run.

    An example counts in every threat model that it fits: one that PGD found in ℓ∞ at ε = 0.1 is a success at ε = 0.2,
    too, and one that C&W found in ℓ2 counts in ℓ∞ where its ℓ∞ distance is within ε. So worst cases never grow with
    ε.

    Args:
        outcomes: As `frontdef.matrix.results.MatrixResults.outcomes` gives them, or sorted out by model.
        certified: As `frontdef.matrix.results.MatrixResults.certified` gives them.
        evidence: What the attacks of diagnoses broke, as `frontdef.matrix.results.MatrixResults.evidence` gives it; it
            counts like any other example in its norm.
    """
    return [
        bracket
        for model, attacked in by_model(outcomes).items()
        for bracket in _brackets(
            model, attacked, _of_model(certified, model), DiagnosisEvidence.of(model, attacked, evidence)
        )
    ]


def _of_model(rows: Columns, model: Model) -> dict[str, np.ndarray]:
    """The rows of one model, without the columns that say so."""
    columns = {str(name): np.asarray(rows[str(name)]) for name in rows}
    own = np.logical_and.reduce([columns.pop(name) == value for name, value in zip(GROUP, model, strict=True)])
    return {name: values[own] for name, values in columns.items()}


@dataclass(frozen=True, eq=False)
class DiagnosisEvidence:
    """What the attacks of a model's diagnoses broke, of its own samples.

    Args:
        attacks: What each row's attack is called, ``(M,)``.
        norms: Its norm.
        eps: Its radius.
        places: The sample that it broke, its column in `Attacked`.
        samples: How many columns there are.
    """

    attacks: np.ndarray
    norms: np.ndarray
    eps: np.ndarray
    places: np.ndarray
    samples: int

    @classmethod
    def of(cls, model: Model, attacked: Attacked, evidence: Columns | None) -> DiagnosisEvidence:
        """That of one model of a run.

        Args:
            model: Which.
            attacked: Its samples.
            evidence: As `brackets` has it.
        """
        if evidence is None or not len(evidence["sample_id"]):
            nothing = np.empty(0)
            return cls(nothing, nothing, nothing, nothing.astype(int), len(attacked.ids))
        rows = _of_model(evidence, model)
        ids = rows["sample_id"].astype(attacked.ids.dtype)
        known = np.isin(ids, attacked.ids)
        attacks, norms, eps = (rows[name][known] for name in ("attack", "norm", "eps"))
        return cls(attacks, norms, eps.astype(float), np.searchsorted(attacked.ids, ids[known]), len(attacked.ids))

    def within(self, norm: str, eps: float) -> dict[str, np.ndarray]:
        """Attack → which samples it broke in a threat model, bool ``(samples,)``; in the order of the evidence."""
        here = (self.norms == norm) & (self.eps <= eps)
        broke: dict[str, np.ndarray] = {}
        for attack in dict.fromkeys(self.attacks[here]):
            broke[str(attack)] = np.zeros(self.samples, dtype=bool)
            broke[str(attack)][self.places[here & (self.attacks == attack)]] = True
        return broke


def _brackets(
    model: Model, attacked: Attacked, certified: Mapping[str, np.ndarray], diagnosed: DiagnosisEvidence
) -> Iterator[Bracket]:
    attackers = _Attackers(attacked)
    dataset, classifier, defense = model
    for norm, eps in attacked.threats:
        asked = diagnosed.within(norm, eps)
        fell = np.logical_or.reduce([attacked.fell(norm, eps), *asked.values()])
        robust = attacked.correct & ~fell
        ids = _proved(certified, norm, eps)
        low, high = wilson(int(robust.sum()), len(robust))
        yield Bracket(
            dataset=dataset,
            classifier=classifier,
            defense=defense,
            norm=norm,
            eps=eps,
            n=len(robust),
            clean=float(attacked.correct.mean()),
            certified=float("nan") if ids is None else float(np.isin(attacked.ids, ids).mean()),
            worst_case=float(robust.mean()),
            low=low,
            high=high,
            strongest=attackers.strongest(norm, eps, asked),
            violations=() if ids is None else tuple(map(int, np.intersect1d(ids, attacked.ids[fell]))),
        )


def _proved(certified: Mapping[str, np.ndarray], norm: str, eps: float) -> np.ndarray | None:
    """Ids of the samples that are proved robust; None where no certificate was computed."""
    here = (certified["norm"] == norm) & (certified["eps"] == eps)
    return certified["sample_id"][here & certified["certified"].astype(bool)] if here.any() else None


class _Attackers:
    """The attacks of a run, each over all its cells.

    Args:
        attacked: What they broke.
    """

    def __init__(self, attacked: Attacked) -> None:
        self._attacked = attacked
        cells = attacked.cells
        names = list(zip(cells["family"], cells["source"], cells["norm"], cells["library"], strict=True))
        self._names = sorted(set(names))
        number = {name: place for place, name in enumerate(self._names)}
        self._whose = np.array([number[name] for name in names])
        self._breaks: dict[str, np.ndarray] = {}

    def strongest(self, norm: str, eps: float, asked: Mapping[str, np.ndarray]) -> Strongest | None:
        """The attack that broke most samples; the first by its names where several did, None where none broke any.

        Args:
            norm: Of the threat model.
            eps: Its radius.
            asked: What the attacks of diagnoses broke.
        """
        if norm not in self._breaks:
            least = np.full((len(self._names), len(self._attacked.ids)), np.inf)
            np.minimum.at(least, self._whose, self._attacked.breaks(norm))
            self._breaks[norm] = least
        counts = dict(zip(self._names, (self._breaks[norm] <= eps + TOLERANCE).sum(axis=1), strict=True))
        counts |= {(attack, "", norm, DIAGNOSIS): broke.sum() for attack, broke in asked.items()}
        most = min(counts, key=lambda name: (-counts[name], name))
        return Strongest(*most) if counts[most] else None
