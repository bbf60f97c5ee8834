"""A row's small figures and their scale, as inline SVG in percent; text and strokes keep their size."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from frontdef.report.axes import Axis
from frontdef.report.chart import number
from frontdef.report.svg import percent, style


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
