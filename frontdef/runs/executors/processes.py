"""Jobs side by side in processes of their own, each killed where a job exceeds its time."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from queue import SimpleQueue
from typing import Any

from frontdef.errors import StoreError
from frontdef.runs.executors import Announce
from frontdef.runs.inventory import Outcome
from frontdef.runs.job import Job


class Processes:
    """Runs jobs in processes.

    Args:
        told: What the processes are told, as `frontdef.runs.executors.worker.order` says it; then they are given keys.
        jobs: How many processes.
        limit: Seconds a job may take, once its models are loaded; None for no limit.
    """

    def __init__(self, told: Mapping[str, Any], *, jobs: int, limit: float | None) -> None:
        told = {**told, "threads": max(1, (os.cpu_count() or 1) // jobs)}
        self.limit = limit
        self._pool = ThreadPoolExecutor(jobs)
        self._workers = [_Worker(told) for _ in range(jobs)]
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)

    def run(self, jobs: Sequence[Job], started: Announce) -> Iterator[tuple[Job, Outcome]]:
        """Run jobs side by side, in the order in which they end."""
        asked = {self._pool.submit(self._ask, job, started): job for job in jobs}
        for future in as_completed(asked):
            yield asked[future], future.result()

    def _ask(self, job: Job, started: Announce) -> Outcome:
        worker = self._idle.get()
        try:
            started(job)
            return worker.ask(job.key, self.limit)
        finally:
            self._idle.put(worker)

    def close(self) -> None:
        """Kill the processes; jobs that are not stored yet are lost, and run again next time."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.kill()


class _Worker:
    """One process, started when it is first needed and again after it was killed."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self.told = told
        self.process: subprocess.Popen[bytes] | None = None
        self.unread = b""

    def ask(self, key: str, limit: float | None) -> Outcome:
        process = self.process or self._start()
        try:
            self._say(process, key)
            self._answer(process, None)  # its models are loaded
            return self._read(self._answer(process, limit))
        except TimeoutError:
            self.kill()
            return Outcome(error=f"TimeLimit: killed after {limit:g} s. `frontdef retry --time-limit` gives it more")
        except (EOFError, BrokenPipeError):
            code = process.wait()
            self.process = None
            return Outcome(error=f"ProcessDied: the job ended its process with exit code {code}")

    def kill(self) -> None:
        """End the process and all that it started, whatever they are doing."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "frontdef.runs.executors.worker"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, start_new_session=True
        )
        self.unread = b""
        self._say(self.process, json.dumps(self.told))
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
            chunk = process.stdout.read(65536)
            if not chunk:
                raise EOFError
            self.unread += chunk
        line, _, self.unread = self.unread.partition(b"\n")
        return dict(json.loads(line))

    @staticmethod
    def _read(answer: dict[str, Any]) -> Outcome:
        if "store" in answer:
            raise StoreError(answer["store"])
        return Outcome(**answer)
