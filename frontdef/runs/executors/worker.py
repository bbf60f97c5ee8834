"""A process that trains models and runs jobs by their keys, started by `frontdef.runs.executors.leash`.

``python -m frontdef.runs.executors.worker ORDERS ANSWERS`` is given two file descriptors; standard input is empty and
standard output goes to standard error, so what a plugin reads or prints is no order and no answer. The first line of
orders says what is run; each further one is an object of JSON with the key of a model to ``prepare`` or of a ``job``.
Answers are objects, a line each: one once it is ready, or one that says why it ``refused`` the run; to each order any
number that tell how far it is, then one with an ``end``. It ends when the orders do.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TextIO

import torch

from frontdef.errors import UnwritableError
from frontdef.heap import keep_freed
from frontdef.models.load import Means
from frontdef.models.request import Request
from frontdef.registry import PluginError
from frontdef.runs.executors import family
from frontdef.runs.inventory import Inventory
from frontdef.runs.kind import get_kind
from frontdef.runs.plan import Plan
from frontdef.runs.store import Store
from frontdef.runs.versions import Environment, environment, require

HELPERS = ("resource_tracker", "forkserver")
"""What Python's multiprocessing starts once and uses for ever."""


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
    return {
        "kind": plan.kind,
        "document": plan.document,
        "device": means.device,
        "out": str(out),
        "environment": environment()._asdict(),
        **folders,
    }


class Server:
    """Trains and runs what it is asked for, one after the other.

    Args:
        told: The first line of the orders.
        answers: Where answers go.
    """

    def __init__(self, told: Mapping[str, Any], answers: TextIO) -> None:
        self.answers = answers
        self.all_threads = torch.get_num_threads()
        self.threads = told["threads"]
        data, cache = (None if told[name] is None else Path(told[name]) for name in ("data", "cache"))
        self.plan = get_kind(told["kind"]).remake(told["document"], told["device"])
        self.requests = {request.key(): request for request in self.plan.requests}
        self.inventory = Inventory(
            self.plan.samples, Means(told["device"], data, cache), progress=self._epoch, waiting=self._waiting
        )
        self.store = Store(Path(told["out"]))
        self._say({"ready": True})

    def obey(self, asked: Mapping[str, str]) -> None:
        """Do what an order says, and answer.

        Args:
            asked: The order.
        """
        before = family.descendants(os.getpid())
        try:
            end = self._prepare(asked["prepare"]) if "prepare" in asked else self._job(asked["job"])
        except UnwritableError as error:
            end = {"unwritable": str(error)}
        except BaseException:
            end = {"error": traceback.format_exc()}
        family.end(os.getpid(), {*before, *filter(_helps, family.descendants(os.getpid()))})
        self._say({"end": end})

    def _prepare(self, key: str) -> dict[str, Any]:
        torch.set_num_threads(self.all_threads)  # the other processes wait, and threads decide the last bit of weights
        try:
            return {"error": self.inventory.prepare(self.requests[key])}
        finally:
            torch.set_num_threads(self.threads)

    def _job(self, key: str) -> dict[str, Any]:
        torch.set_num_threads(self.threads)
        job = self.plan.by_key[key]
        self.inventory.load(job)
        self._say({"loaded": True})
        outcome = self.inventory.attempt(job, self.store)
        return {"about": outcome.about, "error": outcome.error}

    def _epoch(self, request: Request, epoch: int, epochs: int, loss: float, accuracy: float) -> None:
        self._say({"epoch": [epoch, epochs, loss, accuracy]})

    def _waiting(self, request: Request, holder: str) -> None:
        self._say({"waiting": holder})

    def _say(self, answer: Mapping[str, Any]) -> None:
        print(json.dumps(answer), file=self.answers, flush=True)


def _helps(process: int) -> bool:
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return False
    return "multiprocessing" in words and any(helper in words for helper in HELPERS)


def _listen(orders: TextIO, lines: SimpleQueue[str]) -> None:
    """Pass lines on, and end the process and its group with whoever gives the orders."""
    for line in orders:
        lines.put(line)
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(0)


def main(orders: int, answers: int) -> None:
    """Obey for ever.

    Args:
        orders: Descriptor to read from.
        answers: Descriptor to write to.
    """
    for descriptor in (orders, answers):
        os.set_inheritable(descriptor, False)
    family.adopt()
    keep_freed()
    lines: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_listen, args=(os.fdopen(orders), lines), daemon=True).start()
    told = json.loads(lines.get())
    said = os.fdopen(answers, "w")
    try:
        require(Environment(**told["environment"]))
    except PluginError as error:
        print(json.dumps({"refused": str(error)}), file=said, flush=True)
        return
    server = Server(told, said)
    while True:
        server.obey(json.loads(lines.get()))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
