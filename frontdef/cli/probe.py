"""Runs a piece of Python in a process of its own, so that a crash or a hang stays there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_ANSWER = """
import json, pathlib, sys
pathlib.Path(sys.argv[1]).write_text(json.dumps(answer), encoding="utf-8")
"""


@dataclass(frozen=True)
class Probed:
    """How it ended.

    Args:
        fault: Empty where it ended well; otherwise what happened, in a few words.
        answer: What the code assigned to ``answer``.
        seconds: Wall time.
    """

    fault: str
    answer: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


def probe(code: str, *, timeout: float, environment: Mapping[str, str] | None = None) -> Probed:
    """Run code that assigns a JSON object to ``answer``.

    Args:
        code: Python.
        timeout: Seconds after which the process is killed.
        environment: Variables that differ from this process's.
    """
    # Files instead of pipes: a grandchild that outlives the process would keep a pipe open, and us waiting.
    with tempfile.TemporaryDirectory() as folder:
        answer, errors = Path(folder, "answer.json"), Path(folder, "errors.txt")
        command = [sys.executable, "-c", code + _ANSWER, str(answer)]
        start = time.monotonic()
        with errors.open("wb") as stream:
            try:
                ended = subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stream,
                    env={**os.environ, **(environment or {})}, timeout=timeout, check=False,
                )  # fmt: skip
            except subprocess.TimeoutExpired:
                return Probed(f"not done after {timeout:g} s, killed", seconds=timeout)
        seconds = time.monotonic() - start
        if ended.returncode:
            said = errors.read_text(encoding="utf-8", errors="replace")
            return Probed(_fault(ended.returncode, said), seconds=seconds)
        if not answer.is_file():
            return Probed("ended the process before it was done", seconds=seconds)
        return Probed("", json.loads(answer.read_text(encoding="utf-8")), seconds)


def _fault(returncode: int, said: str) -> str:
    if returncode < 0:
        return f"crashed with {signal.Signals(-returncode).name}"
    lines = said.strip().splitlines()
    return lines[-1] if lines else f"ended the process with exit code {returncode}"
