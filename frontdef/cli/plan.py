"""``frontdef plan``: of a matrix what would be done, of a run what was asked for; the latter imports no ML library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from frontdef.cli.arguments import COUNT, PATH, SEED
from frontdef.cli.complete import names
from frontdef.errors import ConfigError


def matrix_options(command: Any) -> Any:
    """A matrix, and what of it is asked for otherwise."""
    for option in reversed(
        [
            click.argument("matrix", required=False, type=PATH),
            click.option(
                "--defense",
                "-d",
                "defenses",
                shell_complete=names("defense"),
                help="Only these defenses, separated by commas, as they come; or all.",
            ),
            click.option("--dataset", shell_complete=names("data set"), help="This data set instead of the matrix's."),
            click.option(
                "--classifier", shell_complete=names("classifier"), help="This classifier instead of the matrix's."
            ),
            click.option(
                "--library",
                "libraries",
                shell_complete=names("library"),
                help="Only these attack libraries, separated by commas.",
            ),
            click.option("--samples", type=COUNT, help="Number of test images."),
            click.option("--seed", type=SEED, help="Seed of the matrix."),
            click.option("--device", default="cpu", show_default=True, help="cpu or cuda."),
            click.option("--data", type=PATH, help="Folder of the data sets; default: FRONTDEF_DATA."),
            click.option("--cache", type=PATH, help="Folder of trained models; default: FRONTDEF_CACHE."),
            click.option("--out", type=PATH, help="Run folder; default: runs/NAME."),
        ]
    ):
        command = option(command)
    return command


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
