"""What is measured of one model: a function for each table, from a model and samples to columns."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from frontdef.analysis.filters import batch_norm_statistics, filters_first, normalized_sparsity, sparsity
from frontdef.analysis.layers import BATCH_NORM, CONVOLUTION, Layer, filtered, input_shapes, linear_list, seen
from frontdef.analysis.perturb import as_bytes, craft, judge
from frontdef.analysis.ratio import layer_ratios
from frontdef.analysis.settings import LayerSettings
from frontdef.analysis.spectrum import singular_values
from frontdef.analysis.tables import TABLES
from frontdef.datasets import Split
from frontdef.errors import ConfigError
from frontdef.protected import Protected

INPUT = ("input", "input")
"""Label and kind of layer 0."""

Columns = dict[str, Any]
Measured = tuple[Columns, dict[str, Any]]
"""A table's columns, and what else is worth knowing."""


def layers(protected: Protected, split: Split, _settings: LayerSettings, _seed: int) -> Measured:
    """The linear list itself."""
    listed = linear_list(protected)
    reads = input_shapes(protected, listed, split.images[:1].to(protected.device))
    rows: list[dict[str, Any]] = [
        {"layer": 0, "label": INPUT[0], "name": "", "kind": INPUT[1], "shape": "", "parameters": 0,
         "reads": _shape(split.images.shape[1:])}
    ]  # fmt: skip
    for layer in listed:
        own = layer.parameters()
        rows.append(
            {**_where(layer), "name": layer.name, "kind": layer.kind, "shape": _shape(own[0].shape) if own else "",
             "parameters": sum(parameter.numel() for parameter in own), "reads": _shape(reads.get(layer.number, ()))}
        )  # fmt: skip
    return _columns(rows, "layers"), {}


def ratios(protected: Protected, split: Split, settings: LayerSettings, seed: int) -> Measured:
    """Perturbation-to-signal ratios under an attack on the model itself."""
    attacked = craft(protected, split.images, split.labels, settings.attack, seed=seed)
    if settings.ratio.truncate:
        attacked = as_bytes(attacked)
    device = protected.device
    norms = settings.ratio.norms
    by_norm = layer_ratios(protected, split.images.to(device), attacked.to(device), p=norms, seed=seed)
    labels = {0: INPUT[0], **{layer.number: layer.label for layer in seen(protected)}}
    (clean_loss, clean), (attacked_loss, fell) = (judge(protected, x, split.labels) for x in (split.images, attacked))
    parts = [
        {
            "layer": np.full(len(split), number, dtype=np.int32),
            "label": [labels[number]] * len(split),
            "p": np.full(len(split), p),
            "sample_id": split.ids.numpy(),
            "ratio": values.numpy(),
            "clean_correct": clean.numpy(),
            "attacked_correct": fell.numpy(),
        }
        for p in norms
        for number, values in by_norm[p].items()
    ]
    about = {
        "clean_accuracy": float(clean.double().mean()),
        "clean_loss": float(clean_loss.mean()),
        "adversarial_accuracy": float(fell.double().mean()),
        "adversarial_loss": float(attacked_loss.mean()),
        "attack": str(settings.attack.threat),
    }
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, about


def filters(protected: Protected, _split: Split, _settings: LayerSettings, _seed: int) -> Measured:
    """How sparse the filters of convolutions and linear layers are."""
    rows: list[dict[str, Any]] = []
    for layer in filtered(protected):
        weight = filters_first(layer.module).cpu()
        pairs = zip(sparsity(weight).tolist(), normalized_sparsity(weight).tolist(), strict=True)
        rows += [
            {**_where(layer), "filter": number, "size": weight[0].numel(), "sparsity": value, "normalized": share}
            for number, (value, share) in enumerate(pairs)
        ]
    return _columns(rows, "filters"), {}


def batch_norm(protected: Protected, _split: Split, _settings: LayerSettings, _seed: int) -> Measured:
    """What the batch norms hold; no row for a model without any."""
    rows: list[dict[str, Any]] = []
    for layer in linear_list(protected):
        if layer.kind == BATCH_NORM:
            values = {name: value.tolist() for name, value in batch_norm_statistics(layer.module).items()}
            rows += [
                {**_where(layer), "channel": channel, **dict(zip(values, row, strict=True))}
                for channel, row in enumerate(zip(*values.values(), strict=True))
            ]
    return _columns(rows, "batch_norm"), {}


def spectra(protected: Protected, split: Split, settings: LayerSettings, _seed: int) -> Measured:
    """Singular values of the convolutions, and of the linear layers where these are asked for."""
    chosen = [layer for layer in filtered(protected) if settings.weights.linear or layer.kind == CONVOLUTION]
    reads = input_shapes(protected, tuple(chosen), split.images[:1].to(protected.device))
    rows: list[dict[str, Any]] = []
    skipped: dict[str, str] = {}
    if not chosen:
        skipped["any layer"] = "there is no convolution; [weights] linear = true measures linear layers"
    for layer in chosen:
        if layer.number not in reads:
            skipped[layer.name] = "the forward pass never calls it"
            continue
        try:
            spectrum = singular_values(
                layer.module,
                reads[layer.number],
                top=settings.weights.top,
                dense_limit=settings.weights.dense_limit,
            )
        except ConfigError as error:
            skipped[layer.name] = str(error)
            continue
        largest = float(spectrum.values[0])
        rows += [
            {**_where(layer), "place": place, "value": value, "relative": value / largest if largest else math.nan,
             "count": spectrum.count, "method": spectrum.method, "stable_rank": spectrum.stable_rank}
            for place, value in enumerate(spectrum.values.tolist(), 1)
        ]  # fmt: skip
    return _columns(rows, "singular_values"), {"skipped": skipped}


def evaluate(protected: Protected, split: Split, settings: LayerSettings, seed: int) -> dict[str, float]:
    """Loss (nats) and accuracy on clean and on attacked images, means over the samples."""
    attacked = craft(protected, split.images, split.labels, settings.attack, seed=seed)
    scores: dict[str, float] = {}
    for name, images in (("clean", split.images), ("adversarial", attacked)):
        loss, correct = judge(protected, images, split.labels)
        scores[f"{name}_loss"] = float(loss.double().mean())
        scores[f"{name}_accuracy"] = float(correct.double().mean())
    return scores


def _where(layer: Layer) -> dict[str, Any]:
    return {"layer": layer.number, "label": layer.label}


def _shape(shape: Any) -> str:
    return "×".join(str(size) for size in shape)


def _columns(rows: list[dict[str, Any]], table: str) -> Columns:
    return {name: [row[name] for row in rows] for name in TABLES[table].stored}
