"""What the measurements of this folder write: figures as JSON, the command, versions, and how busy the machine was."""

from __future__ import annotations

import json
import os
import platform
import shlex
import statistics
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[1] / "results" / "speed"


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, least and most of some rounds."""
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def write(path: Path, figures: Any, packages: Sequence[str] = ("torch",)) -> None:
    """Write them, and say where they come from.

    Args:
        path: The file.
        figures: JSON values.
        packages: Distributions whose versions matter.
    """
    script = Path(sys.argv[0]).name
    words = sys.argv[1:]
    where = words.index("--json") if "--json" in words else len(words)
    kept = [*words[:where], *words[where + 2 :]]
    about = {
        "command": shlex.join(["python", f"benchmarks/speed/{script}", *kept]),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "figures": figures,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
