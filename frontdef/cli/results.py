"""``frontdef results`` and ``report``."""

from __future__ import annotations

from pathlib import Path

import click

from frontdef.cli import tables
from frontdef.cli.arguments import PATH
from frontdef.cli.console import PlainConsole
from frontdef.cli.show import show
from frontdef.runs.results import load_results
from frontdef.verdicts.paper import load_paper


@click.command()
@click.argument("path", metavar="RUN", type=PATH)
@click.option("--sql", help="Ask with SQL over the tables cells, records, outcomes, certified and metrics.")
@click.option("--csv", is_flag=True, help="Print the answer to --sql as CSV.")
@click.option("--agreement", is_flag=True, help="Where the libraries agree, family by family.")
@click.option("--metrics", is_flag=True, help="What the metrics found: mean, 95 % interval, median.")
@click.option("--expected", type=PATH, help="A paper's numbers, NAME.expected.toml: whether they came back.")
@click.option("--failed", is_flag=True, help="Failed jobs, of whatever kind, with their tracebacks.")
def results(
    path: Path, sql: str | None, csv: bool, agreement: bool, metrics: bool, expected: Path | None, failed: bool
) -> None:
    """Show what RUN found: brackets, and robust accuracy by defense and attack."""
    run_results, console = load_results(path), PlainConsole()
    if sql:
        answer = run_results.sql(sql)
        click.echo(answer.to_csv(index=False), nl=False) if csv else tables.print_frame(console, answer)
    elif failed:
        tables.print_failures(console, run_results)
    elif metrics:
        tables.print_metrics(console, run_results)
    elif expected:
        tables.print_comparison(console, run_results, load_paper(expected))
    elif agreement:
        tables.print_agreement(console, run_results)
    else:
        show(console, run_results)


@click.command()
@click.argument("path", metavar="RUN", type=PATH)
@click.option("--out", type=PATH, help="The file to write; default: RUN/report.html.")
def report(path: Path, out: Path | None) -> None:
    """Write RUN as one offline HTML file."""
    click.echo(str(load_results(path).report(out).resolve()))
