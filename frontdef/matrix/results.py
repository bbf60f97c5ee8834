"""Reading a run: data frames, SQL, examples."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pandas as pd

from frontdef.errors import StoreError
from frontdef.matrix.store import Store
from frontdef.threat import TOLERANCE

if TYPE_CHECKING:
    import pyarrow as pa

CELL_COLUMNS: dict[str, str] = {
    "cell": "key of the cell",
    "status": "ok, failed, or missing (not run yet)",
    "dataset": "data set",
    "classifier": "classifier of the matrix in whose table the cell stands",
    "network": "classifier behind the front end, where the defense has its own: another one",
    "defense": "title of the defense's row",
    "defense_id": "id of the defense",
    "surrogate": "surrogate gradient of the attack; empty for the default",
    "source": "model that was attacked instead, whose examples are judged here; empty where it is the defense itself",
    "family": "attack family; 'FAMILY from SOURCE' where another model was attacked",
    "norm": "linf, l2 or l1",
    "eps": "radius in [0,1] pixel values; empty for minimum-norm attacks",
    "parameters": "the attack's parameters, JSON",
    "library": "attack library",
    "library_version": "its version",
    "call": "the library's own name for the attack",
    "difference": "named difference of the library's realisation; empty where the parameters map exactly",
    "causes": "what the difference is about",
    "caveat": "unusual inputs on which the realisation departs from the family",
    "faults": "what the attack changed and should not have: images, labels, the model",
    "robust_accuracy": "share of the samples that are classified correctly and stay so",
    "seed": "seed of the cell",
    "forwards": "forward passes, mean a sample",
    "backwards": "backward passes, mean a sample",
    "seconds": "wall time of the attack",
    "command": "runs this cell again",
    "error": "traceback of a failed cell",
}
"""What is recorded of each cell."""


METRIC_COLUMNS: dict[str, str] = {
    "dataset": "data set",
    "classifier": "classifier of the matrix in whose table the row stands",
    "defense": "title of the defense's row",
    "metric": "id of the metric",
    "parameters": "its parameters, JSON",
    "quantity": "what was measured; a metric may measure several",
    "unit": "unit of the value; empty for a pure number",
    "sample_id": "id of the test image in its data set",
    "value": "the value of this sample; NaN where the quantity does not apply to it",
}
"""What is recorded of each metric."""


class Results:
    """A run that was stored.

    Args:
        path: The run folder.

    Raises:
        StoreError: No run there, or one in another format.
    """

    def __init__(self, path: str | Path) -> None:
        self.store = Store(Path(path))
        self.about = self.store.read_about()

    @property
    def path(self) -> Path:
        """The run folder."""
        return self.store.root

    @cached_property
    def _cells(self) -> pd.DataFrame:
        rows = [self._cell(planned) for planned in self.about["cells"]]
        return pd.DataFrame(rows, columns=list(CELL_COLUMNS))

    def _cell(self, planned: dict[str, Any]) -> dict[str, Any]:
        key = planned["cell"]
        planned = {**_UNTOLD, **planned}
        if self.store.has(key):
            return {**planned, **self.store.read_table_about(self.store.cell_path(key)), "status": "ok", "error": ""}
        if self.store.failed(key):
            return {**planned, "status": "failed", "error": self.store.read_failure(key)["error"]}
        return {**planned, "status": "missing", "error": ""}

    def cells(self) -> pd.DataFrame:
        """One row a cell of the matrix, the columns of `CELL_COLUMNS`."""
        return self._cells.copy()

    def failures(self) -> list[dict[str, str]]:
        """What failed: cells, certificates, diagnoses and metrics, each with its key, what it is, and its traceback."""
        keys = [planned["cell"] for planned in self.about["cells"]]
        others = ("certifications", "diagnoses", "measurements")
        keys += [planned["key"] for name in others for planned in self.about.get(name, [])]
        found = ((key, self.store.read_failure(key)) for key in keys if self.store.failed(key))
        return [{"key": key, "what": failure["cell"], "error": failure["error"]} for key, failure in found]

    @cached_property
    def _database(self) -> duckdb.DuckDBPyConnection:
        """Tables ``cells``, ``records``, ``outcomes``, ``certified`` and ``metrics`` over the Parquet files."""
        database = duckdb.connect()
        database.register("cells", _tidy(self._cells))
        paths = [str(self.store.cell_path(key)) for key in self._cells.loc[self._cells["status"] == "ok", "cell"]]
        if not paths:
            raise StoreError(
                f"{self.path} holds no finished cell: `frontdef run` goes on with it, `frontdef retry` repeats failures"
            )
        database.register("radii", pd.DataFrame(self._radii(), columns=["norm", "eps"]))
        database.execute("create table records as select * from read_parquet(?)", [paths])
        where = ", ".join(f"cells.{name}" for name in _WHERE)
        distances = "case cells.norm when 'linf' then linf when 'l2' then l2 when 'l1' then l1 else l0 end"
        database.execute(
            f"create view outcomes as select {where}, coalesce(cells.eps, radii.eps) as eps, "
            "cells.eps is null as minimum_norm, "
            f"records.* exclude (cell, success), "
            f"success and (cells.eps is not null or {distances} <= radii.eps + {TOLERANCE}) as success "
            "from records join cells using (cell) left join radii on cells.eps is null and radii.norm = cells.norm"
        )
        database.register("certified", self._certified())
        database.register("metrics", self.metrics())
        return database

    def _radii(self) -> list[tuple[str, float]]:
        return [(norm, eps) for norm, values in self.about["radii"].items() for eps in values]

    def _certified(self) -> pd.DataFrame:
        columns = ["dataset", "classifier", "defense", "norm", "eps", "sample_id", "certified"]
        frames = []
        for planned in self.about["certifications"]:
            path = self.store.certificate_path(planned["key"])
            if path.is_file():
                about = {name: planned[name] for name in columns[:5]}
                frames.append(pd.read_parquet(path).assign(**about))
        return pd.concat(frames)[columns] if frames else pd.DataFrame(columns=columns).astype({"certified": bool})

    def metrics(self) -> pd.DataFrame:
        """One row a sample, model, metric and quantity, the columns of `METRIC_COLUMNS`."""
        columns = list(METRIC_COLUMNS)
        frames = []
        for planned in self.about.get("measurements", []):
            path = self.store.metric_path(planned["key"])
            if path.is_file():
                about = {name: planned[name] for name in columns[:5]}
                unit = self.store.read_table_about(path)["unit"]
                frames.append(pd.read_parquet(path).assign(**about, unit=unit))
        empty = pd.DataFrame(columns=columns).astype({"value": float})
        return pd.concat(frames)[columns] if frames else empty

    def records(self) -> pd.DataFrame:
        """One row a sample and cell, as recorded; columns in `frontdef.matrix.verify.COLUMNS`."""
        return self.sql("select * from records")

    def outcomes(self) -> pd.DataFrame:
        """One row a sample, cell and radius; minimum-norm attacks are judged at every radius in their norm."""
        return self.sql("select * from outcomes")

    def certified(self) -> pd.DataFrame:
        """One row a sample, defense and threat model for which a certificate was computed."""
        return self._certified()

    def diagnoses(self) -> list[dict[str, Any]]:
        """What was found of each model's gradient: a `Diagnosis` as JSON values, with the model's names."""
        found = ((planned, self.store.read_diagnosis(planned["key"])) for planned in self.about.get("diagnoses", []))
        return [{**planned, **diagnosis} for planned, diagnosis in found if diagnosis is not None]

    def to_dataframe(self) -> pd.DataFrame:
        """The same as `outcomes`."""
        return self.outcomes()

    def sql(self, query: str) -> pd.DataFrame:
        """Ask with SQL (DuckDB) over the tables ``cells``, ``records``, ``outcomes``, ``certified`` and ``metrics``.

        Raises:
            StoreError: The query is wrong; DuckDB's message is given.
        """
        try:
            return self._database.execute(query).df()
        except duckdb.Error as error:
            raise StoreError(f"{error}. Tables: cells, records, outcomes, certified, metrics") from None

    def arrow(self, query: str) -> pa.Table:
        """The same as `sql`, as an Arrow table."""
        return self._database.execute(query).to_arrow_table()

    def examples(self, cell: str) -> np.ndarray:
        """What the library returned for a cell, float32 ``(N,C,H,W)``, in the order of the records."""
        return np.asarray(self.store.read_tensors("examples", cell)["x_adv"].numpy())

    def clean(self, dataset: str) -> np.ndarray:
        """The images of a data set that the run used, float32 ``(N,C,H,W)``, in the order of the records."""
        return np.asarray(self.store.read_tensors("clean", dataset.replace("/", "_"))["images"].numpy())

    def figures(self, dataset: str, classifier: str, defense: str) -> dict[str, np.ndarray]:
        """Title → pictures ``(n,C,H,W)`` of what a defense does to the run's first images and to attacked ones."""
        name = self.about["figures"].get("|".join([dataset, classifier, defense]))
        if name is None or not (self.path / "figures" / f"{name}.safetensors").is_file():
            return {}
        return {title: tensor.numpy() for title, tensor in self.store.read_tensors("figures", name).items()}


_UNTOLD: dict[str, Any] = {"network": "", "source": "", "difference": "", "caveat": "", "causes": [], "faults": []}
"""What is not known of a cell that was not run."""

_WHERE = (
    *("cell", "dataset", "classifier", "defense", "defense_id", "surrogate"),
    *("family", "norm", "parameters", "library", "seed"),
)


def _tidy(cells: pd.DataFrame) -> pd.DataFrame:
    return cells.assign(eps=pd.to_numeric(cells["eps"], errors="coerce"))


def load_results(path: str | Path) -> Results:
    """Open a run folder.

    Args:
        path: The folder that ``frontdef run`` named.

    Raises:
        StoreError: No run there, or one in another format.
    """
    return Results(path)
