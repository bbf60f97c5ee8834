"""A process that runs jobs by their keys: ``python -m frontdef.runs.executors.worker``, started by `Processes`.

The first line of standard input says what is run, each further one is the key of a job. To each key it answers with
two lines of JSON: an empty object once the models are loaded, then what came of the job. It ends when standard input
does.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TextIO

import torch

from frontdef.errors import StoreError
from frontdef.models.load import Means
from frontdef.runs.inventory import Inventory
from frontdef.runs.job import Job
from frontdef.runs.plan import Plan, get_kind
from frontdef.runs.store import Store


def order(plan: Plan, means: Means, out: Path) -> dict[str, Any]:
    """What a worker is told to make the same plan, as JSON values.

    Args:
        plan: What is run.
        means: Where models and data come from.
        out: The run folder, which the worker writes.
    """
    folders = {
        name: None if path is None else str(path) for name, path in (("data", means.data), ("cache", means.cache))
    }
    return {"kind": plan.kind, "document": plan.document, "device": means.device, "out": str(out), **folders}


def serve(answers: TextIO, lines: SimpleQueue[str]) -> None:
    """Answer keys for ever."""
    told = json.loads(lines.get())
    torch.set_num_threads(told["threads"])
    data, cache = (None if told[name] is None else Path(told[name]) for name in ("data", "cache"))
    plan = get_kind(told["kind"]).remake(told["document"], told["device"])
    inventory = Inventory(plan.samples, Means(told["device"], data, cache))
    store = Store(Path(told["out"]))
    while True:
        for answer in _answers(inventory, store, plan.by_key[lines.get()]):
            print(json.dumps(answer), file=answers, flush=True)


def _answers(inventory: Inventory, store: Store, job: Job) -> Iterator[Mapping[str, Any]]:
    """That a job's models are loaded, and what came of it, as JSON values."""
    try:
        inventory.load(job)
    except (Exception, SystemExit):
        yield {}
        yield {"about": None, "error": traceback.format_exc()}
        return
    yield {}
    try:
        outcome = inventory.attempt(job, store)
    except StoreError as error:
        yield {"store": str(error)}
        return
    yield {"about": outcome.about, "error": outcome.error}


def _listen(lines: SimpleQueue[str]) -> None:
    """Pass lines on, and end the process and all that it started with its parent, even while an attack hangs."""
    for line in sys.stdin:
        lines.put(line.strip())
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(0)


def main() -> None:
    """Keep standard output for answers: what libraries print goes to standard error."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    lines: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()
    serve(answers, lines)


if __name__ == "__main__":
    main()
