"""``frontdef plan``: of a matrix what would be done, of a run what was asked for; the latter imports no ML library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from frontdef.cli.matrix import matrix_options
from frontdef.errors import ConfigError


@click.command()
@matrix_options
def plan(matrix: Path | None, **options: Any) -> None:
    """Show the jobs of a matrix, what is stored already, and how long the rest will take.

    MATRIX may also be a study of `frontdef analyze`; or a run folder: its jobs are shown as they were asked for, with
    what each took.
    """
    from frontdef.runs.store import HEAD

    if matrix is not None and (matrix / HEAD).is_file():
        changed = [name for name in ("defenses", "dataset", "classifier", "libraries", "samples", "seed", "out")
                   if options[name] is not None]  # fmt: skip
        if changed:
            raise ConfigError(
                f"{matrix} is a run, whose plan is made: leave out {', '.join(changed)}, or give the matrix"
            )
        from frontdef.cli.console import PlainConsole
        from frontdef.cli.tables.stored import print_stored_plan
        from frontdef.runs.results import load_results

        print_stored_plan(PlainConsole(), load_results(matrix))
        return
    from frontdef.cli.run import print_plan_of

    print_plan_of(matrix, options)
