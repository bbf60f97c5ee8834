"""A metric, measured on one defended model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from frontdef.attacks.guard import isolated
from frontdef.config import build
from frontdef.matrix.row import Asked, Row, RowJob
from frontdef.matrix.rows import offered
from frontdef.matrix.tables import METRICS
from frontdef.metrics import Metric
from frontdef.models.fingerprint import code_of
from frontdef.registry import get_metric
from frontdef.runs.table import Rows

if TYPE_CHECKING:
    from frontdef.runs.inventory import Inventory


@dataclass(frozen=True)
class Measure(RowJob):
    """One metric of one model.

    Args:
        metric: What is measured.
        parameters: An instance of its parameters' class.
    """

    metric: Metric
    parameters: Any

    table = METRICS

    def decides(self) -> Mapping[str, Any]:
        """All that decides the result."""
        return {
            **super().decides(),
            "surrogate": self.row.entry.surrogate,
            "metric": self.metric.name,
            "parameters": self._settings(),
            "code": code_of(self.metric.measure),
        }

    def describe(self) -> Mapping[str, Any]:
        """Ids and numbers by which it is found."""
        return {
            **self.row.describe(),
            "metric": self.metric.name,
            "parameters": json.dumps(self._settings(), sort_keys=True),
            "unit": self.metric.unit,
        }

    def _settings(self) -> dict[str, Any]:
        return dict(self.parameters.model_dump(mode="json"))

    @property
    def column(self) -> str:
        """Its column in the grid."""
        return self.metric.name

    def __str__(self) -> str:
        return f"{self.row} · metric {self.metric.name}"

    def run(self, inventory: Inventory) -> Rows:
        """Measure.

        Raises:
            Exception: Whatever the metric raises.
        """
        protected = inventory.model(self.row.request)
        split = inventory.split(self.row.dataset).first(self.samples)
        x, y = split.images.to(protected.device), split.labels.to(protected.device)
        with protected.surrogate(self.row.entry.surrogate), isolated(protected, self.sample_seed):
            measured = self.metric(protected, x, y, self.parameters, self.sample_seed)
        columns = {
            "sample_id": np.tile(split.ids.numpy(), len(measured)),
            "quantity": np.repeat(list(measured), len(split)),
            "value": np.concatenate([values.double().numpy() for values in measured.values()]),
        }
        return Rows(columns, {"better": self.metric.better})


def jobs(asked: Asked, row: Row) -> Iterator[Measure]:
    """Every metric that the matrix names, of the rows that it is asked for.

    Raises:
        UnknownNameError: A metric that nobody offers.
        ConfigError: Parameters that are not allowed.
    """
    matrix = asked.matrix
    for entry in offered(matrix.metric, get_metric, "metric", asked.skipped):
        metric = get_metric(entry.name)
        if entry.defenses and row.entry.name not in entry.defenses:
            continue
        parameters = build(metric.parameters_class(), entry.parameters, f"metric {entry.name!r}")
        samples = min(entry.samples or matrix.samples, matrix.samples)
        yield Measure(row, samples, matrix.seed, metric=metric, parameters=parameters)
