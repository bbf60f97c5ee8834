"""``frontdef verify``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from frontdef.cli.answer import answer
from frontdef.cli.arguments import PATH
from frontdef.counts import plural
from frontdef.runs.integrity import inspect
from frontdef.runs.store import Store


@click.command()
@click.argument("path", metavar="RUN", type=PATH)
def verify(path: Path) -> None:
    """Is RUN what was written? Reads every file that its run.json names, and compares keys and checksums.

    Exit code 1 where a file is damaged, was changed, or belongs to another job.
    """
    audit = inspect(Store(path))
    answer(
        run=path, read=audit.read, missing=audit.missing, damaged=list(map(str, audit.damaged)), unnamed=audit.unnamed
    )
    for damage in audit.damaged:
        click.echo(str(damage))
    click.echo(
        f"{plural(audit.read, 'file')} read, {len(audit.damaged)} damaged; {plural(audit.missing, 'job')} not run yet"
    )
    if audit.unnamed:
        click.echo(
            f"{len(audit.unnamed)} files are not named by run.json, as {audit.unnamed[0].relative_to(path)}: of "
            "earlier plans in this folder, or of somebody else; nothing reads them"
        )
    if audit.damaged:
        sys.exit(1)
