"""Models that are at hand: any torch classifier, without a data set or a training that frontdef knows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import nn

from frontdef._version import __version__
from frontdef.analysis.measure import MEASURES, state_bytes
from frontdef.analysis.results import Analysis
from frontdef.analysis.settings import Settings
from frontdef.analysis.store import AnalysisStore
from frontdef.analysis.units import MEASURED, REVISION
from frontdef.config import build
from frontdef.datasets import Split
from frontdef.errors import ConfigError, UnknownNameError
from frontdef.images import as_images, as_labels
from frontdef.matrix.describe import versions
from frontdef.matrix.jobs import digest
from frontdef.models.live import borrowed


def analyze(
    models: Mapping[str, nn.Module],
    images: Any,
    labels: Any,
    *,
    out: str | Path,
    what: tuple[str, ...] = ("psr", "weights"),
    seed: int = 0,
    name: str = "layers",
    **settings: Any,
) -> Analysis:
    """Look into the layers of models, and keep what is found in a folder; what is there already is not done again.

    Partial training needs recipes and training images: `frontdef.analysis.run_study`, or `frontdef.analysis.retrain`.

    Args:
        models: Name → classifier, an ``nn.Module`` from images in [0,1] to logits, or a `Protected`. Left as it was.
        images: ``(N,C,H,W)`` in [0,1].
        labels: Class indices ``(N,)``.
        out: The folder.
        what: ``psr``, ``weights``, or both.
        seed: Of the attack.
        name: Title of the report.
        settings: As in a study's file: ``attack={"eps": 0.1, "steps": 40}``, ``ratio={"p": [1, 2]}``, ``weights={…}``.

    Returns:
        What was found.

    Raises:
        ConfigError: No model, or settings that are not allowed.
        UnknownNameError: Something else asked for than ``psr`` and ``weights``.
        ImageError: Images or labels that break the contract.
        StoreError: The folder can't be written, or holds something else.
    """
    if not models:
        raise ConfigError("no model is given: analyze({'natural': model}, images, labels, out='runs/layers')")
    for one in what:
        if one not in MEASURED:
            raise UnknownNameError("analysis", one, MEASURED, "Partial training: frontdef.analysis.run_study.")
    chosen = build(Settings, settings, "analyze")
    x = as_images(images)
    split = Split(x, torch.as_tensor(labels), torch.arange(len(x)))
    store = AnalysisStore(Path(out))
    units: list[dict[str, str]] = []
    todo: list[tuple[str, str, str]] = []
    pixels = hashlib.sha256(state_bytes({"images": x, "labels": split.labels})).hexdigest()
    for model, module in models.items():
        weights = hashlib.sha256(state_bytes(module.state_dict()) + repr(module).encode()).hexdigest()
        for table in dict.fromkeys(table for one in what for table in MEASURED[one]):
            key = digest([table, model, weights, pixels, chosen.model_dump(mode="json"), seed, REVISION, __version__])
            units.append(
                {"key": key, "table": table, "what": f"{table.replace('_', ' ')} {model}", "model": weights[:24]}
            )
            todo.append((model, table, key))
    study = {**chosen.model_dump(mode="json"), "name": name, "samples": len(x), "seed": seed, "what": list(what)}
    store.write_head(
        {
            "frontdef": __version__,
            "versions": versions(),
            "device": "",
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": "",
            "study": study,
            "units": units,
        }
    )
    for model, table, key in todo:
        if not store.has(table, key):
            with borrowed(models[model]) as protected:
                as_labels(labels, len(x), int(protected.predict(x[:1]).shape[1]))
                columns, about = MEASURES[table](protected, split, chosen, seed)
            store.write(table, key, {**columns, "model": model}, about)
    return Analysis(out)
