"""Small run folders with numbers made by hand: no model is trained, no attack is run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from frontdef.analysis.study import load_study
from frontdef.analysis.tables import TABLES as STUDY
from frontdef.matrix.tables import CERTIFIED, FIGURES, METRICS, RECORDS
from frontdef.runs.table import Rows
from tests.run_writer import RunWriter

SAMPLES = 20
MODEL = {"dataset": "digits", "classifier": "cnn", "defense": "none"}
ABOUT = {
    **MODEL, "network": "cnn", "training": "trained here", "defense_id": "none", "surrogate": "", "source": "",
    "library": "native", "family": "pgd", "norm": "linf", "eps": 0.1, "judged_eps": 0.1, "seed": 0,
    "parameters": '{"steps": 10}', "library_version": "1",
}  # fmt: skip


def records(broken, *, label=0, correct=None, reach=0.1) -> Rows:
    """Rows of a cell that broke some of its samples, with the examples."""
    broken = np.isin(np.arange(SAMPLES), list(broken))
    correct = np.ones(SAMPLES, bool) if correct is None else np.asarray(correct, bool)
    yes = np.ones(SAMPLES, bool)
    predicted = (broken | ~correct).astype(int)
    columns = {
        "sample_id": np.arange(SAMPLES), "label": np.full(SAMPLES, label), "clean_correct": correct,
        "clean_prediction": (~correct).astype(int), "target": np.full(SAMPLES, -1), "adversarial_prediction": predicted,
        "adversarial_majority": predicted, "linf": np.full(SAMPLES, reach), "l2": np.full(SAMPLES, 8 * reach),
        "l1": np.full(SAMPLES, 64 * reach), "l0": np.full(SAMPLES, 64.0), "in_box": yes, "finite": yes, "valid": yes,
        "success": predicted != label, "success_majority": predicted != label,
    }  # fmt: skip
    return Rows(
        columns,
        {
            "forwards": 10.0, "backwards": 10.0, "seconds": 1.0, "batch": SAMPLES, "call": "made", "difference": "",
            "causes": [], "weakens": [], "strengthens": [], "caveat": "", "faults": [], "stages": [],
            "robust_accuracy": float((correct & ~broken).mean()), "rounding": None, "rounding_samples": None,
        },
        {"x_adv": torch.full((SAMPLES, 1, 8, 8), reach)},
    )  # fmt: skip


def matrix_run(root: Path, cells: dict | None = None, **head) -> Path:
    """A run of a matrix.

    Args:
        root: The folder.
        cells: Key → what differs from `ABOUT`, and ``broken``: samples; None for a job that is missing, or a text for
            one that has failed.
        head: What ``run.json`` says beside.
    """
    writer = RunWriter(root)
    for key, cell in (cells or two_libraries()).items():
        about = {"cell": key, **ABOUT, **{name: value for name, value in cell.items() if name in ABOUT}}
        broken = cell.get("broken")
        rows = None if broken is None or isinstance(broken, str) else records(broken, correct=cell.get("correct"))
        writer.add(RECORDS, key, about, rows, failure=broken if isinstance(broken, str) else "")
    samples = {"sample_id": np.arange(SAMPLES)}
    writer.add(CERTIFIED, "proof", {**MODEL, "norm": "linf", "eps": 0.1},
               Rows({**samples, "certified": np.arange(SAMPLES) < 3}))  # fmt: skip
    metric = {**MODEL, "metric": "energy", "parameters": "{}", "unit": ""}
    writer.add(METRICS, "metric", metric, Rows({**samples, "quantity": "x", "value": np.linspace(0, 1, SAMPLES)}))
    pictures = {"edges": torch.zeros(2, 1, 8, 8)}
    writer.add(FIGURES, "figures", MODEL, Rows({"title": ["edges"], "pictures": [2]}, {}, pictures))
    images = torch.zeros(SAMPLES, 1, 8, 8)
    writer.clean("samples", {"images": images, "labels": torch.zeros(SAMPLES).long(), "ids": torch.arange(SAMPLES)})
    writer.finish(**{
        "samples": {"digits": "samples"}, "document": {"name": "made", "seed": 0}, "command": "frontdef run made.toml",
        "radii": {"linf": (0.1,)}, **head,
    })  # fmt: skip
    return root


def two_libraries() -> dict:
    """Cells of two libraries that agree, one that has failed and one that is missing."""
    return {
        "a": {"broken": range(3, 12)},
        "b": {"broken": range(3, 12), "library": "art"},
        "c": {"broken": "Traceback: no memory", "family": "fgsm"},
        "d": {"family": "square"},
    }


def study_run(root: Path) -> Path:
    """A run of a study."""
    writer = RunWriter(root)
    layer = {"layer": [1], "label": ["conv1"]}
    writer.add(STUDY["layers"], "l", {"model": "cnn"}, Rows({**layer, "name": ["0"], "kind": ["convolution"]}))
    ratios = {"layer": [1, 1], "label": ["conv1"] * 2, "p": [2.0] * 2, "sample_id": [0, 1], "ratio": [0.1, 0.3]}
    accuracies = {f"{on}_{what}": 0.5 for on in ("clean", "adversarial") for what in ("accuracy", "loss")}
    writer.add(STUDY["ratios"], "r", {"model": "cnn"}, Rows(ratios, accuracies))
    writer.finish(kind="study", document=load_study(None).model_dump(mode="json"), command="frontdef analyze made.toml")
    return root
