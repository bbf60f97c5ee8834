"""From a run to one offline HTML file."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

from jinja2 import Environment
from markupsafe import Markup

from frontdef._version import __version__
from frontdef.attacks.spec import shown
from frontdef.report import believed, chart, gallery, look, page, svg, tables
from frontdef.report.axes import Axis
from frontdef.report.collect import collect
from frontdef.report.data import ReportData, Setting, variant
from frontdef.report.payload import notes, payload
from frontdef.threat import NORM_LABELS, check_norm, format_eps
from frontdef.verdicts import reproduced
from frontdef.verdicts.belief import MARKS
from frontdef.verdicts.causes import causes
from frontdef.verdicts.measured import written, written_unit
from frontdef.whole import write_whole

if TYPE_CHECKING:
    from frontdef.matrix.results import MatrixResults
    from frontdef.verdicts.bracket import Strongest
    from frontdef.verdicts.paper import Paper

SCRIPTS = ("core", "worst", "filters", "update", "drawer", "start")
"""Parts of the page's script, in the order in which they are put together."""

ROWS = ("basics", "sort", "narrow", "long", "start")
"""Parts of its second script: the order of rows, and long tables, which come as text."""

TOOLS = ("basics", "copy", "tables", "charts", "address", "start")
"""Parts of its third script: what is taken away from the page, files and its address. The page is whole without it."""

ACCURACY = Axis(0, 1, (0, 0.25, 0.5, 0.75, 1))


def build_report(results: MatrixResults, path: Path, paper: Paper | None = None) -> Path:
    """Write the report of a run.

    Args:
        results: The run.
        path: The file to write.
        paper: What a paper printed, to be set beside it.

    Returns:
        ``path``.

    Raises:
        StoreError: The file can't be written, or the run holds no finished cell.
        ConfigError: The paper has no table of this run.
    """
    data = collect(results)
    if paper is not None:
        data = replace(data, paper=paper.paper, reproductions=results.compared(paper))
    write_whole(path, render(data).encode(errors="backslashreplace"))
    return path


def render(data: ReportData) -> str:
    """The page as text.

    Args:
        data: What it shows. Whatever its names contain, they are shown as text.
    """
    style, script = page.style(), page.script(f"scripts/{name}.js" for name in SCRIPTS)
    rows = page.script(f"rows/{name}.js" for name in ROWS)
    tools = page.script(f"tools/{name}.js" for name in TOOLS)
    return (
        _environment()
        .get_template("template.html.j2")
        .render(
            data=data,
            gallery=gallery,
            tables=tables,
            look=look,
            causes_of=causes,
            believed=believed,
            svg=svg,
            notes=notes,
            variant=variant,
            setting_of=Setting.of,
            marks=MARKS,
            reproduced=reproduced,
            many_models=len({setting.model for setting in data.settings}) > 1,
            chart=lambda group: _chart(data, group),
            payload=page.embedded(payload(data)),
            status=Counter(cell.status for cell in data.cells),
            style=Markup(style),
            scripts=[Markup(script), Markup(rows), Markup(tools)],
            policy=page.policy(style, script, rows, tools),
            version=__version__,
        )
    )


def _environment() -> Environment:
    environment = page.environment()
    environment.filters.update(share=share, short=short, written=written, unit=written_unit)
    environment.filters.update(attack=attack, eps=format_eps, norm=NORM_LABELS.__getitem__)
    environment.tests.update(known=known)
    return environment


def known(value: float | None) -> TypeGuard[float]:
    """Whether there is a number: verdicts say NaN where there is none."""
    return value is not None and not math.isnan(value)


def share(value: float | None) -> str:
    """A share as a percentage without its sign; a dash where there is none."""
    return f"{100 * value:.1f}" if known(value) else "–"


def short(value: float | None) -> str:
    """A number with three digits at most; a dash where there is none."""
    return written(value, "") if known(value) else "–"


def _chart(data: ReportData, group: Sequence[int]) -> Markup:
    settings = [data.settings[i] for i in group]
    lines = [chart.Line(row.defense, data.defense_names[row.defense], row.values) for row in tables.curves(data, group)]
    label = f"Accuracy against ε in {NORM_LABELS[settings[0].norm]}; the table holds the numbers"
    widest = settings[-1].eps
    places = [
        chart.Place(setting.eps / widest, format_eps(setting.eps), str(i))
        for i, setting in zip(group, settings, strict=True)
    ]
    return chart.chart(
        [chart.Place(0.0, "clean"), *places],
        lines,
        ACCURACY,
        label=label,
        unit="%",
        across="ε",
        said=lambda t: f"{100 * t:.0f}",
    )


def attack(strongest: Strongest | None) -> str:
    """An attack in words: ``"pgd ℓ∞ · art"``."""
    if strongest is None:
        return "none broke any"
    family = shown(strongest.family, strongest.source)
    return f"{family} {NORM_LABELS[check_norm(strongest.norm)]} · {strongest.library}"
