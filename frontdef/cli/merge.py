"""``frontdef merge``."""

from __future__ import annotations

from pathlib import Path

import click

from frontdef.cli.answer import answer
from frontdef.cli.arguments import PATH
from frontdef.counts import plural
from frontdef.runs import merge as runs


@click.command()
@click.argument("paths", metavar="RUN...", nargs=-1, required=True, type=PATH)
@click.option("--out", required=True, type=PATH, help="The run folder to fill.")
def merge(paths: tuple[Path, ...], out: Path) -> None:
    """Join run folders that several machines filled, each with its --shard, into one.

    They must have been asked for the same plan, by the same versions and code of frontdef and its plugins, and every
    file is compared with its checksum. Nothing in them is changed; where a shard is still missing, the same command
    with it later adds to the folder.
    """
    merged = runs.merge(paths, out)
    answer(run=out, **{name: getattr(merged, name) for name in ("copied", "failed", "missing", "unequal")})
    for what in merged.unequal:
        click.echo(f"{what}: the folders hold other rows of it; those of the first are kept")
    click.echo(
        f"{plural(merged.copied, 'job')} copied, {merged.failed} failed, {merged.missing} missing in all folders: {out}"
        + ("" if not merged.missing else "; their shards have not ended, or were not run")
    )
