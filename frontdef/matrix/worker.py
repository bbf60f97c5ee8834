"""A process that runs cells by their keys: ``python -m frontdef.matrix.worker``, started by `executor.Processes`.

The first line of standard input says what is run, each further one is the key of a cell. To each key it answers with
two lines of JSON: an empty object once the model is loaded, then what came of the cell. It ends when standard input
does.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from queue import SimpleQueue
from typing import Any, Protocol, TextIO

import torch

from frontdef.errors import StoreError
from frontdef.lazy import resolve
from frontdef.matrix.attempt import Attempt
from frontdef.protected import Protected


class Bench(Protocol):
    """What a process has at hand; made of the first line's object, in which ``bench`` names the class."""

    cells: Mapping[str, Any]
    """Key → what is run."""

    def load(self, cell: Any) -> Protected:
        """The cell's model."""

    def run(self, cell: Any, protected: Protected) -> Attempt:
        """Run a cell and store it; raises `StoreError` where it can't be stored."""


def serve(answers: TextIO, keys: SimpleQueue[str]) -> None:
    """Answer keys for ever."""
    head = json.loads(keys.get())
    torch.set_num_threads(head["threads"])
    bench: Bench = resolve(head["bench"])(head)
    while True:
        cell = bench.cells[keys.get()]
        protected = bench.load(cell)
        print("{}", file=answers, flush=True)
        print(json.dumps(_answer(bench, cell, protected)), file=answers, flush=True)


def _answer(bench: Bench, cell: Any, protected: Protected) -> dict[str, Any]:
    """What came of a cell, as JSON values."""
    try:
        found = bench.run(cell, protected)
    except StoreError as error:
        return {"store": str(error)}
    return {"about": found.about, "error": found.error}


def _listen(keys: SimpleQueue[str]) -> None:
    """Pass lines on, and end the process with its parent, even while an attack hangs."""
    for line in sys.stdin:
        keys.put(line.strip())
    os._exit(0)


def main() -> None:
    """Keep standard output for answers: what libraries print goes to standard error."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    keys: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_listen, args=(keys,), daemon=True).start()
    serve(answers, keys)


if __name__ == "__main__":
    main()
