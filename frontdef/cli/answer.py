"""``--json`` on every command: one answer for programs on standard output; what people read goes to standard error."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click

FLAG, TYPED, ASKED, ANSWER = "--json", "frontdef.json.typed", "frontdef.json", "frontdef.answer"


def answer(**values: Any) -> None:
    """What a command tells programs; a later call adds to it.

    Args:
        values: JSON values, paths, and numbers as numpy has them.
    """
    context = click.get_current_context(silent=True)
    if context is not None:
        context.meta[ANSWER] = {**context.meta.get(ANSWER, {}), **values}


def with_json(command: click.Command) -> click.Command:
    """A command with ``--json``; one that has an option of that name, and a group, stay as they are."""
    if not isinstance(command, click.Group) and not any(FLAG in option.opts for option in command.params):
        command.params.append(
            click.Option(
                [FLAG], is_flag=True, is_eager=True, expose_value=False, callback=_begin,
                help="Print one answer for programs as JSON; what people read goes to standard error.",
            )
        )  # fmt: skip
    return command


def _begin(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        context.meta[ASKED] = True
        context.with_resource(redirect_stdout(sys.stderr))


def say(context: click.Context) -> None:
    """Print the answer of a command that has ended, however it did.

    A command with a ``--json`` of its own prints what it found itself; what went wrong is said here for all of them,
    words that could not be understood included.
    """
    if context.meta.get(ASKED) or (context.meta.get(TYPED) and ANSWER in context.meta):
        click.echo(json.dumps(_plain(context.meta.get(ANSWER, {})), indent=2, ensure_ascii=False))


def _plain(value: Any) -> Any:
    """A value of JSON; of what is no number there is none."""
    if isinstance(value, Mapping):
        return {str(name): _plain(held) for name, held in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(held) for held in value]
    if isinstance(value, Path):
        return str(value)
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, bool | int | float | str | None) else str(value)
