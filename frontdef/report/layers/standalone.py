"""The ratios' curve as a picture of its own, for a paper or a page: one SVG file, light colours."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from frontdef import weights
from frontdef.errors import StoreError
from frontdef.report import palette
from frontdef.report.layers import charts
from frontdef.report.layers.figures import Curves, ratio_curves
from frontdef.report.svg import marker
from frontdef.runs.results import Results

WIDTH, HEIGHT = 640, 380
LEFT, TOP = 64, 86

STYLE = """
text{font:12px system-ui,"Segoe UI",Roboto,"Noto Sans",sans-serif;fill:#555}
.tick{text-anchor:middle}.ytick{text-anchor:end}.grid{stroke:#ddd}.unit{font-weight:600}.name{fill:#222;font-size:13px}
polyline,.key line{fill:none;stroke:var(--series);stroke-width:2}.series path,.key path{fill:var(--series);stroke:#fff}
.dash1 :is(polyline,line){stroke-dasharray:6 4}.dash2 :is(polyline,line){stroke-dasharray:2 3}svg{overflow:visible}
"""


def save_figure(analysis: Results, path: Path) -> Path:
    """Write Fig. 3.13 of an analysis: the mean perturbation-to-signal ratio of each layer, in dB.

    Args:
        analysis: What was found; of several p, the first is drawn.
        path: Ends in ``.svg``.

    Returns:
        ``path``.

    Raises:
        StoreError: No ratios were measured, or the file can't be written.
    """
    drawn = ratio_curves(analysis, analysis.models())
    if not drawn:
        raise StoreError(f"{analysis.path} holds no perturbation-to-signal ratios: `frontdef analyze … --what psr`")
    weights.write_whole(path, f"{picture(drawn[0])}\n".encode())
    return path


def picture(curve: Curves) -> Markup:
    """A curve with its legend, as one SVG that needs nothing else."""
    colors = palette.variables(dark=False)
    series = "".join(f".s{i}{{--series:{colors[f's{i}']}}}" for i in range(palette.SERIES))
    legend = Markup("").join(
        Markup(
            '<g class="key s{} dash{}" transform="translate({} 46)"><line x1="0" x2="28" y1="0" y2="0"/>'
            '<path d="{}" transform="translate(14 0)"/><text class="name" x="36" y="4">{}</text></g>'
        ).format(line.number % palette.SERIES, line.number // palette.SERIES % 3, LEFT + 180 * i,
                 marker(line.number), line.name)
        for i, line in enumerate(curve.lines)
    )  # fmt: skip
    body = charts.lines(
        curve.places,
        curve.lines,
        curve.axis,
        label=curve.title,
        unit=curve.unit,
        across=curve.across,
    )
    width, height = WIDTH - LEFT - 24, HEIGHT - TOP - 56
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" width="{}" height="{}" viewBox="0 0 {} {}" role="img">'
        "<title>{}</title><style>{}</style><rect width='100%' height='100%' fill='#fff'/>"
        '<text class="name" x="{}" y="22" font-weight="600">{}</text>{}'
        '<svg x="{}" y="{}" width="{}" height="{}">{}</svg></svg>'
    ).format(
        WIDTH, HEIGHT, WIDTH, HEIGHT, curve.title, Markup(STYLE.replace("\n", "") + series), LEFT, curve.title, legend,
        LEFT, TOP, width, height, Markup(str(body).replace('height="260"', 'height="100%" width="100%"')),
    )  # fmt: skip
