"""The pictures by which a front end shows what it does."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from frontdef._version import __version__
from frontdef.attacks.guard import isolated
from frontdef.matrix.row import Row
from frontdef.matrix.tables import FIGURES
from frontdef.models.fingerprint import code_of
from frontdef.models.request import Request
from frontdef.registry import get_defense
from frontdef.runs.job import Job
from frontdef.runs.table import Rows

if TYPE_CHECKING:
    from frontdef.runs.bench import Bench

IMAGES = 8
"""The first of the run's images that a front end is shown."""


@dataclass(frozen=True)
class Picture(Job):
    """The pictures of one front end.

    Args:
        row: The defended model.
        samples: The run's number of test images.
        sample_seed: Decides which.
    """

    row: Row
    samples: int
    sample_seed: int

    table = FIGURES

    @property
    def models(self) -> tuple[Request, ...]:
        """The one that shows itself."""
        return (self.row.request,)

    def decides(self) -> Mapping[str, Any]:
        """All that decides the result."""
        return {
            "model": self.row.request.key(),
            "data": self.row.data,
            "code": [code_of(get_defense(self.row.entry.name).front_end), code_of("frontdef.matrix.picture:")],
            "samples": min(self.samples, IMAGES),
            "of": self.samples,
            "sample_seed": self.sample_seed,
            "frontdef": __version__,
        }

    def describe(self) -> Mapping[str, Any]:
        """The columns by which it is found."""
        return self.row.describe()

    def bytes(self, shapes: Mapping[str, tuple[int, ...]]) -> int:
        """A picture an image, about."""
        return min(self.samples, IMAGES) * 4 * math.prod(shapes[self.row.dataset])

    @property
    def place(self) -> tuple[str, str]:
        """The model, and ``figures``."""
        return f"{self.row.dataset} {self.row.entry.title}", "figures"

    def __str__(self) -> str:
        return f"{self.row} · figures"

    def run(self, bench: Bench) -> Rows:
        """Ask the front end for its pictures.

        Raises:
            Exception: Whatever the front end raises.
        """
        protected = bench.model(self.row.request)
        images = bench.split(self.row.dataset).images[:IMAGES].to(protected.device)
        with isolated(protected, self.sample_seed):
            pictures = {title: picture.cpu() for title, picture in protected.front_end.figures(images).items()}
        columns = {"title": list(pictures), "pictures": [len(picture) for picture in pictures.values()]}
        return Rows(columns, tensors=pictures)
