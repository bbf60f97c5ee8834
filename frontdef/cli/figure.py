"""``frontdef figure``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from frontdef.cli.answer import answer
from frontdef.cli.arguments import PATH
from frontdef.matrix.results import MatrixResults
from frontdef.runs.results import load_results, require_kind

FIGURES = ("brackets", "curves", "heat")


@click.command()
@click.argument("path", metavar="RUN", type=PATH)
@click.argument("what", metavar="[FIGURE]", type=click.Choice(FIGURES), default="brackets")
@click.option("--norm", help="linf, l2 or l1; default: the run's first.")
@click.option("--eps", help="Radius, as 0.1 or 8/255; default: the middle one. Curves have all of them.")
@click.option("--dataset", help="Data set; not needed where there is one.")
@click.option("--classifier", help="Classifier; not needed where there is one.")
@click.option("--out", type=PATH, help="FILE.pdf or FILE.svg; default: FIGURE.pdf.")
def figure(path: Path, what: str, out: Path | None, **options: Any) -> None:
    """Draw a figure of RUN for a paper: brackets, curves or heat.

    PDF or SVG, the same bytes for the same numbers. In Python `MatrixResults.plot` gives matplotlib's axes.
    """
    results = require_kind(
        load_results(path), MatrixResults, f": `frontdef analyze {path} --figure FILE.pdf` draws its curve"
    )
    from frontdef.report.figures import save

    written = save(results, out or Path(f"{what}.pdf"), what, **options)
    answer(figure=written)
    click.echo(str(written))
