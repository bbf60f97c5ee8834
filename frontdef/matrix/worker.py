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
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TextIO

import torch

from frontdef.errors import StoreError
from frontdef.matrix.attempt import Sources, attempt, load_model, load_splits
from frontdef.matrix.entries import Matrix
from frontdef.matrix.jobs import Cell
from frontdef.matrix.models import ModelRequest
from frontdef.matrix.plan import make_plan
from frontdef.matrix.store import Store
from frontdef.protected import Protected


class Bench:
    """The plan, the samples and the model at hand.

    Args:
        head: What is run, as `executor.Processes` says it.
    """

    def __init__(self, head: dict[str, Any]) -> None:
        self.device = torch.device(head["device"])
        self.data, self.cache = (None if head[name] is None else Path(head[name]) for name in ("data", "cache"))
        plan = make_plan(Matrix.model_validate(head["matrix"]), device=head["device"])
        self.cells = {cell.key: cell for cell in plan.cells}
        self.splits = load_splits(plan, self.data, download=False)
        self.store = Store(Path(head["out"]))
        self.model: tuple[str, Protected] | None = None
        self.sources = Sources(self._load)

    def load(self, cell: Cell) -> Protected:
        """The cell's model; the last one is kept."""
        key = cell.request.key()
        if self.model is None or self.model[0] != key:
            self.model = (key, self._load(cell.request))
        self.sources(cell)
        return self.model[1]

    def _load(self, request: ModelRequest) -> Protected:
        split = self.splits[request.dataset]
        return load_model(request, split, self.device, cache=self.cache, data=self.data)

    def run(self, cell: Cell, protected: Protected) -> dict[str, Any]:
        """Run a cell; what came of it as JSON values."""
        try:
            split = self.splits[cell.request.dataset]
            found = attempt(cell, protected, split, self.store, self.sources(cell))
        except StoreError as error:
            return {"store": str(error)}
        return {"about": found.about, "error": found.error}


def serve(answers: TextIO, keys: SimpleQueue[str]) -> None:
    """Answer keys for ever."""
    head = json.loads(keys.get())
    torch.set_num_threads(head["threads"])
    bench = Bench(head)
    while True:
        cell = bench.cells[keys.get()]
        protected = bench.load(cell)
        print("{}", file=answers, flush=True)
        print(json.dumps(bench.run(cell, protected)), file=answers, flush=True)


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
