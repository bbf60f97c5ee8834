"""From an analysis to what the page shows: curves over the layers, and a table of small figures for each statistic."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from frontdef.analysis.results import StudyResults
from frontdef.analysis.tables import labels_of
from frontdef.report import axes
from frontdef.report.axes import Axis
from frontdef.report.chart import Line

BINS = 48
POINTS = 120
OUTLIERS = 0.002
"""Share of the values at each end that may lie beyond the axis; they are counted in the last bin."""


@dataclass(frozen=True)
class LayerRow:
    """A layer: its names, a small figure (number, name, points), and a number for each model."""

    label: str
    name: str
    figure: Sequence[tuple[int, str, Sequence[tuple[float, float]]]]
    values: Sequence[float | None]


@dataclass(frozen=True)
class Panel:
    """A statistic of every layer, model against model.

    Args:
        key: For links.
        title: Heading.
        text: What is seen and how to read it.
        axis: Of the small figures.
        unit: What the axis is.
        head: Title of the numbers' columns, before the model's name.
        rows: One a layer.
        filled: Histograms, as opposed to curves.
    """

    key: str
    title: str
    text: str
    axis: Axis
    unit: str
    head: str
    rows: Sequence[LayerRow] = field(default_factory=tuple)
    filled: bool = True


@dataclass(frozen=True)
class Curves:
    """Lines over layers or cuts, with the table of their numbers."""

    title: str
    text: str
    places: Sequence[str]
    lines: Sequence[Line]
    axis: Axis
    unit: str
    across: str


def ratio_curves(analysis: StudyResults, models: Sequence[str]) -> list[Curves]:
    """Fig. 3.13: means in dB, one chart for each p."""
    ratios = analysis.table("psr")
    charts = []
    for p, here in ratios.groupby("p"):
        labels = labels_of(here)
        lines = [
            Line(i, model, _aligned(here[here["model"] == model].set_index("label")["db"], labels))
            for i, model in enumerate(models)
            if (here["model"] == model).any()
        ]
        axis = axes.linear([value for line in lines for value in line.values if value is not None])
        norm = _norm(p)
        title = f"Perturbation-to-signal ratio in {norm}"
        text = f"20·log10 of the mean over the images of ‖f(x) − f(x+e)‖ / ‖f(x)‖ in {norm}, equation 3.1."
        charts.append(Curves(title, text, labels, lines, axis, "dB", "output of layer"))
    return charts


def ratio_panels(analysis: StudyResults, models: Sequence[str]) -> list[Panel]:
    """Fig. 3.12: distributions over the images, one panel for each p."""
    ratios = analysis.table("ratios")
    return [
        _histograms(
            here, models, "ratio", f"ratios-{p:g}", f"Distribution over the images, {_norm(p)}",
            "One value an image, on a scale of factors: right of 1 the perturbation is larger than the signal.",
            unit="perturbation over signal", logarithmic=True, head="median",
        )
        for p, here in ratios.groupby("p")
    ]  # fmt: skip


BATCH_NORM = {
    "running_mean": ("Running means", "of what each channel of the batch norm reads, in the units of that layer."),
    "running_variance": ("Running variances", "of what each channel of the batch norm reads, on a scale of factors."),
    "gamma": ("Scale γ", "one value a channel."),
    "beta": ("Offset β", "one value a channel."),
}


def weight_panels(analysis: StudyResults, models: Sequence[str]) -> list[Panel]:
    """Figs. 3.14 to 3.21: sparsity of filters, singular values, batch norms."""
    filters, spectra, norms = (analysis.table(name) for name in ("filters", "singular_values", "batch_norm"))
    panels = []
    if len(filters):
        panels.append(
            _histograms(
                filters, models, "normalized", "filters", "How sparse are the filters?",
                "((‖w‖₁/‖w‖₂)² − 1)/(d − 1) of each filter: 0, a single value; 1, all of one size. Left is sparser.",
                unit="from sparse to even", head="median",
            )
        )  # fmt: skip
    if len(spectra):
        panels.append(_spectra(spectra, models))
    for column, (title, text) in BATCH_NORM.items():
        if len(norms) and norms[column].notna().any():
            panels.append(
                _histograms(
                    norms, models, column, column, f"Batch norm: {title[0].lower()}{title[1:]}", f"{title} {text}",
                    unit=title, head="median", logarithmic=column == "running_variance",
                )
            )  # fmt: skip
    return panels


PARTIAL = {
    "adversarial_loss": ("Loss under attack", "nats", "Higher is worse."),
    "adversarial_accuracy": ("Accuracy under attack", "%", "It may stand still where the loss still moves."),
    "clean_accuracy": ("Accuracy without attack", "%", "What the exchange costs on clean images."),
    "clean_loss": ("Loss without attack", "nats", "Higher is worse."),
}
MODES = {
    "block": ("Cut in two", "a code's first half is about all layers up to the one named, its second about the rest"),
    "single": ("One layer against all", "a code's first half is about the one layer named, its second about the rest"),
}  # fmt: skip


def partial_curves(analysis: StudyResults) -> list[tuple[str, str, list[Curves]]]:
    """Figs. 3.6 to 3.11: heading, text and charts of each mode."""
    measured = analysis.table("partial")
    sections = []
    for mode, (title, text) in MODES.items():
        here = measured[measured["mode"] == mode]
        if not len(here):
            continue
        cuts = here.sort_values("cut")[["cut", "label"]].drop_duplicates()
        codes = list(dict.fromkeys(here["code"]))
        means = here.groupby(["code", "cut"])[list(PARTIAL)].mean()
        charts = []
        for column, (name, unit, what) in PARTIAL.items():
            factor = 100 if unit == "%" else 1
            lines = [
                Line(i, code, [None if pd.isna(v) else factor * v for v in _series(means[column], code, cuts["cut"])])
                for i, code in enumerate(codes)
            ]
            values = [value for line in lines for value in line.values if value is not None]
            axis = axes.linear([*values, 100.0] if unit == "%" else values, zero=True)
            charts.append(Curves(name, what, list(cuts["label"]), lines, axis, unit, _across(mode)))
        sections.append((title, text, charts))
    return sections


def _across(mode: str) -> str:
    return "last layer before the cut" if mode == "block" else "the single layer"


def _series(means: pd.Series, code: str, cuts: pd.Series) -> list[float]:
    return [float(means.get((code, cut), math.nan)) for cut in cuts]


def _aligned(values: pd.Series, labels: Sequence[str]) -> list[float | None]:
    return [float(values[label]) if label in values.index else None for label in labels]


def _norm(p: Any) -> str:
    return {1.0: "ℓ1", 2.0: "ℓ2", math.inf: "ℓ∞"}.get(p, f"ℓp, p = {p:g}")


def _histograms(
    frame: pd.DataFrame,
    models: Sequence[str],
    column: str,
    key: str,
    title: str,
    text: str,
    *,
    unit: str,
    head: str,
    logarithmic: bool = False,
) -> Panel:
    finite = frame[np.isfinite(frame[column])]
    placed = finite.loc[finite[column] > 0, column] if logarithmic else finite[column]  # 0 falls into the first bin
    ends = placed.quantile([OUTLIERS, 1 - OUTLIERS]).tolist() if len(placed) else []
    axis = axes.logarithmic(ends) if logarithmic else axes.linear(ends, ticks=6)
    rows = _rows(finite, models, column, lambda values: _histogram(values, axis))
    return Panel(key, title, text, axis, unit, head, rows)


def _rows(
    frame: pd.DataFrame,
    models: Sequence[str],
    column: str,
    draw: Callable[[np.ndarray], list[tuple[float, float]]],
) -> list[LayerRow]:
    rows = []
    for label in labels_of(frame):
        here = frame[frame["label"] == label]
        values = {model: here.loc[here["model"] == model, column].to_numpy() for model in models}
        drawn = [(i, model, draw(values[model])) for i, model in enumerate(models) if len(values[model])]
        tallest = max((y for _, _, points in drawn for _, y in points), default=1.0) or 1.0
        scaled = [(i, model, [(x, y / tallest) for x, y in points]) for i, model, points in drawn]
        medians = [float(np.median(values[model])) if len(values[model]) else None for model in models]
        rows.append(LayerRow(label, "", scaled, medians))
    return rows


def _histogram(values: np.ndarray, axis: Axis) -> list[tuple[float, float]]:
    """Corners of the steps of a histogram whose area is 1, in 0…1 from left to right."""
    edges = axis.edges(BINS)
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    share = counts / max(counts.sum(), 1)
    corners = [(i / BINS, 0.0) for i in (0,)]
    for i, value in enumerate(share):
        corners += [(i / BINS, float(value)), ((i + 1) / BINS, float(value))]
    return [*corners, (1.0, 0.0)]


def _spectra(frame: pd.DataFrame, models: Sequence[str]) -> Panel:
    """Singular values over the largest, in descending order."""
    rows = []
    for label in labels_of(frame):
        here = frame[frame["label"] == label]
        drawn: list[tuple[int, str, list[tuple[float, float]]]] = []
        largest: list[float | None] = []
        for i, model in enumerate(models):
            spectrum = here[here["model"] == model].sort_values("place")
            if not len(spectrum):
                largest.append(None)
                continue
            chosen = np.unique(np.linspace(0, len(spectrum) - 1, POINTS).round().astype(int))
            relative = spectrum["relative"].to_numpy()
            drawn.append((i, model, [(float(c) / max(len(spectrum) - 1, 1), float(relative[c])) for c in chosen]))
            largest.append(float(spectrum["value"].iloc[0]))
        method = str(here["method"].iloc[0])
        note = f"{'the largest ' if method == 'lanczos' else 'all '}{here['place'].max():,}"
        note += f" of {here['count'].max():,}" if method == "lanczos" else ""
        rows.append(LayerRow(label, note, drawn, largest))
    return Panel(
        "singular-values",
        "Singular values of the convolutions",
        "Each layer as the linear operator that it is on its whole input: its singular values over the largest, from 1 "
        "at the top of a row to 0 at its bottom, in descending order. Across, the share of those that were computed.",
        Axis(0, 1, (0, 0.25, 0.5, 0.75, 1)),
        "share of the singular values that were computed",
        "largest",
        rows,
        filled=False,
    )  # fmt: skip
