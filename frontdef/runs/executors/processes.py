"""Jobs side by side in processes of their own, each killed with all that it started where it exceeds its time."""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from frontdef.errors import UnwritableError
from frontdef.registry import PluginError
from frontdef.runs.inventory import Outcome

if TYPE_CHECKING:
    from frontdef.models.request import Request
    from frontdef.runs.executors import Announce
    from frontdef.runs.inventory import Trained, Waiting
    from frontdef.runs.job import Job

Told = Callable[[Mapping[str, Any]], bool]
"""Told what a process says before it ends; whether its time counts until it says more."""

GRACE = 15.0
"""Seconds in which the holder of a worker ends its family."""


class Processes:
    """Runs jobs in processes.

    Args:
        told: What the processes are told, as `frontdef.runs.executors.worker.order` says it; then they are given keys.
        jobs: How many processes.
        limit: Seconds that each of these may take: loading a job's models, with the front end's ``fit``; an epoch of
            training; a job. None for no limit.
        progress: Told of each epoch of training.
        waiting: Told who trains a model that is waited for.
    """

    whole = False

    def __init__(
        self,
        told: Mapping[str, Any],
        *,
        jobs: int,
        limit: float | None,
        progress: Trained | None = None,
        waiting: Waiting | None = None,
    ) -> None:
        told = {**told, "threads": max(1, (os.cpu_count() or 1) // jobs)}
        self.limit = limit
        self._progress, self._waiting = progress, waiting
        self._pool = ThreadPoolExecutor(jobs)
        self._workers = [_Worker(told) for _ in range(jobs)]
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)

    def prepare(self, request: Request) -> str:
        """Train a model in one of the processes, if it is not in the cache; each epoch has the whole limit."""

        def told(message: Mapping[str, Any]) -> bool:
            if "epoch" in message and self._progress:
                epoch, epochs, loss, accuracy = message["epoch"]
                self._progress(request, epoch, epochs, loss, accuracy)
            if "waiting" in message and self._waiting:
                self._waiting(request, str(message["waiting"]))
            return "waiting" not in message

        return self._asked({"prepare": request.key()}, told).error

    def run(self, jobs: Sequence[Job], started: Announce) -> Iterator[tuple[Job, Outcome]]:
        """Run jobs side by side, in the order in which they end."""
        asked = {self._pool.submit(self._run, job, started): job for job in jobs}
        for future in as_completed(asked):
            yield asked[future], future.result()

    def _run(self, job: Job, started: Announce) -> Outcome:
        return self._asked({"job": job.key}, lambda message: True, lambda: started(job))

    def _asked(self, order: Mapping[str, str], told: Told, begun: Callable[[], None] = lambda: None) -> Outcome:
        worker = self._idle.get()
        try:
            begun()
            return worker.ask(order, self.limit, told)
        finally:
            self._idle.put(worker)

    def close(self) -> None:
        """Kill the processes; jobs that are not stored yet are lost, and run again next time."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.close()


class _Worker:
    """One process with its holder, started when it is first needed and again after it was killed."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self.told = told
        self.process: subprocess.Popen[bytes] | None = None
        self.unread = b""
        self.closed = self.ready = False
        self._lock = threading.Lock()

    def ask(self, order: Mapping[str, str], limit: float | None, told: Told) -> Outcome:
        """Give an order and wait for its end.

        Raises:
            UnwritableError: The run folder or the cache can't be written.
        """
        counts = True
        try:
            process = self._running()
            self._say(process, order)
            while "end" not in (message := self._hear(process, limit if counts else None)):
                counts = told(message)
            return self._read(message["end"])
        except TimeoutError:
            self.kill()
            return Outcome(error=f"TimeLimit: killed after {limit:g} s. `frontdef retry --time-limit` gives it more")
        except (EOFError, BrokenPipeError):
            return Outcome(error=f"ProcessDied: the job ended its process with {_ending(self.kill())}")
        except (ValueError, KeyError, TypeError) as error:
            self.kill()
            return Outcome(error=f"ProcessDied: killed, because its process gave an answer that is none ({error})")

    def close(self) -> None:
        """End the process for good."""
        with self._lock:
            self.closed = True
        self.kill()

    def kill(self) -> int:
        """End the process and all that it started, whatever they are doing; returns its exit code."""
        with self._lock:
            process, self.process = self.process, None
        if process is None:
            return 0
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            return process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def _running(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self.closed:
                raise EOFError
            if self.process is None:
                self.unread = b""
                self.process = subprocess.Popen(
                    [sys.executable, "-m", "frontdef.runs.executors.leash"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    bufsize=0,
                    start_new_session=True,
                )
                self._say(self.process, self.told)
                self.ready = False
            process = self.process
        if not self.ready:
            ready = self._hear(process, None)  # it imports and plans: what a plugin could hang was done here before
            if "refused" in ready:
                raise PluginError(ready["refused"])
            self.ready = True
        return process

    @staticmethod
    def _say(process: subprocess.Popen[bytes], words: Mapping[str, Any]) -> None:
        assert process.stdin is not None
        left = memoryview(f"{json.dumps(words)}\n".encode())
        while left:
            left = left[process.stdin.write(left) or 0 :]

    def _hear(self, process: subprocess.Popen[bytes], limit: float | None) -> dict[str, Any]:
        """The next line that the process says, within so many seconds."""
        assert process.stdout is not None
        ends = math.inf if limit is None else time.monotonic() + limit
        while b"\n" not in self.unread:
            left = None if limit is None else max(0.0, ends - time.monotonic())
            if not select.select([process.stdout], [], [], left)[0]:
                raise TimeoutError
            chunk = process.stdout.read(65536)
            if not chunk:
                raise EOFError
            self.unread += chunk
        line, _, self.unread = self.unread.partition(b"\n")
        return dict(json.loads(line))

    @staticmethod
    def _read(end: Mapping[str, Any]) -> Outcome:
        if "unwritable" in end:
            raise UnwritableError(end["unwritable"])
        return Outcome(end.get("about"), end["error"])


def _ending(code: int) -> str:
    """An exit code in words, or the signal that a negative one stands for."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"signal {-code}"
