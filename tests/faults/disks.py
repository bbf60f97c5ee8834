"""Disks without space or inodes, read-only or broken: at a write by injection, and real small file systems."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from frontdef.runs.store import Store
from tests.forks import REFUSED, fork, wait

from .disk import ERRORS, Disk
from .kills import changes
from .lab import Lab, Place, report
from .tally import Tally

SPACE_KB, INODES = (8, 600), (2, 48)
"""From nothing fits to everything does: kilobytes, and files with their folders."""


def at_every_write(lab: Lab, draws: random.Random, count: int) -> list[Tally]:
    """From a change of the disk on there is no space, no inode or no permission; or that change alone fails."""
    total = changes(lab)
    tallies = []
    for how in ERRORS:
        tally = Tally(f"{_WORDS[how]} at a write (injected)")
        for at in range(1, total + 1, max(1, round(total / max(1, count)))):
            place = lab.place(f"{how}{at}")
            told = lab.root / f"{how}{at}.json"

            def work(place: Place = place, how: str = how, at: int = at, told: Path = told) -> None:
                Store.require_space = lambda self, *needed: None  # type: ignore[method-assign]
                disk = Disk(place.root, how=how, at=at)
                disk.install()
                try:
                    lab.go(place)
                finally:
                    report(told, disk.hit)

            code = wait(fork(work, lab.root / "errors.txt"))
            wrong = (
                [] if code in {0, REFUSED} else [f"exit code {code}: {(lab.root / 'errors.txt').read_text()[-2000:]}"]
            )
            tally.add(f"{how} {at}", json.loads(told.read_text()), wrong + _whole(lab, place) + lab.recovers(place))
        tallies.append(tally)
    return tallies


_WORDS = {
    "full": "no space left from then on", "inodes": "no further file from then on",
    "read-only": "read-only from then on", "io": "one input/output error",
}  # fmt: skip


def real(lab: Lab, draws: random.Random, count: int) -> list[Tally]:
    """Small file systems in memory that fill up, run out of inodes, or become read-only; none without root."""
    if not _can_mount(lab):
        return []
    space, inodes, read_only = (
        Tally(f"a real file system {what}")
        for what in ("that is full", "without inodes", "that becomes read-only, and writable again")
    )
    for trial in range(count):
        size = round(SPACE_KB[0] + (SPACE_KB[1] - SPACE_KB[0]) * trial / count)
        with _mounted(lab, f"small{trial}", f"size={size}k") as place:
            hit = _attempt(lab, place, space, f"{size} kB")
            _remount(place, "size=64m")
            space.add(f"{size} kB", hit, lab.recovers(place))
        files = round(INODES[0] + (INODES[1] - INODES[0]) * trial / count)
        with _mounted(lab, f"few{trial}", f"size=64m,nr_inodes={files}") as place:
            hit = _attempt(lab, place, inodes, f"{files} inodes")
            _remount(place, "nr_inodes=10k")
            inodes.add(f"{files} inodes", hit, lab.recovers(place))
    for trial in range(max(1, count // 4)):
        with _mounted(lab, f"locked{trial}", "size=64m") as place:
            total = changes(lab)
            at = draws.randint(1, total)

            def work(place: Place = place, at: int = at) -> None:
                Disk(place.root, how="before", at=at).install()
                lab.go(place)

            wait(fork(work))
            _remount(place, "ro")
            hit = _attempt(lab, place, read_only, f"after {at} changes")
            _remount(place, "rw")
            read_only.add(f"after {at} changes", hit, lab.recovers(place))
    return [space, inodes, read_only]


def _attempt(lab: Lab, place: Place, tally: Tally, name: str) -> bool:
    """Run where it may not fit; whether it was refused."""

    def work() -> None:
        Store.require_space = lambda self, *needed: None  # type: ignore[method-assign]
        lab.go(place)

    errors = lab.root / "errors.txt"
    errors.unlink(missing_ok=True)
    code = wait(fork(work, errors))
    if code not in {0, REFUSED}:
        tally.wrong.append(f"{name}: exit code {code}: {errors.read_text()[-2000:]}")
    tally.wrong += [f"{name}: {what}" for what in _whole(lab, place)]
    return code == REFUSED


def _whole(lab: Lab, place: Place) -> list[str]:
    """What can't be read, as the fault left it."""
    try:
        lab.kept(place)
    except Exception as error:
        return [f"not whole: {error}"]
    return []


def _can_mount(lab: Lab) -> bool:
    try:
        with _mounted(lab, "probe", "size=64k"):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


@contextmanager
def _mounted(lab: Lab, name: str, options: str) -> Iterator[Place]:
    place = lab.place(name)
    place.root.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "none", str(place.root)]
    subprocess.run(command, check=True, capture_output=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place.root)], check=True)


def _remount(place: Place, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(place.root)], check=True)
