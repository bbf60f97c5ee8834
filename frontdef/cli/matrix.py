"""Options of commands that take a matrix; importing this module imports no ML library."""

from __future__ import annotations

from typing import Any

import click

from frontdef.cli.arguments import COUNT, PATH, SEED
from frontdef.cli.complete import names


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
