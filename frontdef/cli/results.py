"""``frontdef results`` and ``report``."""

from __future__ import annotations

from pathlib import Path

import click

from frontdef.cli import show, tables
from frontdef.cli.answer import answer
from frontdef.cli.arguments import PATH
from frontdef.cli.console import PlainConsole
from frontdef.cli.sheets import FORMATS, WRITERS, Sheet, to_terminal
from frontdef.matrix.results import MatrixResults
from frontdef.runs.results import Results, load_results, require_kind
from frontdef.verdicts.paper import load_paper


@click.command()
@click.argument("path", metavar="RUN", type=PATH)
@click.option("--worst", "asked", flag_value="worst", help="The headline alone: worst cases with their intervals.")
@click.option("--agreement", "asked", flag_value="agreement", help="Where the libraries agree, family by family.")
@click.option("--metrics", "asked", flag_value="metrics", help="What the metrics found: mean, 95 % interval, median.")
@click.option("--expected", type=PATH, help="A paper's numbers, NAME.expected.toml: whether they came back.")
@click.option("--failed", "asked", flag_value="failed", help="Failed jobs, of whatever kind, with their tracebacks.")
@click.option("--sql", help="Ask with SQL over the tables cells, records, outcomes, certified and metrics.")
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="table", show_default=True, help="How to write it."
)
@click.option("--csv", "form", flag_value="csv", help="The same as --format csv.")
@click.option("--json", "form", flag_value="json", help="The same as --format json.")
def results(path: Path, asked: str | None, expected: Path | None, sql: str | None, form: str) -> None:
    """Show what RUN found: brackets, and robust accuracy by defense and attack.

    A table that is wider than the terminal is printed in parts; in the other formats numbers stand in full.
    """
    run_results, console = load_results(path), PlainConsole()
    if expected:
        tables.print_comparison(console, run_results, load_paper(expected))
    elif form != "table":
        click.echo(WRITERS[form](_sheets(run_results, asked, sql)), nl=False)
        if said := show.unfinished(run_results):
            click.echo(said, err=True)
    elif sql:
        tables.print_frame(console, run_results.sql(sql))
    elif asked == "failed":
        tables.print_failures(console, run_results)
    elif asked == "metrics":
        tables.print_metrics(console, _matrix(run_results, asked))
    elif asked == "agreement":
        tables.print_agreement(console, _matrix(run_results, asked))
    elif asked == "worst":
        to_terminal(console, tables.worst_sheet(_matrix(run_results, asked)))
    else:
        show.show(console, run_results)


def _sheets(results: Results, asked: str | None, sql: str | None) -> list[Sheet]:
    if sql:
        return [tables.frame_sheet(results.sql(sql))]
    if asked == "failed":
        return [tables.failed_sheet(results)]
    if asked == "metrics":
        return tables.metric_sheets(_matrix(results, asked))
    if asked == "agreement":
        return tables.agreement_sheets(_matrix(results, asked))
    return [tables.worst_sheet(_matrix(results, asked))] if asked == "worst" else show.sheets(results)


OF_A_MATRIX = {"worst": "worst cases", "agreement": "libraries to compare", "metrics": "metrics"}
"""Option → what it asks for."""


def _matrix(results: Results, asked: str) -> MatrixResults:
    return require_kind(results, MatrixResults, f", which has no {OF_A_MATRIX[asked]}: leave out --{asked}")


@click.command()
@click.argument("path", metavar="RUN", type=PATH)
@click.option("--out", type=PATH, help="The file to write; default: RUN/report.html.")
@click.option("--expected", type=PATH, help="Set a paper's numbers beside it, NAME.expected.toml.")
def report(path: Path, out: Path | None, expected: Path | None) -> None:
    """Write RUN as one offline HTML file."""
    paper = load_paper(expected) if expected else None
    written = load_results(path).report(out, paper=paper).resolve()
    answer(run=path, report=written)
    click.echo(str(written))
