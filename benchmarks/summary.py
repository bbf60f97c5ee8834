"""What the summaries of all runs share: how a run is repeated, and the files that docs/summaries.py reads."""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from frontdef.runs.results import Results, load_results

NAMED = ("adversarial-robustness-toolbox", "torchattacks", "foolbox", "adv-lib", "torch", "numpy", "python")


def asked(doc: str | None) -> tuple[Results, Path]:
    """The run of the command line, and the folder of its summary.

    Args:
        doc: What the script says of itself.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run folder")
    parser.add_argument("out", type=Path, help="folder of the summary")
    arguments = parser.parse_args()
    return load_results(arguments.run), arguments.out


def about(results: Results) -> dict[str, Any]:
    """How a run is repeated, and what of it failed or is missing."""
    head, matrix = results.head, results.head.document
    return {
        "name": head.name,
        "command": re.sub(r" --out \S+", "", head.command),
        "versions": {
            "frontdef": head.frontdef,
            **{name: head.versions[name] for name in NAMED if name in head.versions},
        },
        "device": head.device,
        "seed": matrix["seed"],
        "samples": matrix["samples"],
        "train_samples": matrix.get("train_samples"),
        "datasets": matrix["datasets"] if "datasets" in matrix else [matrix["dataset"]],
        "wall": round(sum(job.about.get("wall", 0.0) for job in results.jobs)),
        "notes": head.notes,
        "failures": [failure["what"] for failure in results.failures()],
        "missing": Counter(job.entry.table for job in results.jobs if job.status == "missing"),
    }


def write(out: Path, said: Any, frames: Mapping[str, pd.DataFrame], digits: int = 10) -> None:
    """Write ``about.json`` and a CSV file for each frame that has rows.

    Args:
        out: The folder of the summary.
        said: What stands in ``about.json``.
        frames: Name of the file → its rows.
        digits: Digits of a number.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / "about.json").write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for name, frame in frames.items():
        if frame.empty:
            continue
        frame.to_csv(out / f"{name}.csv", index=False, float_format=f"%.{digits}g", lineterminator="\n")
