"""A model looked at for one table: its layers, ratios, filters, batch norms or singular values."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from frontdef._version import __version__
from frontdef.analysis.settings import LayerSettings
from frontdef.analysis.tables import MEASURES, TABLES
from frontdef.code import module_of
from frontdef.lazy import resolve
from frontdef.models.fingerprint import computing
from frontdef.models.request import Request
from frontdef.runs.job import Job
from frontdef.runs.table import Rows, Table

if TYPE_CHECKING:
    from frontdef.runs.inventory import Inventory


@dataclass(frozen=True)
class Look(Job):
    """One table of one model.

    Args:
        of: The table.
        title: What the study calls the model.
        request: The model.
        dataset: Name of the samples.
        settings: How it is looked at.
        chosen: What of the settings decides these rows, JSON values.
        seed: Of the attack.
        surrogate: The gradient that the attack follows; None for the front end's default.
    """

    of: str
    title: str
    request: Request
    dataset: str
    settings: LayerSettings
    seed: int
    chosen: Mapping[str, Any] = field(default_factory=dict)
    surrogate: str | None = None

    @property
    def table(self) -> Table:
        """Where its rows go."""
        return TABLES[self.of]

    @property
    def models(self) -> tuple[Request, ...]:
        """The one that is looked at."""
        return (self.request,)

    def decides(self) -> Mapping[str, Any]:
        """All that decides the result."""
        return {
            "title": self.title,
            "model": self.request.key(),
            "surrogate": self.surrogate,
            "settings": dict(self.chosen),
            "code": computing(__name__, module_of(MEASURES[self.of].of)),
            "torch": importlib.metadata.version("torch"),
            "frontdef": __version__,
        }

    def describe(self) -> Mapping[str, Any]:
        """The model's title."""
        return {"model": self.title}

    @property
    def place(self) -> tuple[str, str]:
        """The model and the table."""
        return self.title, self.of.replace("_", " ")

    def tell(self, about: Mapping[str, Any]) -> str:
        """The time, and the accuracy under attack where there was one."""
        accuracy = about.get("adversarial_accuracy")
        return f"{about['wall']:.1f} s" + ("" if accuracy is None else f", {accuracy:.1%} right under attack")

    def __str__(self) -> str:
        return f"{self.of.replace('_', ' ')} {self.title}"

    def run(self, inventory: Inventory) -> Rows:
        """Look at it.

        Raises:
            Exception: Whatever the model raises.
        """
        protected = inventory.model(self.request)
        with protected.surrogate(self.surrogate):
            measure = resolve(MEASURES[self.of].of)
            columns, about = measure(protected, inventory.split(self.dataset), self.settings, self.seed)
        return Rows(columns, about)
