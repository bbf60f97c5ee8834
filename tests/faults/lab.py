"""A run of a few jobs of common kinds, in processes that cost little, and the comparison with an undisturbed one."""

from __future__ import annotations

import gc
import io
import json
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rich.console import Console

from frontdef.attacks.native.library import NativeLibrary
from frontdef.matrix.entries import parse_matrix
from frontdef.matrix.plan import make_plan
from frontdef.models.cache import ModelCache
from frontdef.runs import run as runner
from frontdef.runs.integrity import inspect
from frontdef.runs.plan import Plan
from frontdef.runs.progress import PlainProgress
from frontdef.runs.run import Settings, Summary, run
from frontdef.runs.store import Store

MATRIX = """
name = "faults"
samples = 8
classifiers = ["fc2"]
libraries = ["native"]
recipe = [{ epochs = 2, lr = 0.01 }]
train_samples = 50
[[defense]]
name = "none"
[[defense]]
name = "wavelet"
config = { keep = 0.3 }
[[metric]]
name = "gaussian-noise"
[[attack]]
family = "fgsm"
eps = [0.1, 0.2]
[[attack]]
family = "noise"
eps = [0.1]
"""
FAILING = "noise"
"""The family whose cells fail, so that failures are written, too."""

TIMES = {"wall", "seconds"}


@dataclass(frozen=True)
class Place:
    """Folders of one trial.

    Args:
        root: Holds them.
    """

    root: Path

    @property
    def out(self) -> Path:
        """The run folder."""
        return self.root / "run"

    @property
    def cache(self) -> Path:
        """The cache of trained models."""
        return self.root / "models"


class Lab:
    """The run, planned once; every process of a trial is a fork of this one, with all libraries imported.

    Args:
        root: Folder of all trials.
        share: Index and count: of the trials at every write, each so-many-th.
    """

    def __init__(self, root: Path, share: tuple[int, int] = (0, 1)) -> None:
        self.share = share
        self._undo = [_fail_on(FAILING), _checkpoint_always(), _read_once()]
        self.root = root
        self.matrix = root / "faults.toml"
        self.matrix.write_text(MATRIX)
        self.reference = Place(root / "reference")
        self.go(self.reference)
        gc.collect()
        gc.freeze()  # what is here stays: forks need not copy its pages to look through them

    def mine(self, trials: Sequence[int]) -> Sequence[int]:
        """The lab's share of some trials."""
        return trials[self.share[0] :: self.share[1]]

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *_: object) -> None:
        gc.unfreeze()
        for undo in self._undo:
            undo()

    @cached_property
    def plan(self) -> Plan:
        """What is run."""
        return make_plan(parse_matrix(MATRIX))

    def go(self, place: Place, **settings: Any) -> Summary:
        """Run what is missing, in this process."""
        progress = PlainProgress(Console(file=io.StringIO()))
        return run(self.plan, Settings(place.out, cache=place.cache, **settings), progress)

    def place(self, name: str) -> Place:
        """Folders for a trial."""
        return Place(self.root / name)

    @cached_property
    def expected(self) -> dict[str, Any]:
        """What the undisturbed run holds."""
        return self.content(self.reference)

    def content(self, place: Place) -> dict[str, Any]:
        """Everything that a run folder says but for times: job → rows, what is known of it, tensors, failures."""
        store = Store(place.out)
        held: dict[str, Any] = {}
        for job in store.require_head().jobs:
            if store.has(job.table, job.key):
                rows, about = store.read(job.table, job.key)
                held[job.key] = (rows.to_pydict(), {key: value for key, value in about.items() if key not in TIMES})
            elif store.failed(job.key):
                held[job.key] = store.failure(job.key)["error"].strip().splitlines()[-1]
            if store.has_tensors(job.table, job.key):
                tensors = store.tensors(job.table, job.key)
                held[f"{job.key} tensors"] = {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}
        for name, key in store.require_head().samples.items():
            held[name] = {title: tensor.numpy().tobytes() for title, tensor in store.tensors("clean", key).items()}
        return held

    def kept(self, place: Place) -> set[str]:
        """Keys of the jobs that a run folder holds, each read."""
        if not (place.out / "run.json").exists():
            return set()
        store = Store(place.out)
        done = {job.key for job in self.plan.jobs if store.has(job.table.name, job.key)}
        for job in self.plan.jobs:
            if job.key in done:
                store.read(job.table.name, job.key)
        return done | {job.key for job in self.plan.jobs if store.failed(job.key)}

    def recovers(self, place: Place) -> list[str]:
        """What a disturbed run lost, doubled, or got wrong, once it is gone on with; empty where nothing was."""
        try:
            kept = self.kept(place)
            if (place.out / "run.json").exists() and (damaged := inspect(Store(place.out)).damaged):
                return [f"damaged: {damage}" for damage in damaged if "images of" not in damage.what]
            summary = self.go(place)
        except Exception:
            return [traceback.format_exc()]
        wrong = [f"run again: {key}" for key in summary.ran if key in kept]
        wrong += [f"lost: {key}" for key in kept if key not in {*summary.cached, *summary.failed}]
        if self.content(place) != self.expected:
            wrong.append("other results than those of the undisturbed run")
        wrong += [f"left over: {path.name}" for root in (place.out, place.cache) for path in root.rglob(".*.tmp")]
        wrong += [str(damage) for damage in inspect(Store(place.out)).damaged]
        return wrong


def report(path: Path, values: Any) -> None:
    """Pass JSON values from a trial's process on."""
    path.write_text(json.dumps(values))


def _fail_on(family: str) -> Callable[[], None]:
    working = NativeLibrary.run

    def run_(self: Any, spec: Any, *args: Any) -> Any:
        if spec.family.name == family:
            raise RuntimeError("out of luck")
        return working(self, spec, *args)

    NativeLibrary.run = run_
    return lambda: setattr(NativeLibrary, "run", working)


def _read_once() -> Callable[[], None]:
    """What is no part of a run folder and the same for every trial is read once: versions and code."""
    before = (runner.versions, runner.codes)
    known, hashes = (read() for read in before)
    runner.versions, runner.codes = lambda: known, lambda: hashes

    def undo() -> None:
        runner.versions, runner.codes = before

    return undo


def _checkpoint_always() -> Callable[[], None]:
    defaults = ModelCache.__init__.__kwdefaults__
    before = dict(defaults)
    defaults["checkpoint_every"] = 0.0
    return lambda: defaults.update(before)
