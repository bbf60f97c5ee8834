"""The pictures by which a front end shows what it does."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from frontdef.attacks.guard import isolated
from frontdef.matrix.row import Asked, Row, RowJob
from frontdef.matrix.tables import FIGURES
from frontdef.models.fingerprint import code_of, computing
from frontdef.registry import get_defense
from frontdef.runs.table import Rows

if TYPE_CHECKING:
    from frontdef.runs.inventory import Inventory

IMAGES = 8
"""How many of the run's images a front end is shown, at most."""

TITLES = 4
"""How many pictures of each a front end gives, about: that is known when it has given them."""


@dataclass(frozen=True)
class Picture(RowJob):
    """The pictures of one front end, made of the first images."""

    table = FIGURES

    def decides(self) -> Mapping[str, Any]:
        """All that decides the result."""
        return {
            **super().decides(),
            "code": [code_of(get_defense(self.row.entry.name).front_end), computing("frontdef.pictures")],
        }

    def bytes(self, shapes: Mapping[str, tuple[int, ...]]) -> int:
        """Pictures of the size of the images, about."""
        return TITLES * self.samples * 4 * math.prod(shapes[self.row.dataset])

    @property
    def column(self) -> str:
        """Its column in the grid."""
        return "figures"

    def __str__(self) -> str:
        return f"{self.row} · figures"

    def run(self, inventory: Inventory) -> Rows:
        """Ask the front end for its pictures.

        Raises:
            Exception: Whatever the front end raises.
        """
        protected = inventory.model(self.row.request)
        images = inventory.split(self.row.dataset).first(self.samples).images.to(protected.device)
        with isolated(protected, self.sample_seed):
            pictures = {title: picture.cpu() for title, picture in protected.front_end.figures(images).items()}
        columns = {"title": list(pictures), "pictures": [len(picture) for picture in pictures.values()]}
        return Rows(columns, tensors=pictures)


def jobs(asked: Asked, row: Row) -> Iterator[Picture]:
    """One of each row."""
    yield Picture(row, min(asked.matrix.samples, IMAGES), asked.matrix.seed)
