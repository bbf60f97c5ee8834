"""How robust is each defense: certified ≤ true ≤ worst case over all attacks and libraries, per sample."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import cast

import numpy as np
import pandas as pd

from frontdef.attacks.spec import shown
from frontdef.threat import NORMS, TOLERANCE, Norm, check_norm
from frontdef.verdicts.broken import breaks_from
from frontdef.verdicts.statistics import wilson

GROUP = ["dataset", "classifier", "defense"]


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


WHO = tuple(attribute.name for attribute in fields(Strongest))


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


def brackets(outcomes: pd.DataFrame, certified: pd.DataFrame, evidence: pd.DataFrame | None = None) -> list[Bracket]:
    """One bracket for each defense and threat model of the run.

    An example counts in every threat model that it fits: one that PGD found in ℓ∞ at ε = 0.1 is a success at ε = 0.2,
    too, and one that C&W found in ℓ2 counts in ℓ∞ where its ℓ∞ distance is within ε. So worst cases never grow with
    ε.

    Args:
        outcomes: As `frontdef.runs.results.Results.outcomes` gives them.
        certified: As `frontdef.runs.results.Results.certified` gives them.
        evidence: What the attacks of diagnoses broke, as `frontdef.runs.results.Results.evidence` gives it; it counts
            like any other example in its norm.
    """
    return [
        _bracket(dict(zip(GROUP, map(str, names), strict=True)), attacked, certified, evidence, norm, eps)
        for names, group in outcomes.groupby(GROUP, sort=False)
        for attacked in [_Attacked(group)]
        for norm, eps in threats_of(group)
    ]


def threats_of(outcomes: pd.DataFrame) -> list[tuple[Norm, float]]:
    """The norms and radii for which attacks were made, in the order of the norms, ε ascending."""
    radii = outcomes[["norm", "eps"]].drop_duplicates().itertuples(index=False)
    return sorted(((check_norm(norm), float(eps)) for norm, eps in radii), key=_by_norm)


class _Attacked:
    """A defended model's outcomes, sorted out once for all radii.

    Args:
        group: Its rows.
    """

    def __init__(self, group: pd.DataFrame) -> None:
        self.group = group
        self.correct = group.groupby("sample_id")["clean_correct"].first()
        self.ids = group["sample_id"].to_numpy()
        self._samples = np.searchsorted(self.correct.index.to_numpy(), self.ids)
        self._reach: dict[str, np.ndarray] = {}
        by_attack = group.groupby(list(WHO), sort=True)
        self._attacks = by_attack.ngroup().to_numpy()
        self._names = list(by_attack.size().index)

    def within(self, norm: str, eps: float) -> np.ndarray:
        """Which rows count for the worst case at a radius, bool ``(N,)``."""
        if norm not in self._reach:
            self._reach[norm] = breaks_from(self.group, norm)
        return np.asarray(self._reach[norm] <= eps + TOLERANCE)

    def strongest(self, within: np.ndarray) -> Strongest | None:
        """The attack that broke most samples, of the rows that count; None where none broke any."""
        if not within.any():
            return None
        pairs = np.unique(self._attacks[within] * len(self.correct) + self._samples[within])
        counts = np.bincount(pairs // len(self.correct))
        return Strongest(*cast("tuple[str, str, str, str]", self._names[int(counts.argmax())]))


def _by_norm(threat: tuple[Norm, float]) -> tuple[int, float]:
    norm, eps = threat
    return NORMS.index(norm), eps


def _bracket(
    where: dict[str, str],
    attacked: _Attacked,
    certified: pd.DataFrame,
    evidence: pd.DataFrame | None,
    norm: str,
    eps: float,
) -> Bracket:
    correct, within = attacked.correct, attacked.within(norm, eps)
    fell, strongest = attacked.ids[within], attacked.strongest(within)
    diagnosed = None if evidence is None else _diagnosed(where, evidence, norm, eps)
    if diagnosed is not None and len(diagnosed):
        rows = pd.concat([attacked.group.loc[within, [*WHO, "sample_id"]].astype(dict.fromkeys(WHO, str)), diagnosed])
        rows = rows[rows["sample_id"].isin(correct.index)]
        fell, strongest = rows["sample_id"].to_numpy(), _strongest(rows)
    robust = correct & ~correct.index.isin(fell)
    proved = _proved(where, certified, norm, eps)
    low, high = wilson(int(robust.sum()), len(robust))
    return Bracket(
        **where,
        norm=norm,
        eps=eps,
        n=len(correct),
        clean=float(correct.mean()),
        certified=float("nan") if proved is None else float(correct.index.isin(proved).mean()),
        worst_case=float(robust.mean()),
        low=low,
        high=high,
        strongest=strongest,
        violations=() if proved is None else tuple(int(i) for i in np.intersect1d(proved, fell)),
    )


def _diagnosed(where: dict[str, str], evidence: pd.DataFrame, norm: str, eps: float) -> pd.DataFrame:
    """What the attacks of a diagnosis broke within ``eps``, as attacks of the library `DIAGNOSIS`."""
    here = (evidence["norm"] == norm) & (evidence["eps"] <= eps)
    for name, value in where.items():
        here &= evidence[name] == value
    rows = evidence[here].rename(columns={"attack": "family"}).assign(source="", library=DIAGNOSIS)
    return rows[[*WHO, "sample_id"]]


def _strongest(fell: pd.DataFrame) -> Strongest | None:
    if fell.empty:
        return None
    counts = fell.groupby(list(WHO))["sample_id"].nunique()
    return Strongest(*cast("tuple[str, str, str, str]", counts.idxmax()))


def _proved(where: dict[str, str], certified: pd.DataFrame, norm: str, eps: float) -> np.ndarray | None:
    here = (certified["norm"] == norm) & (certified["eps"] == eps)
    for name, value in where.items():
        here &= certified[name] == value
    rows = certified[here]
    return None if rows.empty else rows.loc[rows["certified"].astype(bool), "sample_id"].to_numpy()
