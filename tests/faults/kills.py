"""Kills, second runners, Ctrl-C, clocks: whatever stops a run or runs beside it."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from frontdef import lock
from frontdef.cli import main
from frontdef.runs import run as runner
from tests.forks import REFUSED, fork, wait

from .disk import KILLS, Disk
from .lab import Lab, Place, report
from .tally import Tally

YEARS = 20
"""Clocks jump by as many, forwards and backwards."""


def changes(lab: Lab) -> int:
    """How many changes of the disk an undisturbed run makes."""
    return len(changed(lab))


def changed(lab: Lab) -> list[tuple[str, str]]:
    """The changes of the disk that an undisturbed run makes, and of which file."""
    place = lab.place(f"counted{time.monotonic_ns()}")

    def work() -> None:
        disk = Disk(place.root)
        disk.install()
        lab.go(place)
        report(lab.root / "changes.json", disk.changes)

    assert wait(fork(work)) == 0
    return [(what, path) for what, path in json.loads((lab.root / "changes.json").read_text())]


def at_every_write(lab: Lab, draws: random.Random, count: int) -> Tally:
    """A kill at each change of the disk, by turns before it and in the middle of it; ``count`` of these at most.

    Of these, the share of the lab.
    """
    tally = Tally("killed at each write, rename and deletion, by turns before it and with half of it done")
    total = changes(lab)
    for at in lab.mine(range(1, total + 1, max(1, math.ceil(total / count)))):
        how = KILLS[at % len(KILLS)]
        place = lab.place(f"{how}{at}")

        def work(place: Place = place, how: str = how, at: int = at) -> None:
            Disk(place.root, how=how, at=at).install()
            lab.go(place)

        code = wait(fork(work))
        tally.add(f"{how} {at}", code == -signal.SIGKILL, lab.recovers(place))
    return tally


def at_any_time(lab: Lab, draws: random.Random, count: int) -> Tally:
    """SIGKILL after a random time, up to thrice on the same run."""
    tally = Tally("killed after a random time, up to three times in a row")
    lasts = _lasts(lab)
    for trial in range(count):
        place, hit = lab.place(f"any{trial}"), False
        for _ in range(draws.randint(1, 3)):
            process = fork(lambda place=place: lab.go(place))
            time.sleep(draws.random() * lasts)
            os.kill(process, signal.SIGKILL)
            hit |= wait(process) == -signal.SIGKILL
        tally.add(f"trial {trial}", hit, lab.recovers(place))
    return tally


def two_runners(lab: Lab, draws: random.Random, count: int) -> Tally:
    """Two processes begin the same run within a moment: together they run each job once, and a loser is told why."""
    tally = Tally("two runners on one folder, begun within a moment")
    lasts = _lasts(lab)
    for trial in range(count):
        place = lab.place(f"two{trial}")

        def work(name: str, place: Place = place) -> None:
            summary = lab.go(place)
            report(place.root / f"{name}.json", [*summary.ran, *summary.failed])

        place.root.mkdir()
        first = fork(lambda work=work: work("a"))
        time.sleep(draws.random() * lasts * 0.7)
        second = fork(lambda work=work: work("b"))
        codes = [wait(first), wait(second)]
        jobs = [
            key
            for name in "ab"
            if (place.root / f"{name}.json").exists()
            for key in json.loads((place.root / f"{name}.json").read_text())
        ]
        wrong = [] if set(codes) <= {0, REFUSED} and 0 in codes else [f"exit codes {codes}"]
        ran = [key for key in jobs if key in {job.key for job in lab.plan.jobs}]
        if REFUSED in codes and len(ran) != len(set(ran)):
            wrong.append("a job was run twice")
        tally.add(f"trial {trial}", REFUSED in codes, wrong + lab.recovers(place))
    return tally


def interrupts(lab: Lab, draws: random.Random, count: int) -> Tally:
    """Ctrl-C after a random time: exit code 130, or 1 where it came too late (a job fails here), and no traceback."""
    tally = Tally("Ctrl-C after a random time: exit code 130 and no traceback")
    lasts = 1.5 * _lasts(lab)
    for trial in range(count):
        place, errors = lab.place(f"stop{trial}"), lab.root / f"stop{trial}.txt"
        words = ["run", str(lab.matrix), "--out", str(place.out), "--cache", str(place.cache)]
        process = fork(lambda words=words: main(words), errors)
        time.sleep(draws.random() * lasts)
        os.kill(process, signal.SIGINT)
        code, said = wait(process), errors.read_text()
        early = code == -signal.SIGINT or "KeyboardInterrupt" in said  # before the command began: of the harness
        wrong = [] if code in {130, 1} or early else [f"exit code {code}"]
        wrong += [said] if "Traceback" in said and not early else []
        tally.add(f"trial {trial}", code == 130, wrong + lab.recovers(place))
    return tally


def clocks(lab: Lab, draws: random.Random, count: int) -> Tally:
    """The clock jumps at every look at it, and files bear times of another century; the run is killed in between."""
    tally = Tally("clock that jumps by up to 20 years at each look, files from the past and the future, and a kill")
    lasts = _lasts(lab)
    for trial in range(count):
        place, seed = lab.place(f"clock{trial}"), draws.random()

        def work(place: Place = place, seed: float = seed) -> None:
            _unsteady(seed)
            lab.go(place)

        process = fork(work)
        time.sleep(draws.random() * lasts)
        os.kill(process, signal.SIGKILL)
        hit = wait(process) == -signal.SIGKILL
        for path in place.root.rglob("*"):
            jump = time.time() + draws.choice((-1, 1)) * draws.random() * YEARS * 365 * 86400
            os.utime(path, (jump, jump))
        resumed = wait(fork(work))
        tally.add(f"trial {trial}", hit, lab.recovers(place) + ([] if resumed == 0 else [f"exit code {resumed}"]))
    return tally


def _unsteady(seed: float) -> None:
    draws, real = random.Random(seed), time.time

    def jump() -> float:
        return draws.uniform(-YEARS, YEARS) * 365 * 86400

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.fromtimestamp(real(), UTC) + timedelta(seconds=jump())

    time.time = lambda: real() + jump()
    runner.datetime = lock.datetime = Clock  # type: ignore[attr-defined]


def _lasts(lab: Lab) -> float:
    """Seconds that an undisturbed run takes in a process, now."""
    started = time.monotonic()
    assert wait(fork(lambda: lab.go(lab.place(f"timed{time.monotonic_ns()}")))) == 0
    return time.monotonic() - started
