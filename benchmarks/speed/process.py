"""What a process cost, as its parent is told: other work on the machine does not count."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

MEASURE = """
import json, resource, subprocess, sys
ended = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, ended.returncode]))
"""


class Spent(NamedTuple):
    """What a process cost.

    Args:
        seconds: Processor time.
        mebibytes: The most memory that it held.
        code: Its exit code.
    """

    seconds: float
    mebibytes: float
    code: int


def spent(program: Sequence[str], environment: Mapping[str, str] | None = None) -> Spent:
    """Run a program to its end.

    Args:
        program: Its words.
        environment: Its environment; this process's if absent.
    """
    words = [sys.executable, "-c", MEASURE, *program]
    said = subprocess.run(words, capture_output=True, text=True, check=True, cwd="/", env=environment)
    return Spent(*json.loads(said.stdout))
