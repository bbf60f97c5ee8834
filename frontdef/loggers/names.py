"""What loggers call the numbers of a job."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from frontdef.threat import format_eps

if TYPE_CHECKING:
    from frontdef.runs.ended import JobEnded

LONGEST = 200
"""Letters of a name; MLflow takes 250."""

PARTS = ("dataset", "classifier", "defense", "family", "norm", "eps", "library")


def numbers(ended: JobEnded) -> dict[str, float]:
    """The numbers that are known of a job, under names that say which it is: letters, digits, ``_-./ ``."""
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
