"""Charts of the layers, as inline SVG in percent; text and strokes keep their size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from frontdef.report.layers.axes import Axis
from frontdef.report.svg import marker, percent, style


@dataclass(frozen=True)
class Line:
    """A line: the number that decides its colour and marker, its name, a value a place (None where there is none)."""

    number: int
    name: str
    values: Sequence[float | None]


def lines(places: Sequence[str], drawn: Sequence[Line], axis: Axis, *, label: str, unit: str, across: str) -> Markup:
    """Lines over places that stand side by side: layers, or cuts.

    Args:
        places: Names of the places.
        drawn: The lines.
        axis: Of the values.
        label: What the chart shows, for those who can't see it.
        unit: What stands at the vertical axis.
        across: What stands at the horizontal one.
    """
    spread = max(len(places) - 1, 1)
    grid = "".join(
        f'<line class="grid" x1="0" x2="100%" y1="{percent(1 - axis.place(t))}" y2="{percent(1 - axis.place(t))}"/>'
        f'<text class="ytick" x="-8" y="{percent(1 - axis.place(t))}" dy="4">{number(t)}</text>'
        for t in axis.ticks
    )
    every = max(1, math.ceil(len(places) / 12))
    names = "".join(
        f'<text class="tick" x="{percent(i / spread)}" y="100%" dy="18">{escape(name)}</text>'
        for i, name in enumerate(places)
        if i % every == 0
    )
    titles = Markup(
        '<text class="ytick unit" x="-8" y="0" dy="-12">{}</text><text class="tick" x="50%" y="100%" dy="36">{}</text>'
    ).format(unit, across)
    body = Markup("").join(_line(line, spread, axis) for line in drawn)
    return Markup('<svg class="chart" height="260" role="img" aria-label="{}">{}{}{}{}</svg>').format(
        label, Markup(grid), Markup(names), titles, body
    )


def _line(line: Line, spread: int, axis: Axis) -> Markup:
    points = [
        (i / spread, 1 - axis.place(value))
        for i, value in enumerate(line.values)
        if value is not None and math.isfinite(value)
    ]
    path = " ".join(f"{100 * x:.5g},{100 * y:.5g}" for x, y in points)
    markers = "".join(
        f'<svg class="point" x="{percent(x)}" y="{percent(y)}"><path d="{marker(line.number)}"/></svg>'
        for x, y in points
    )
    return Markup(
        '<g class="series {}"><title>{}</title><svg viewBox="0 0 100 100" preserveAspectRatio="none" width="100%" '
        'height="100%"><polyline points="{}" vector-effect="non-scaling-stroke"/></svg>{}</g>'
    ).format(style(line.number), line.name, path, Markup(markers))


def shapes(drawn: Sequence[tuple[int, str, Sequence[tuple[float, float]]]], axis: Axis, *, filled: bool) -> Markup:
    """A row's small figure: histograms (filled) or falling curves, on one scale from left to right.

    Args:
        drawn: Number, name, and points ``(x, y)`` in 0…1, x ascending.
        axis: Whose ticks are drawn as a grid.
        filled: Whether the area below is filled.
    """
    grid = "".join(
        f'<line class="grid" x1="{percent(axis.place(t))}" x2="{percent(axis.place(t))}" y1="-30" y2="90"/>'
        for t in axis.ticks
    )
    parts = []
    for index, name, points in drawn:
        if not points:
            continue
        path = " ".join(f"{'L' if i else 'M'}{100 * x:.4g},{100 - 96 * y:.4g}" for i, (x, y) in enumerate(points))
        area = f'<path class="area" d="{path} Z"/>' if filled else ""
        edge = f'<path class="edge" d="{path}" vector-effect="non-scaling-stroke"/>'
        parts.append(
            Markup('<g class="shape {}"><title>{}</title>{}</g>').format(style(index), name, Markup(area + edge))
        )
    return Markup(
        '<svg class="bar" height="46" aria-hidden="true" focusable="false">{}<svg viewBox="0 0 100 100" '
        'preserveAspectRatio="none" width="100%" height="100%" class="over">{}</svg></svg>'
    ).format(Markup(grid), Markup("").join(parts))


def scale(axis: Axis) -> Markup:
    """The scale above such figures."""
    kept: list[float] = []
    for tick in axis.ticks:
        if not kept or axis.place(tick) - axis.place(kept[-1]) > 0.08:
            kept.append(tick)
    marks = "".join(f'<text class="tick" x="{percent(axis.place(t))}" y="12">{number(t)}</text>' for t in kept)
    return Markup(f'<svg class="bar axis" height="16" aria-hidden="true" focusable="false">{marks}</svg>')


def number(value: float | None) -> str:
    """A number with three digits, as it is said in a table; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return text.replace("-", "−")
