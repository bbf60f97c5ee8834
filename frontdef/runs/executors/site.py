"""What a process on another machine needs to run jobs by their keys: the plan, made anew, its models and the folder."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from frontdef.errors import UnwritableError
from frontdef.heap import keep_freed
from frontdef.models.load import Means
from frontdef.runs.inventory import Inventory
from frontdef.runs.kind import get_kind
from frontdef.runs.store import Store
from frontdef.runs.versions import Environment, require


class Site:
    """Runs jobs one after the other; the last models stay loaded.

    Args:
        told: As `frontdef.runs.executors.worker.order` says it, and ``threads``.

    Raises:
        PluginError: What decides results is not what it is where the run was started.
    """

    def __init__(self, told: Mapping[str, Any]) -> None:
        require(Environment(**told["environment"]))
        keep_freed()
        torch.set_num_threads(told["threads"])
        data, cache = (None if told[name] is None else Path(told[name]) for name in ("data", "cache"))
        self.plan = get_kind(told["kind"]).remake(told["document"], told["device"])
        self.inventory = Inventory(self.plan.samples, Means(told["device"], data, cache))
        self.store = Store(Path(told["out"]))
        self._errors: dict[str, str] = {}

    def ready(self) -> bool:
        """Answered once the plan is made."""
        return True

    def load(self, key: str) -> str:
        """Make a job's models ready, each tried once; why one can't be had, empty where all can.

        Raises:
            UnwritableError: The cache can't be written.
        """
        for request in reversed(self.plan.by_key[key].models):
            name = request.key()
            if self._errors.get(name) or (error := self.inventory.prepare(request)):
                self._errors.setdefault(name, error)
                return self._errors[name]
        return ""

    def run(self, key: str) -> dict[str, Any]:
        """Run a job whose models are ready, and store what came of it: its ``about``, or its ``error``.

        Raises:
            UnwritableError: The folder can't be written.
        """
        try:
            outcome = self.inventory.attempt(self.plan.by_key[key], self.store)
        except (UnwritableError, KeyboardInterrupt):
            raise
        except BaseException:
            return {"about": None, "error": traceback.format_exc()}
        return {"about": outcome.about, "error": outcome.error}
