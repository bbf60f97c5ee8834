"""How the runner itself scales: planning, resuming, compacting, summarizing and reporting, with synthetic cells.

    python benchmarks/scale.py                     # 100,000 cells on 50 models, and a report of 4,000
    python benchmarks/scale.py --cells 10000

The plan is a real one, made from a matrix; the rows of its cells are drawn instead of attacked, and written by the
store's own code. Each step is a process of its own: wall and processor time, and the most memory that it held.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from frontdef.runs.packs import JOBS, RowBlock

MODELS = 50
RADII = 20
LIBRARIES = ("native", "art", "torchattacks", "foolbox")
SAMPLES = 16

STEPS = ("plan", "write", "resume", "summarize")

SMALL = ("write small files", "resume small files", "compact", "report", "verify")
"""Of the run that is reported."""


def matrix(cells: int, samples: int) -> dict[str, Any]:
    """A matrix of so many cells: models × variants of PGD × radii × libraries."""
    variants = max(1, round(cells / (MODELS * RADII * len(LIBRARIES))))
    radii = [round(0.01 * (i + 1), 2) for i in range(RADII)]
    return {
        "name": "scale",
        "samples": samples,
        "classifiers": ["fc2"],
        "libraries": list(LIBRARIES),
        "defense": [{"name": "none", "label": f"model {i}", "recipe": [{"epochs": i + 1}]} for i in range(MODELS)],
        "attack": [{"family": "pgd", "eps": radii, "parameters": {"steps": steps + 1}} for steps in range(variants)],
    }


def make(cells: int, samples: int) -> Any:
    """The plan."""
    from frontdef.matrix.entries import Matrix
    from frontdef.matrix.plan import make_plan

    return make_plan(Matrix.model_validate(matrix(cells, samples)))


def settings(out: Path) -> Any:
    """Of a run into a folder."""
    from frontdef.runs.run import Settings

    return Settings(out=out)


def begin(out: Path, cells: int, samples: int) -> tuple[Any, Any, Any]:
    """A run folder that says what is asked for, and holds the images: its plan, its store and the samples."""
    from frontdef.runs.run import head_of
    from frontdef.runs.store import Store

    plan, store = make(cells, samples), Store(out)
    store.write_head(head_of(plan, f"frontdef run --out {out}"))
    split = next(iter(plan.samples.values())).load(None, False)
    for asked in plan.samples.values():
        store.write_tensors("clean", asked.key, {"images": split.images, "labels": split.labels, "ids": split.ids})
    return plan, store, split


def drawn(jobs: Sequence[Any], split: Any) -> RowBlock:
    """What attacks might have found: rows of cells, the same images right in every cell of a model."""
    samples = len(split)
    rng = np.random.default_rng(len(jobs))
    shape = (len(jobs), samples)
    labels = np.broadcast_to(split.labels.numpy(), shape)
    eps = np.array([job.spec.threat.eps for job in jobs])
    titles = [job.row.entry.title for job in jobs]
    right = {title: np.random.default_rng(i).random(samples) < 0.95 for i, title in enumerate(dict.fromkeys(titles))}
    correct = np.stack([right[title] for title in titles])
    fell = rng.random(shape) < 2 * eps[:, None]
    predicted = np.where(fell | ~correct, (labels + 1) % 10, labels)
    yes = np.ones(shape, bool)
    columns = {
        "sample_id": np.broadcast_to(split.ids.numpy(), shape), "label": labels,
        "clean_prediction": np.where(correct, labels, (labels + 1) % 10), "clean_correct": correct,
        "target": np.full(shape, -1), "adversarial_prediction": predicted, "adversarial_majority": predicted,
        "linf": np.broadcast_to(eps[:, None], shape), "l2": rng.random(shape), "l1": rng.random(shape),
        "l0": np.full(shape, 64.0), "in_box": yes, "finite": yes, "valid": yes, "success": predicted != labels,
        "success_majority": predicted != labels, "loss_clean": rng.random(shape), "loss_adv": rng.random(shape),
        "margin": rng.standard_normal(shape),
    }  # fmt: skip
    abouts = [
        {
            "forwards": 40.0, "backwards": 40.0, "seconds": 1.0, "batch": samples, "call": "drawn", "difference": "",
            "causes": [], "caveat": "", "faults": [], "robust_accuracy": float(share), "wall": 1.0,
        }
        for share in (correct & ~fell).mean(1)
    ]  # fmt: skip
    rows = pa.table({name: np.ascontiguousarray(values).reshape(-1) for name, values in columns.items()})
    return RowBlock([job.key for job in jobs], [samples] * len(jobs), abouts, rows)


def write(out: Path, cells: int, samples: int) -> None:
    """Fill the folder with packs, as a run and a compaction would, but for what its attacks would find."""
    plan, store, split = begin(out, cells, samples)
    cells_of_plan = plan.of("records")
    for first in range(0, len(cells_of_plan), JOBS):
        store.packs.write("records", drawn(cells_of_plan[first : first + JOBS], split))
    figures(plan, store)


def write_small(out: Path, cells: int, samples: int) -> None:
    """The same with a file a cell, as a run leaves it, and the examples beside it."""
    from frontdef.runs.store import encode
    from frontdef.runs.table import Rows

    plan, store, split = begin(out, cells, samples)
    jobs = plan.of("records")
    block = drawn(jobs, split)
    for job, start, about in zip(jobs, block.starts, block.abouts, strict=True):
        columns = {
            name: values.to_numpy()
            for name, values in zip(block.rows.column_names, block.rows.slice(start, samples).columns, strict=True)
        }
        examples = {"x_adv": split.images, "seen": split.images}
        store.write("records", job.key, encode(job.table, job.key, Rows(columns, about)), examples)
    figures(plan, store)


def figures(plan: Any, store: Any) -> None:
    """No pictures, of every model."""
    from frontdef.runs.store import encode
    from frontdef.runs.table import Rows

    for job in plan.of("figures"):
        nothing = Rows({name: [] for name in job.table.stored}, {"wall": 0.0})
        store.write("figures", job.key, encode(job.table, job.key, nothing), {})


def resume(out: Path, cells: int, samples: int) -> dict[str, float]:
    """A run that finds everything done; what it takes beside the plan."""
    from rich.console import Console

    from frontdef.runs.progress import PlainProgress
    from frontdef.runs.run import run

    plan = make(cells, samples)
    with open(os.devnull, "w") as nowhere:
        started = _now()
        summary = run(plan, settings(out), PlainProgress(Console(file=nowhere)))
    assert not summary.ran
    assert len(summary.cached) == len(plan.jobs)
    return _since(started)


def summarize(out: Path, cells: int, samples: int) -> None:
    """What ``frontdef results RUN`` shows."""
    from rich.console import Console

    from frontdef.cli.show import show
    from frontdef.runs.results import load_results

    with open(os.devnull, "w") as nowhere:
        show(Console(file=nowhere), load_results(out))


def report(out: Path, cells: int, samples: int) -> dict[str, float]:
    """The HTML report."""
    from frontdef.runs.results import load_results

    return {"megabytes": load_results(out).report().stat().st_size / 1e6}


def compact(out: Path, cells: int, samples: int) -> dict[str, float]:
    """Many small files into few."""
    from frontdef.runs.compact import compact as pack
    from frontdef.runs.store import Store

    pack(Store(out))
    return {"files": float(sum(path.is_file() for path in out.rglob("*")))}


def verify(out: Path, cells: int, samples: int) -> None:
    """What ``frontdef verify RUN`` does."""
    from frontdef.runs.integrity import inspect
    from frontdef.runs.store import Store

    audit = inspect(Store(out))
    assert not audit.damaged
    assert audit.missing == 0


WORK: dict[str, Callable[[Path, int, int], dict[str, float] | None]] = {
    "plan": lambda out, cells, samples: {"jobs": float(len(make(cells, samples).jobs))},
    "write": write,
    "write small files": write_small,
    "resume small files": resume,
    "compact": compact,
    "resume": resume,
    "summarize": summarize,
    "verify": verify,
    "report": report,
}

SHOWN = ("frontdef.cli.tables.robustness", "frontdef.matrix.results", "frontdef.matrix.kind")

NEEDED = {"summarize": SHOWN, "report": (*SHOWN, "frontdef.report.build"), "verify": SHOWN}
"""Step → what is imported before it starts."""


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _since(started: tuple[float, float]) -> dict[str, float]:
    return {"seconds": time.perf_counter() - started[0], "processor": time.process_time() - started[1]}


def work(step: str, out: Path, cells: int, samples: int) -> None:
    """One step, in a process of its own; its imports are not counted."""
    for module in NEEDED.get(step, ("frontdef.matrix.plan", "frontdef.runs.run")):
        importlib.import_module(module)
    started = _now()
    figures = WORK[step](out, cells, samples) or {}
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({"step": step, **_since(started), "gibibytes": memory, **figures}), flush=True)


def _told(options: argparse.Namespace, figures: list[dict[str, Any]]) -> dict[str, Any]:
    """What is written: the figures, and where they come from."""
    asked = f"python benchmarks/scale.py --cells {options.cells} --report-cells {options.report_cells}"
    if options.steps != ",".join(STEPS):
        asked += f" --steps '{options.steps}'"
    return {
        "command": asked,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in ("torch", "pyarrow")}},
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "samples": options.samples,
        "models": MODELS,
        "steps": figures,
    }


def main() -> None:
    """Run the steps one after the other, each in a process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--report-cells", type=int, default=4_000)
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--keep", type=Path, help="Folder to work in, kept; default: a temporary one.")
    parser.add_argument("--steps", default=",".join(STEPS), help="Which, separated by commas.")
    parser.add_argument("--json", type=Path, help="Write the figures there as well.")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        work(options.one, options.keep, options.cells, options.samples)
        return
    folder = options.keep or Path(tempfile.mkdtemp())
    asked = [(step, options.cells, folder / "scale") for step in options.steps.split(",") if step]
    if options.report_cells:
        asked += [(step, options.report_cells, folder / "report") for step in SMALL]
    figures = []
    for step, cells, out in asked:
        command = [sys.executable, __file__, "--one", step, "--keep", str(out), "--cells", str(cells)]
        command += ["--samples", str(options.samples)]
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1]
        figures.append({"cells": cells, **json.loads(said)})
        rest = {k: round(v, 2) for k, v in figures[-1].items() if k != "step"}
        print(f"{step:20} {rest}", flush=True)
        if options.json:
            options.json.write_text(json.dumps(_told(options, figures), indent=1) + "\n")
    if not options.keep:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
