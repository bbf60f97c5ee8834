"""Inline SVG: positions in percent, so that drawings fill their box while text and strokes keep their size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from frontdef.report.palette import SERIES
from frontdef.threat import format_eps

MARKERS: tuple[str, ...] = (
    "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0Z",
    "M-3.6,-3.6h7.2v7.2h-7.2Z",
    "M0,-4.8L4.6,3.4H-4.6Z",
    "M0,-5L5,0L0,5L-5,0Z",
    "M0,4.8L4.6,-3.4H-4.6Z",
    "M-4,-1.4h2.6v-2.6h2.8v2.6h2.6v2.8h-2.6v2.6h-2.8v-2.6h-2.6Z",
)
"""Shapes around the origin, in px."""

_TICKS = (0, 25, 50, 75, 100)


@dataclass(frozen=True)
class Line:
    """A line of the chart: the defense's number, its name, and accuracies 0…1 at each ε (None where there is none)."""

    number: int
    name: str
    values: Sequence[float | None]


def percent(share: float) -> str:
    """A share 0…1 as an SVG percentage."""
    return f"{100 * share:.6g}%"


def style(number: int) -> str:
    """CSS classes of a series: colours, markers and dashes repeat with different periods."""
    return f"s{number % SERIES} dash{number // SERIES % 3}"


def marker(number: int) -> str:
    """Path of a series' marker."""
    return MARKERS[number % len(MARKERS)]


def bracket(certified: float, worst: float, low: float, high: float, clean: float) -> Markup:
    """A defense's bar: hatched where certified, pale up to the worst case, a solid end with its interval, a clean tick.

    Args:
        certified: Share that is certified; NaN where nothing was certified.
        worst: Share that no attack broke.
        low: Lower end of its interval.
        high: Upper end of its interval.
        clean: Accuracy without attack.
    """
    proved = 0.0 if math.isnan(certified) else min(certified, worst)
    grid = "".join(f'<line class="grid" x1="{t}%" x2="{t}%" y1="-30" y2="60"/>' for t in _TICKS)
    return Markup(
        '<svg class="bar" height="30" aria-hidden="true" focusable="false">'
        f'{grid}<rect class="open" x="{percent(proved)}" width="{percent(worst - proved)}" y="11" height="8"/>'
        f'<rect class="proved" x="0" width="{percent(proved)}" y="11" height="8"/>'
        f'<line class="span" x1="{percent(low)}" x2="{percent(high)}" y1="15" y2="15"/>'
        f'<line class="low" x1="{percent(low)}" x2="{percent(low)}" y1="11.5" y2="18.5"/>'
        f'<line class="high" x1="{percent(high)}" x2="{percent(high)}" y1="11.5" y2="18.5"/>'
        f'<rect class="end" x="{percent(worst)}" width="5" y="8" height="14" rx="1" transform="translate(-2.5 0)"/>'
        f'<line class="clean" x1="{percent(clean)}" x2="{percent(clean)}" y1="4" y2="26"/></svg>'
    )


def axis() -> Markup:
    """The scale above the bars."""
    marks = "".join(f'<text class="tick" x="{t}%" y="12">{t}</text>' for t in _TICKS)
    return Markup(f'<svg class="bar axis" height="16" aria-hidden="true" focusable="false">{marks}</svg>')


def swatch(number: int) -> Markup:
    """A series' line and marker, for the table that is its legend."""
    return Markup(
        f'<svg class="swatch {style(number)}" width="28" height="12" aria-hidden="true" focusable="false">'
        f'<line x1="0" x2="28" y1="6" y2="6"/><path d="{marker(number)}" transform="translate(14 6)"/></svg>'
    )


def chart(radii: Sequence[float], settings: Sequence[int | str], lines: Sequence[Line], label: str) -> Markup:
    """Accuracy (0…100 %) against ε, from 0 to the largest radius.

    Args:
        radii: The ε of the values, ascending, beginning with 0.
        settings: Number of the setting of each radius; empty for the clean images.
        lines: One a defense.
        label: What the chart shows, for those who can't see it.
    """
    widest = max(radii) or 1.0
    x = [eps / widest for eps in radii]
    grid = "".join(
        f'<line class="grid" x1="0" x2="100%" y1="{t}%" y2="{t}%"/>'
        f'<text class="ytick" x="-8" y="{100 - t}%" dy="4">{t}</text>'
        for t in _TICKS
    )
    ticks = "".join(
        f'<line class="grid" x1="{percent(at)}" x2="{percent(at)}" y1="0" y2="100%"/>'
        f'<text class="tick" x="{percent(at)}" y="100%" dy="18">{format_eps(eps) if eps else "clean"}</text>'
        for at, eps in _spread(x, radii)
    )
    title = '<text class="tick" x="50%" y="100%" dy="34">ε</text>'
    drawn = "".join(_line(line, x, settings) for line in lines)
    return Markup('<svg class="chart" height="300" role="img" aria-label="{}">{}{}{}{}</svg>').format(
        label, Markup(grid), Markup(ticks), Markup(title), Markup(drawn)
    )


def _spread(x: Sequence[float], radii: Sequence[float]) -> list[tuple[float, float]]:
    kept: list[tuple[float, float]] = []
    for at, eps in zip(x, radii, strict=True):
        if not kept or at - kept[-1][0] >= 0.11:
            kept.append((at, eps))
    return kept


def _line(line: Line, x: Sequence[float], settings: Sequence[int | str]) -> Markup:
    points = [(at, value, s) for at, value, s in zip(x, line.values, settings, strict=True) if value is not None]
    path = " ".join(f"{100 * at:.6g},{100 - 100 * value:.6g}" for at, value, _ in points)
    markers = "".join(
        f'<svg class="point" data-at="{s}" x="{percent(at)}" y="{percent(1 - value)}">'
        f'<path d="{marker(line.number)}"/></svg>'
        for at, value, s in points
    )
    return Markup(
        '<g class="series {}" data-d="{}"><title>{}</title>'
        '<svg viewBox="0 0 100 100" preserveAspectRatio="none" width="100%" height="100%">'
        '<polyline points="{}" vector-effect="non-scaling-stroke"/></svg>{}</g>'
    ).format(style(line.number), line.number, line.name, path, Markup(markers))
