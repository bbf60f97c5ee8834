"""Logger: where a run may be logged beside its folder. Nothing is, unless ``on_job`` names one."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from frontdef.threat import format_eps

if TYPE_CHECKING:
    from frontdef.runs.ended import JobEnded

    Log = Callable[[JobEnded], object]

LONGEST = 200
"""Letters of a name; MLflow takes 250."""

PARTS = ("dataset", "classifier", "defense", "family", "norm", "eps", "library")


@dataclass(frozen=True)
class Logger:
    """Where the numbers of a run may be logged.

    Args:
        name: Its id, as ``--on-job`` and ``on_job`` take it.
        log: ``f(ended)``, told of each job when it is stored, a `frontdef.JobEnded`; or a reference
            ``"package.module:function"``, imported when a run asks for it.
        summary: One line for ``frontdef ls loggers``.
    """

    name: str
    log: str | Log
    summary: str = ""


def numbers(ended: JobEnded) -> dict[str, float]:
    """The numbers that are known of a job, under names that say which it is: of letters, digits, space and ``_-./``.

    Args:
        ended: The job. ``failed`` is 1 where it failed.
    """
    said = {name: ended.describe[name] for name in PARTS if ended.describe.get(name) not in (None, "")}
    if isinstance(said.get("eps"), float):
        said["eps"] = format_eps(said["eps"]).replace("/", " over ")
    words = "/".join(re.sub(r"[^\w\-. ]+", "-", str(word)) for word in (ended.table, *said.values()))
    values = {**(ended.about or {}), "failed": float(ended.about is None)}
    return {
        f"{words[:LONGEST]}/{name}": float(value)
        for name, value in values.items()
        if isinstance(value, int | float) and value == value
    }
