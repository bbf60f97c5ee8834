"""Small drawings as inline SVG, in percent: they fill their box while text and strokes keep their size."""

from __future__ import annotations

import math

from markupsafe import Markup

from frontdef.report.palette import SERIES

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


def percent(share: float) -> str:
    """A share 0…1 as an SVG percentage."""
    return f"{100 * share:.6g}%"


def style(number: int) -> str:
    """CSS classes of a series: colors, markers and dashes repeat with different periods."""
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
