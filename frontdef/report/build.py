"""From a run to one offline HTML file."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from frontdef import weights
from frontdef._version import __version__
from frontdef.report import gallery, palette, svg, tables
from frontdef.report.collect import collect
from frontdef.report.data import ReportData, variant
from frontdef.report.payload import notes, payload
from frontdef.threat import NORM_LABELS, format_eps

if TYPE_CHECKING:
    from frontdef.matrix.results import Results

SCRIPTS = ("core", "worst", "filters", "update", "sort", "drawer", "start")
"""Parts of the page's script, in the order in which they are put together."""


def build_report(results: Results, path: Path) -> Path:
    """Write the report of a run.

    Args:
        results: The run.
        path: The file to write.

    Returns:
        ``path``.

    Raises:
        StoreError: The file can't be written, or the run holds no finished cell.
    """
    weights.write_whole(path, render(collect(results)).encode())
    return path


def render(data: ReportData) -> str:
    """The page as text.

    Args:
        data: What it shows. Whatever its names contain, they are shown as text.
    """
    style, script = _style(), _script()
    return (
        _environment()
        .get_template("template.html.j2")
        .render(
            data=data,
            gallery=gallery,
            tables=tables,
            svg=svg,
            notes=notes,
            variant=variant,
            many_models=len({setting.model for setting in data.settings}) > 1,
            chart=lambda group: _chart(data, group),
            payload=_embedded(payload(data)),
            status=Counter(cell.status for cell in data.cells),
            style=Markup(style),
            script=Markup(script),
            policy=_policy(style, script),
            version=__version__,
        )
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("frontdef.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(share=share, short=short, attack=attack, eps=format_eps, norm=NORM_LABELS.__getitem__)
    return environment


def share(value: float | None) -> str:
    """A share as a percentage without its sign; a dash where there is none."""
    return "–" if value is None else f"{100 * value:.1f}"


def short(value: float | None) -> str:
    """A number with three digits at most; a dash where there is none."""
    return "–" if value is None else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _chart(data: ReportData, group: Sequence[int]) -> Markup:
    settings = [data.settings[i] for i in group]
    lines = [svg.Line(row.defense, data.defense_names[row.defense], row.values) for row in tables.curves(data, group)]
    label = f"Accuracy against ε in {NORM_LABELS[settings[0].norm]}; the table holds the numbers"
    return svg.chart([0.0, *(setting.eps for setting in settings)], ["", *group], lines, label)


def attack(strongest: str) -> str:
    """``"pgd linf @ art"`` as it is shown: ``"pgd ℓ∞ · art"``."""
    if not strongest:
        return "none broke any"
    what, _, library = strongest.rpartition(" @ ")
    family, _, norm = what.rpartition(" ")
    return f"{family} {NORM_LABELS.get(norm, norm)} · {library}"


def _style() -> str:
    return palette.css() + _read("style.css")


def _script() -> str:
    lines = (line.strip() for name in SCRIPTS for line in _read(f"scripts/{name}.js").splitlines())
    body = "\n".join(line for line in lines if line and not line.startswith("//"))
    return f'(() => {{\n"use strict";\n{body}\n}})();'


def _read(name: str) -> str:
    return resources.files("frontdef.report").joinpath(name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Allow this style and this script and nothing else: no network, and nothing that a name might smuggle in."""
    return (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _embedded(value: Any) -> Markup:
    """JSON that no HTML parser can leave, whatever its strings hold."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
