"""Reading the run of a matrix: robust accuracy, whether it may be believed, whether the libraries agree."""

from __future__ import annotations

from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from frontdef import notebook
from frontdef.checks.masking.record import read_diagnosis
from frontdef.matrix import views
from frontdef.runs.results import Results
from frontdef.threat import NORM_LABELS, check_norm, format_eps
from frontdef.verdicts.attacked import Models
from frontdef.verdicts.belief import Belief, beliefs
from frontdef.verdicts.bracket import Bracket, brackets
from frontdef.verdicts.compare import Side

if TYPE_CHECKING:
    import pandas as pd

    from frontdef.verdicts.causes import Agreements


class MatrixResults(Results):
    """The run of a matrix that was stored."""

    def cells(self) -> pd.DataFrame:
        """One row a cell."""
        return self.table("cells")

    def records(self) -> pd.DataFrame:
        """One row a sample and cell, as recorded."""
        return self.table("records")

    def outcomes(self) -> pd.DataFrame:
        """One row a sample, cell and radius; minimum-norm attacks are judged at every radius in their norm."""
        return self.table("outcomes")

    def to_dataframe(self) -> pd.DataFrame:
        """The same as `outcomes`."""
        return self.outcomes()

    def certified(self) -> pd.DataFrame:
        """One row a sample, defense and threat model for which a certificate was computed."""
        return self.table("certified")

    def metrics(self) -> pd.DataFrame:
        """One row a sample, model, metric and quantity."""
        return self.table("metrics")

    def diagnoses(self) -> list[dict[str, Any]]:
        """What was said of each model's gradient: the model's names, the verdict, and its checks."""
        stored = [
            {**job.entry.about, **job.about, "findings": [_costed(check) for check in self.rows(job).to_pylist()]}
            for job in self.jobs_of("diagnoses")
            if job.status == "ok"
        ]
        return [{**diagnosis, "reasons": list(read_diagnosis(diagnosis).reasons)} for diagnosis in stored]

    @cached_property
    def attacked(self) -> Models:
        """Each model with what every cell of it broke, sorted out once."""
        return views.attacked(self)

    def sort_out(self) -> Models:
        """The same as `attacked`, in less memory: the records that it is made of are let go of."""
        if "attacked" not in vars(self):
            self.attacked = views.attacked(self, keep=False)
        return self.attacked

    @property
    def side(self) -> Side:
        """It as one side of a comparison."""
        return Side(self.attacked, self._evidence)

    def brackets(self) -> list[Bracket]:
        """``certified ≤ true ≤ worst case`` of each defended model and threat model."""
        return brackets(self.attacked, self.columns("certified"), self._evidence)

    def beliefs(self) -> list[Belief]:
        """May each robust accuracy be believed? One verdict a defended model and threat model."""
        return beliefs(self.attacked, self._evidence, self.diagnoses())

    def evidence(self) -> pd.DataFrame:
        """What the attacks of the diagnoses broke, judged like every example.

        Returns:
            One row a sample and attack: ``dataset``, ``classifier``, ``defense``, ``norm``, ``eps``, ``attack``,
            ``sample_id``.
        """
        import pandas as pd

        return pd.DataFrame(self._evidence)

    @cached_property
    def _evidence(self) -> dict[str, np.ndarray]:
        where = ("dataset", "classifier", "defense", "norm", "eps")
        rows = [
            (*(job.entry.about[name] for name in where), attack, sample_id)
            for job in self.jobs_of("diagnoses")
            if job.status == "ok"
            for attack, broke in job.about.get("broke", {}).items()
            for sample_id in broke
        ]
        types = (*(object,) * 4, float, object, np.int64)
        columns = zip(*rows, strict=True) if rows else ((),) * len(types)
        return {
            name: np.array(values, dtype=kind)
            for name, values, kind in zip((*where, "attack", "sample_id"), columns, types, strict=True)
        }

    def agreement(self) -> Agreements:
        """Whether the libraries agree, a verdict for each pair that ran the same attack."""
        from frontdef.verdicts.agreement import agreement
        from frontdef.verdicts.causes import Agreements

        return Agreements(agreement(self.attacked, self.examples, self.cells()))

    def worst(self) -> pd.DataFrame:
        """Robust accuracy: the worst case over all attacks and libraries, per sample, with its 95 % interval.

        Returns:
            One row a model, defense, norm and ε: ``dataset``, ``classifier``, ``defense``, ``norm``, ``eps``, ``n``,
            ``clean``, ``certified``, ``robust``, ``low``, ``high``, ``strongest``, ``belief`` (the verdict of
            `beliefs`, which says why).
        """
        import pandas as pd

        rows = [
            {**asdict(bracket), "strongest": str(bracket.strongest or ""), "belief": belief.verdict}
            for bracket, belief in zip(self.brackets(), self.beliefs(), strict=True)
        ]
        columns = ("dataset", "classifier", "defense", "norm", "eps", "n", "clean", "certified", "robust")
        frame = pd.DataFrame(rows).rename(columns={"worst_case": "robust"})
        return frame.reindex(columns=[*columns, "low", "high", "strongest", "belief"])

    def _repr_html_(self) -> str:
        """A notebook shows the worst cases."""
        if not self.attacked:
            return super()._repr_html_()
        titles = ("defense", "norm", "ε", "n", "clean %", "certified %", "worst case %", "95 %", "strongest", "belief")
        rows = [
            (
                row.defense, NORM_LABELS[check_norm(row.norm)], format_eps(row.eps), row.n,
                *map(notebook.percent, (row.clean, row.certified, row.worst_case)),
                f"{notebook.percent(row.low)}–{notebook.percent(row.high)}",
                row.strongest.label if row.strongest else "", belief.verdict,
            )
            for row, belief in zip(self.brackets(), self.beliefs(), strict=True)
        ]  # fmt: skip
        return notebook.table(self._how_far(), titles, rows)

    def examples(self, cell: str) -> np.ndarray:
        """What the library returned for a cell, float32 ``(N,C,H,W)``, in the order of the records."""
        return np.asarray(self.store.open_tensors("records", cell).array("x_adv"))

    def figures(self, dataset: str, classifier: str, defense: str) -> dict[str, np.ndarray]:
        """Title → pictures ``(n,C,H,W)`` of what a defense does to the run's first images."""
        wanted = {"dataset": dataset, "classifier": classifier, "defense": defense}
        for job in self.jobs_of("figures"):
            if (
                job.status == "ok"
                and dict(job.entry.about) == wanted
                and self.store.has_tensors("figures", job.entry.key)
            ):
                return self.store.arrays("figures", job.entry.key)
        return {}


def _costed(check: dict[str, Any]) -> dict[str, Any]:
    """A row of the table ``diagnoses`` as a diagnosis holds it."""
    rest = {name: value for name, value in check.items() if name not in {"forwards", "backwards"}}
    return {**rest, "cost": {"forward": check["forwards"], "backward": check["backwards"]}}
