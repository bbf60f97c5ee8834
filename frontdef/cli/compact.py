"""``frontdef compact``."""

from __future__ import annotations

from pathlib import Path

import click

from frontdef.cli.answer import answer
from frontdef.cli.arguments import PATH
from frontdef.runs import compact as runs
from frontdef.runs.store import Store


@click.command()
@click.argument("path", metavar="RUN", type=PATH)
def compact(path: Path) -> None:
    """Put the many small files of RUN's rows into few.

    Nothing else changes: RUN goes on, is shown, verified and merged as before, and may be read meanwhile.
    """
    compacted = runs.compact(Store(path.absolute()))
    answer(run=path, files=compacted.files, packs=compacted.packs)
    click.echo(f"{compacted.files} files are {compacted.packs} now: {path}")
