"""Spoiled inputs, one after another, in a process that may die of them."""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import signal
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from frontdef.errors import FrontdefError

from .parsers import PARSERS

LIMIT, CLOCK = 10.0, 60.0
"""Seconds of processor time that an input may take, and by the clock, which other programs share; a process that takes
longer is killed by the system's own timer."""

MEMORY = 4 << 30
"""Bytes of address space that a reader may take beyond what the process has."""


@dataclass
class Tally:
    """What became of the inputs of a reader.

    Args:
        inputs: How many there were.
        read: How many were read: what was spoiled did not matter.
        refused: How many were refused with an error of ours.
        slowest: Seconds of the slowest.
        wrong: What else became of one: an exception that is not ours, a signal, the time limit; with its number.
    """

    inputs: int = 0
    read: int = 0
    refused: int = 0
    slowest: float = 0.0
    wrong: list[str] = field(default_factory=list)


def spoiled(name: str, seed: int, number: int) -> bytes:
    """The same input for the same numbers, in every process."""
    parser = PARSERS[name]
    rng = random.Random(f"{seed} {name} {number}")
    return parser.mutate(rng.choice(parser.seeds), rng)


def fuzz(name: str, inputs: int, seed: int) -> Tally:
    """Give a reader its inputs; one that kills its process costs that process only.

    Args:
        name: A key of `PARSERS`.
        inputs: How many.
        seed: Decides which.
    """
    tally, number = Tally(inputs), 0
    while number < inputs:
        for outcome, seconds, told in _in_child(name, number, inputs, seed):
            tally.slowest = round(max(tally.slowest, seconds), 2)
            tally.read += outcome == "read"
            tally.refused += outcome == "refused"
            if outcome == "wrong":
                tally.wrong.append(f"input {number}: {told}")
            number += 1
    return tally


def _in_child(name: str, first: int, last: int, seed: int) -> Iterator[tuple[str, float, str]]:
    """What became of each input; where the process died of one, that is the last."""
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receiving)
        with contextlib.suppress(BaseException):
            _child(name, first, last, seed, sending)
        os._exit(0)
    os.close(sending)
    ended = False
    with os.fdopen(receiving) as pipe:
        for line in pipe:
            if line == "end\n":
                ended = True
                break
            outcome, seconds, told = json.loads(line)
            yield outcome, seconds, told
    _, status = os.waitpid(child, 0)
    if not ended:
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        took = {signal.SIGPROF: LIMIT, signal.SIGALRM: CLOCK}.get(number, 0.0)
        word = f"took more than {took:g} s" if took else f"ended the process ({number or 'exit'})"
        yield "wrong", took, word


def _child(name: str, first: int, last: int, seed: int, sending: int) -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    with os.fdopen(sending, "w") as pipe, tempfile.TemporaryDirectory(prefix="frontdef-hostile-") as folder:
        for number in range(first, last):
            data = spoiled(name, seed, number)
            signal.setitimer(signal.ITIMER_PROF, LIMIT)
            signal.setitimer(signal.ITIMER_REAL, CLOCK)
            started = time.process_time()
            outcome, told = "read", ""
            try:
                PARSERS[name].read(data, Path(folder))
            except FrontdefError:
                outcome = "refused"
            except BaseException as error:
                frame = traceback.extract_tb(error.__traceback__)[-1]
                outcome, told = (
                    "wrong",
                    f"{type(error).__name__}: {error} ({Path(frame.filename).name}:{frame.lineno})"[:300],
                )
            seconds = time.process_time() - started
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)
            pipe.write(json.dumps((outcome, seconds, told)) + "\n")
            pipe.flush()
        pipe.write("end\n")
