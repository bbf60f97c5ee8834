"""The line chart of the pages, as inline SVG in percent: drawings fill their box, text and strokes keep their size."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from frontdef.report.axes import Axis
from frontdef.report.svg import marker, percent, style

APART = 0.09
"""Names of places that are closer, as a share of the width, would overlap: they are left out."""


@dataclass(frozen=True)
class Line:
    """A line: the number that decides its color and marker, its name, a value a place (None where there is none)."""

    number: int
    name: str
    values: Sequence[float | None]


@dataclass(frozen=True)
class Place:
    """Where values stand.

    Args:
        at: 0 at the left end of the horizontal axis, 1 at its right.
        name: What stands below it.
        key: For the page's script; empty where it has no use for it.
    """

    at: float
    name: str
    key: str = ""


def number(value: float | None) -> str:
    """A number with three digits, as it is said in a table; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return text.replace("-", "−")


def side_by_side(names: Sequence[str]) -> list[Place]:
    """Places at equal distances: layers, or cuts."""
    return [Place(i / max(len(names) - 1, 1), name) for i, name in enumerate(names)]


def chart(
    places: Sequence[Place],
    lines: Sequence[Line],
    axis: Axis,
    *,
    label: str,
    unit: str,
    across: str,
    said: Callable[[float], str] = number,
) -> Markup:
    """Lines over places.

    Args:
        places: From left to right.
        lines: With a value a place.
        axis: Of the values.
        label: What the chart shows, for those who can't see it.
        unit: What stands at the vertical axis.
        across: What stands at the horizontal one.
        said: A tick of the axis in words.
    """
    grid = Markup("").join(
        Markup(
            '<line class="grid" x1="0" x2="100%" y1="{0}" y2="{0}"/>'
            '<text class="ytick" x="-8" y="{0}" dy="4">{1}</text>'
        ).format(percent(1 - axis.place(tick)), said(tick))
        for tick in axis.ticks
    )
    names = Markup("").join(
        Markup(
            '<line class="grid" x1="{0}" x2="{0}" y1="0" y2="100%"/>'
            '<text class="tick" x="{0}" y="100%" dy="18">{1}</text>'
        ).format(percent(place.at), place.name)
        for place in _apart(places)
    )
    titles = Markup(
        '<text class="ytick unit" x="-8" y="0" dy="-12">{}</text><text class="tick" x="50%" y="100%" dy="36">{}</text>'
    ).format(unit, across)
    drawn = Markup("").join(_line(line, places, axis) for line in lines)
    return Markup('<svg class="chart" height="280" role="img" aria-label="{}">{}{}{}{}</svg>').format(
        label, grid, names, titles, drawn
    )


def _apart(places: Sequence[Place]) -> list[Place]:
    kept: list[Place] = []
    for place in places:
        if not kept or place.at - kept[-1].at >= APART:
            kept.append(place)
    return kept


def _line(line: Line, places: Sequence[Place], axis: Axis) -> Markup:
    points = [
        (place, 1 - axis.place(value))
        for place, value in zip(places, line.values, strict=True)
        if value is not None and math.isfinite(value)
    ]
    path = " ".join(f"{100 * place.at:.6g},{100 * y:.6g}" for place, y in points)
    markers = Markup("").join(
        Markup('<svg class="point" data-at="{}" x="{}" y="{}"><path d="{}"/></svg>').format(
            place.key, percent(place.at), percent(y), marker(line.number)
        )
        for place, y in points
    )
    return Markup(
        '<g class="series {}" data-d="{}"><title>{}</title>'
        '<svg viewBox="0 0 100 100" preserveAspectRatio="none" width="100%" height="100%">'
        '<polyline points="{}" vector-effect="non-scaling-stroke"/></svg>{}</g>'
    ).format(style(line.number), line.number, line.name, path, markers)
