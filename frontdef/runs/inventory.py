"""What a process that runs jobs has at hand: models, samples, and the store that it writes."""

from __future__ import annotations

import os
import time
import traceback
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from contextlib import chdir
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch

from frontdef.errors import UnwritableError
from frontdef.models.digest import state_digest
from frontdef.models.load import Means, load_model
from frontdef.models.request import Request
from frontdef.protected import Protected
from frontdef.registry import get_dataset
from frontdef.runs.job import Job
from frontdef.runs.plan import Held, Samples
from frontdef.runs.store import Store, encode, plain
from frontdef.runs.table import Rows
from frontdef.tensorfile import Layout, TensorWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontdef.datasets import Split
    from frontdef.datasets.record import SplitName

    Trained = Callable[[Request, int, int, float, float], None]
    Waiting = Callable[[Request, str], None]

Fact = TypeVar("Fact")

KEPT = 2
"""Models that are kept in memory: the one that is judged, and one that attacks are transferred from."""


@dataclass(frozen=True)
class Outcome:
    """What came of a job.

    Args:
        about: What is known of it once it is stored; None where it failed.
        error: Why it failed: a traceback, or what killed it.
    """

    about: Mapping[str, Any] | None = None
    error: str = ""


class Inventory:
    """Models and samples, each read when it is first asked for.

    Args:
        samples: Id of a data set → its test samples.
        means: Where models and data come from.
        progress: Told ``(request, epoch, epochs, loss, accuracy)`` after each epoch of training.
        waiting: Told ``(request, holder)`` where another process trains a model that is needed.
    """

    def __init__(
        self,
        samples: Mapping[str, Samples | Held],
        means: Means,
        progress: Trained | None = None,
        waiting: Waiting | None = None,
    ) -> None:
        self.means = means
        self.device: torch.device = torch.device(means.device)
        self._wanted = samples
        self._progress = progress
        self._waiting = waiting
        self._splits: dict[str, Split] = {}
        self._models: OrderedDict[str, Protected] = OrderedDict()
        self._weights: dict[str, str] = {}
        self._facts: dict[str, dict[Hashable, Any]] = {}
        self._store: Store | None = None
        self._streams: list[TensorWriter] = []

    def split(self, dataset: str) -> Split:
        """The run's test samples of a data set.

        Raises:
            DataError: It is missing or damaged.
            ConfigError: More samples are asked for than there are.
        """
        if dataset not in self._splits:
            self._splits[dataset] = self._wanted[dataset].load(self.means.data, self.means.download)
        return self._splits[dataset]

    def draw(self, dataset: str, split: SplitName, count: int | None, seed: int) -> Split:
        """Other samples of a data set.

        Raises:
            DataError: It is missing or damaged.
            ConfigError: More samples are asked for than there are.
        """
        chosen = get_dataset(dataset)
        return chosen.load(split, root=self.means.data, download=self.means.download, samples=count, seed=seed)

    def model(self, request: Request) -> Protected:
        """A model on its device, trained if it is not in the cache; the last ones are kept.

        Raises:
            ConfigError: A training that diverges, or parts that do not fit.
            DataError: The data set is missing or damaged.
            StoreError: The cache can't be written.
        """
        key = request.key()
        if key not in self._models:
            with chdir(os.getcwd()):
                self._models[key] = load_model(request, self.means, self._report(request), self._wait(request))
            self._weights[key] = state_digest(self._models[key])
        self._models.move_to_end(key)
        while len(self._models) > KEPT:
            gone, _ = self._models.popitem(last=False)
            self._facts.pop(gone, None)
        return self._models[key]

    def fact(self, request: Request, about: Hashable, make: Callable[[], Fact]) -> Fact:
        """What follows from a model and the run's images alone, worked out once while the model is in memory.

        Args:
            request: The model; one that draws is asked under a seed of the run's.
            about: What it is, and all that it depends on beside them.
            make: Works it out.
        """
        facts = self._facts.setdefault(request.key(), {})
        if about not in facts:
            facts[about] = make()
        return cast("Fact", facts[about])

    def prepare(self, request: Request) -> str:
        """Why a model can't be had, a traceback; empty where it is loaded.

        Raises:
            UnwritableError: The cache can't be written.
        """
        try:
            self.model(request)
        except (UnwritableError, KeyboardInterrupt):
            raise
        except BaseException:
            return traceback.format_exc()
        return ""

    def load(self, job: Job) -> None:
        """Load a job's models, the one that is judged last."""
        for request in reversed(job.models):
            self.model(request)

    def attempt(self, job: Job, store: Store) -> Outcome:
        """Run a job and store it; whatever it raises is a result.

        Args:
            job: What to run.
            store: The run folder.

        Raises:
            StoreError: The run folder can't be written.
        """
        started = time.perf_counter()
        self._store = store
        try:
            try:
                with chdir(os.getcwd()):  # whatever directory a plugin changes to, the next job starts in this one
                    rows = job.run(self)
                about = plain({**rows.about, **self._known(job), "wall": time.perf_counter() - started})
                data = encode(job.table, job.key, Rows(rows.columns, about))
            except (UnwritableError, KeyboardInterrupt):
                raise
            except BaseException:
                return Outcome(error=traceback.format_exc())
            store.write(job.table.name, job.key, data, rows.tensors)
            return Outcome(about=about)
        finally:
            for writer in self._streams:
                writer.discard()
            self._store, self._streams = None, []

    def stream(self, job: Job, layouts: Mapping[str, Layout]) -> TensorWriter:
        """A file for what a job keeps beside its rows, written a batch at a time; its rows name it when it is whole.

        Args:
            job: The one that is being run.
            layouts: Name → type and shape of what it will write.

        Raises:
            StoreError: The run folder can't be written.
        """
        assert self._store is not None, "a job is run by Inventory.attempt"
        writer = self._store.stream(job.table.name, job.key, layouts)
        self._streams.append(writer)
        return writer

    def _known(self, job: Job) -> dict[str, str]:
        """Which weights a job's model had, so that machines that trained it each for itself are told apart."""
        weights = self._weights.get(job.models[0].key()) if job.models else None
        return {} if weights is None else {"weights": weights}

    def _report(self, request: Request) -> Callable[[int, int, float, float], None]:
        def report(epoch: int, epochs: int, loss: float, accuracy: float) -> None:
            if self._progress:
                self._progress(request, epoch, epochs, loss, accuracy)

        return report

    def _wait(self, request: Request) -> Callable[[str], None] | None:
        return None if self._waiting is None else partial(self._waiting, request)
