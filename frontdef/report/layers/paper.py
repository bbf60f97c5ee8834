"""The ratios' curve as a figure for a paper, by matplotlib: SVG or PDF, the same bytes for the same numbers."""

from __future__ import annotations

import io
import math
from pathlib import Path

from matplotlib import style
from matplotlib.figure import Figure

from frontdef.analysis.results import StudyResults
from frontdef.errors import ConfigError, StoreError
from frontdef.report import palette
from frontdef.report.layers.figures import Curves, ratio_curves
from frontdef.whole import write_whole

FORMATS = ("svg", "pdf")

SIZE = (5.5, 3.3)
"""Inches: the width of a page of one column."""

STYLE = {
    "svg.hashsalt": "frontdef",  # ids are drawn at random without it
    "svg.fonttype": "none",
    "pdf.fonttype": 42,  # venues refuse Type 3 fonts
    "font.size": 9,
    "text.parse_math": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
}

NAMES = 30
"""At most so many layers are named below the figure."""

UNDATED = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}

MARKERS = "os^Dv"
DASHES = ("-", "--", ":")


def save_figure(analysis: StudyResults, path: Path) -> Path:
    """Write Fig. 3.13 of an analysis: the mean perturbation-to-signal ratio of each layer, in dB.

    Args:
        analysis: What was found; of several p, the first is drawn.
        path: Ends in ``.svg`` or ``.pdf``.

    Returns:
        ``path``.

    Raises:
        ConfigError: Another ending.
        StoreError: No ratios were measured, or the file can't be written.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise ConfigError(f"a figure is an SVG or a PDF by its ending, got {path.name!r}: name it {path.stem}.pdf")
    drawn = ratio_curves(analysis, analysis.models())
    if not drawn:
        raise StoreError(f"{analysis.path} holds no perturbation-to-signal ratios: `frontdef analyze … --what psr`")
    write_whole(path, render(drawn[0], kind))
    return path


def render(curves: Curves, kind: str) -> bytes:
    """Lines over layers with their legend.

    Args:
        curves: What is drawn; whatever its names contain, they are shown as text.
        kind: One of `FORMATS`.
    """
    buffer = io.BytesIO()
    with style.context(["default", STYLE]):
        _draw(curves).savefig(buffer, format=kind, metadata=UNDATED[kind])
    return buffer.getvalue()


def _draw(curves: Curves) -> Figure:
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.add_subplot()
    colors = palette.variables(dark=False)
    at = list(range(len(curves.places)))
    every = math.ceil(len(at) / NAMES)
    handles = [
        axes.plot(
            at,
            [float("nan") if value is None else value for value in line.values],
            color=colors[f"s{line.number % palette.SERIES}"],
            marker=MARKERS[line.number % len(MARKERS)],
            linestyle=DASHES[line.number // palette.SERIES % len(DASHES)],
            markersize=4,
            linewidth=1.3,
        )[0]
        for line in curves.lines
    ]
    axes.set_xticks(at[::every], curves.places[::every], rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(curves.axis.ticks)
    axes.set_ylim(curves.axis.low, curves.axis.high)
    axes.set_xlabel(curves.across)
    axes.set_ylabel(curves.unit)
    axes.set_title(curves.title, loc="left", fontsize="medium")
    axes.grid(alpha=0.25, linewidth=0.6)
    figure.legend(handles, [line.name for line in curves.lines], loc="outside lower left", ncols=2, frameon=False)
    return figure
