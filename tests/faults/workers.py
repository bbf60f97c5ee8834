"""Runs in processes whose driver is killed: no worker outlives it, and the run goes on."""

from __future__ import annotations

import os
import random
import signal
import time

from frontdef.runs.executors.family import descendants
from tests.forks import fork, wait

from .lab import Lab
from .tally import Tally

LASTS = 25.0
"""Seconds within which the driver is killed; a worker takes a good part of these to start."""


def killed_with_their_driver(lab: Lab, draws: random.Random, count: int) -> Tally:
    """SIGKILL to the driver of two processes after a random time."""
    tally = Tally("driver of two processes killed after a random time")
    for trial in range(count):
        place = lab.place(f"driver{trial}")
        process = fork(lambda place=place: lab.go(place, jobs=2))
        time.sleep(draws.random() * LASTS)
        family = descendants(process)
        os.kill(process, signal.SIGKILL)
        hit = wait(process) == -signal.SIGKILL
        outlived = [member for member in family if not _gone(member)]
        wrong = [f"process {member} outlived its driver" for member in outlived]
        tally.add(f"trial {trial}", hit and bool(family), wrong + lab.recovers(place))
    return tally


def _gone(process: int) -> bool:
    for _ in range(1000):
        try:
            with open(f"/proc/{process}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] in "ZX":
                    return True
        except OSError:
            return True
        time.sleep(0.01)
    return False
