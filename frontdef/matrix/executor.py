"""Where cells are run: in this process, or in others that can be killed when a cell takes too long."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from queue import SimpleQueue
from typing import Any, Protocol, TypeVar

from frontdef.datasets import Split
from frontdef.errors import StoreError
from frontdef.matrix.attempt import Announce, Attempt, Sources, attempt
from frontdef.matrix.jobs import Cell
from frontdef.matrix.store import Store
from frontdef.protected import Protected


class Job(Protocol):
    """What processes are given: a cell of a matrix, or any other work that is known by its key."""

    @property
    def key(self) -> str:
        """Hash of all that decides the result."""


JobT = TypeVar("JobT", bound=Job)


class Executor(Protocol):
    """Runs cells of one model at a time."""

    def run(
        self, cells: Sequence[Cell], protected: Protected, split: Split, started: Announce
    ) -> Iterator[tuple[Cell, Attempt]]:
        """Run cells and yield each as it ends.

        Args:
            cells: Cells of one model.
            protected: That model.
            split: The samples.
            started: Told when a cell is begun.

        Raises:
            StoreError: The run folder can't be written.
        """

    def close(self) -> None:
        """End whatever is still running."""


class InProcess:
    """One cell after the other in this process: no time limit.

    Args:
        store: The run folder.
        sources: Loads the models that attacks are transferred from.
    """

    def __init__(self, store: Store, sources: Sources) -> None:
        self.store = store
        self.sources = sources

    def run(
        self, cells: Sequence[Cell], protected: Protected, split: Split, started: Announce
    ) -> Iterator[tuple[Cell, Attempt]]:
        """Run cells in their order."""
        for cell in cells:
            started(cell)
            yield cell, attempt(cell, protected, split, self.store, self.sources(cell))

    def close(self) -> None:
        """Nothing is left running."""


class Processes:
    """Cells side by side in processes of their own, each killed where a cell exceeds its time.

    Args:
        head: What the processes are told, JSON values: ``bench`` names the class of `frontdef.matrix.worker.Bench` that
            they make of it; after that they are given keys.
        jobs: How many processes.
        limit: Seconds a cell may take, once its model is loaded; None for no limit.
    """

    def __init__(self, head: Mapping[str, Any], *, jobs: int, limit: float | None) -> None:
        head = {**head, "threads": max(1, (os.cpu_count() or 1) // jobs)}
        self.limit = limit
        self._pool = ThreadPoolExecutor(jobs)
        self._workers = [_Worker(head) for _ in range(jobs)]
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)

    def run(
        self, cells: Sequence[JobT], protected: Protected, split: Split, started: Callable[[JobT], None]
    ) -> Iterator[tuple[JobT, Attempt]]:
        """Run cells side by side, in the order in which they end."""
        asked = {self._pool.submit(self._ask, cell, started): cell for cell in cells}
        for future in as_completed(asked):
            yield asked[future], future.result()

    def _ask(self, cell: JobT, started: Callable[[JobT], None]) -> Attempt:
        worker = self._idle.get()
        try:
            started(cell)
            return worker.ask(cell.key, self.limit)
        finally:
            self._idle.put(worker)

    def close(self) -> None:
        """Kill the processes; cells that are not stored yet are lost, and run again next time."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.kill()


class _Worker:
    """One process, started when it is first needed and again after it was killed."""

    def __init__(self, head: Mapping[str, Any]) -> None:
        self.head = head
        self.process: subprocess.Popen[bytes] | None = None
        self.unread = b""

    def ask(self, key: str, limit: float | None) -> Attempt:
        process = self.process or self._start()
        try:
            self._say(process, key)
            self._answer(process, None)  # its model is loaded
            return self._read(self._answer(process, limit))
        except TimeoutError:
            self.kill()
            return Attempt(error=f"TimeLimit: killed after {limit:g} s. `frontdef retry --time-limit` gives it more")
        except (EOFError, BrokenPipeError):
            code = process.wait()
            self.process = None
            return Attempt(error=f"ProcessDied: the attack ended its process with exit code {code}")

    def kill(self) -> None:
        """End the process, whatever it is doing."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "frontdef.matrix.worker"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.unread = b""
        self._say(self.process, json.dumps(self.head))
        return self.process

    @staticmethod
    def _say(process: subprocess.Popen[bytes], line: str) -> None:
        assert process.stdin is not None
        process.stdin.write(f"{line}\n".encode())

    def _answer(self, process: subprocess.Popen[bytes], limit: float | None) -> dict[str, Any]:
        """The next line that the process says, within so many seconds."""
        assert process.stdout is not None
        ends = None if limit is None else time.monotonic() + limit
        while b"\n" not in self.unread:
            left = None if ends is None else max(0.0, ends - time.monotonic())
            if not select.select([process.stdout], [], [], left)[0]:
                raise TimeoutError
            found = process.stdout.read(65536)
            if not found:
                raise EOFError
            self.unread += found
        line, _, self.unread = self.unread.partition(b"\n")
        return dict(json.loads(line))

    @staticmethod
    def _read(answer: dict[str, Any]) -> Attempt:
        if "store" in answer:
            raise StoreError(answer["store"])
        return Attempt(**answer)
