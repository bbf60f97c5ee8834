"""``frontdef bundle``."""

from __future__ import annotations

from pathlib import Path

import click

from frontdef.claim.bundle import bundle as write_claim
from frontdef.cli.arguments import PATH
from frontdef.runs.results import load_results


@click.command()
@click.argument("path", metavar="RUN", type=PATH)
@click.option("--out", type=PATH, default=Path("claim.zip"), show_default=True, help="The archive.")
def bundle(path: Path, out: Path) -> None:
    """Write what RUN claims so that anyone can check it.

    The archive holds the images, the examples that lower each worst case, and check.py, which needs torch and numpy
    alone: on a copy of the model it scores every example again, in float64, and says what is left.
    """
    claim = write_claim(load_results(path), out)
    click.echo(f"{out}: {claim.examples} examples for {claim.rows} rows")
    if claim.lost:
        click.echo(
            f"{claim.lost} times a sample fell to an example that the run did not keep: the claim leaves it standing",
            err=True,
        )
    click.echo("to check it: unpack it, then `python check.py --model nets.py:build --weights mine.pt`")
