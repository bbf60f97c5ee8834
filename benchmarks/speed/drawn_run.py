"""A run of a size that somebody asks for, with outcomes drawn instead of attacked, in a folder as the runner leaves it.

Two libraries return the same examples, a third others that break almost the same samples, and the fourth falls short
under a third of the attacks, so that every section of the report has something to say.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from frontdef.matrix.tables import RECORDS
from frontdef.registry import get_families
from frontdef.runs.head import Head, JobEntry
from frontdef.runs.store import Store, encode
from frontdef.runs.table import Rows

LIBRARIES = ("native", "art", "torchattacks", "foolbox")
MODEL = {"dataset": "drawn", "classifier": "cnn"}
RADIUS = 0.3
"""The largest."""


@dataclass(frozen=True)
class Size:
    """How large a run is.

    Args:
        defenses: Defenses.
        families: Attack families.
        radii: Radii of each; attacks are families × radii.
        samples: Samples.
        side: Pixels along an edge of an image.
    """

    defenses: int = 30
    families: int = 30
    radii: int = 1
    samples: int = 1000
    side: int = 8

    @property
    def cells(self) -> int:
        """Cells of the run."""
        return self.defenses * self.families * self.radii * len(LIBRARIES)

    @property
    def eps(self) -> list[float]:
        """The radii."""
        return [round(RADIUS * (i + 1) / self.radii, 3) for i in range(self.radii)]


def write(root: Path, size: Size) -> None:
    """Write the run.

    Args:
        root: A folder that is empty or does not exist.
        size: How large.
    """
    store, rng = Store(root), np.random.default_rng(0)
    images = rng.random((size.samples, 1, size.side, size.side), dtype=np.float32)
    labels, ids = rng.integers(0, 10, size.samples), np.arange(size.samples)
    hard = rng.random(size.samples)
    """How hard each sample is to break."""
    families = [family.name for family in get_families()][: size.families]
    if len(families) < size.families:
        raise SystemExit(f"there are {len(families)} families, not {size.families}")
    jobs = []
    for defense in range(size.defenses):
        correct = rng.random(size.samples) < 0.99 - 0.004 * defense
        for place, (number, family, eps) in enumerate(_attacks(families, size.eps)):
            resists = 0.2 + 0.6 * defense / size.defenses + 0.15 * rng.random()
            broke = hard + 0.05 * rng.standard_normal(size.samples) > resists * (1.5 - eps / RADIUS)
            moved = images + eps * np.where(rng.random(images.shape) < 0.5, -1, 1).astype(np.float32)
            for library, fell, examples in _libraries(broke, np.clip(moved, 0, 1), number % 3 == 0, rng):
                key = f"{defense:06d}{place:09d}{LIBRARIES.index(library):09d}"
                short = library == LIBRARIES[-1] and number % 3 == 0
                rows = _rows(labels, ids, correct, fell & correct, eps, short)
                store.write("records", key, encode(RECORDS, key, rows), {"x_adv": torch.from_numpy(examples)})
                jobs.append(_entry(key, f"defense {defense} levels=8", family, eps, library))
    tensors = {"images": torch.from_numpy(images), "labels": torch.from_numpy(labels), "ids": torch.from_numpy(ids)}
    store.write_tensors("clean", "drawn", tensors)
    store.write_head(
        Head(
            name="drawn", frontdef="0.1.0", device="cpu", started="2026-01-01T10:00:00+00:00",
            command="frontdef run drawn.toml", document={"name": "drawn", "seed": 0}, radii={"linf": tuple(size.eps)},
            samples={"drawn": "drawn"}, jobs=tuple(jobs),
        )
    )  # fmt: skip


def _attacks(families: list[str], radii: list[float]) -> Iterator[tuple[int, str, float]]:
    """Each attack: its family's number and name, its radius."""
    return ((number, family, eps) for number, family in enumerate(families) for eps in radii)


def _libraries(
    broke: np.ndarray, examples: np.ndarray, short: bool, rng: np.random.Generator
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """What each library makes of an attack: which samples fall, and by which examples."""
    first, second, third, fourth = LIBRARIES
    yield first, broke, examples
    yield second, broke, examples
    yield third, broke ^ (rng.random(broke.shape) < 0.005), examples[:, :, ::-1].copy()
    yield fourth, broke & (rng.random(broke.shape) < (0.85 if short else 0.998)), examples[..., ::-1].copy()


def _rows(labels: np.ndarray, ids: np.ndarray, correct: np.ndarray, broke: np.ndarray, eps: float, short: bool) -> Rows:
    yes, n = np.ones(len(ids), bool), len(ids)
    clean, adversarial = (
        np.where(correct, labels, (labels + 1) % 10),
        np.where(broke | ~correct, (labels + 2) % 10, labels),
    )
    wrong = adversarial != labels
    columns = {
        "sample_id": ids, "label": labels, "clean_prediction": clean, "clean_correct": correct,
        "target": np.full(n, -1), "adversarial_prediction": adversarial, "adversarial_majority": adversarial,
        "linf": np.full(n, eps), "l2": np.full(n, 8 * eps), "l1": np.full(n, 64 * eps), "l0": np.full(n, 64.0),
        "in_box": yes, "finite": yes, "valid": yes, "success": wrong, "success_majority": wrong,
        "loss_clean": np.full(n, 0.1), "loss_adv": np.full(n, 2.0), "margin": np.where(wrong, -1.0, 1.0),
    }  # fmt: skip
    about = {
        "forwards": 40.0, "backwards": 40.0, "seconds": 1.0, "batch": n, "call": "library.attacks.Drawn(steps=40)",
        "difference": "half the step" if short else "", "causes": ["step size"] if short else [],
        "weakens": ["step size"] if short else [], "strengthens": [], "caveat": "", "faults": [], "stages": [],
        "robust_accuracy": float((correct & ~wrong).mean()), "rounding": None, "rounding_samples": None, "wall": 1.0,
    }  # fmt: skip
    return Rows(columns, about)


def _entry(key: str, defense: str, family: str, eps: float, library: str) -> JobEntry:
    about = {
        "cell": key, **MODEL, "defense": defense, "network": "cnn", "training": "trained here", "defense_id": "drawn",
        "surrogate": "identity", "source": "", "library": library, "family": family, "norm": "linf", "eps": eps,
        "judged_eps": eps, "seed": 1, "parameters": json.dumps({"steps": 40, "step_size": 0.01}),
        "library_version": "1.0.0",
    }  # fmt: skip
    return JobEntry(key=key, table=RECORDS.name, what=f"{defense} · {family} · {library}", about=about)
