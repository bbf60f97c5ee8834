"""Groups of commands: imported late, with the nearest name for a mistyped one and errors in one line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import click

from frontdef.cli.interrupt import interruptible
from frontdef.errors import FrontdefError, MissingExtraError, UnknownNameError
from frontdef.lazy import resolve


@dataclass(frozen=True)
class Command:
    """A command that is not imported yet.

    Args:
        reference: ``"package.module:attribute"`` of the click command.
        section: The heading under which ``--help`` shows it.
        help: Its line there.
    """

    reference: str
    section: str
    help: str


class CommandFailure(click.ClickException):
    """An error that is the user's to mend: one line, exit code 2, no traceback."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        """Print it to standard error."""
        click.echo(f"error: {self.message}", err=True, file=file)


class SuggestingGroup(click.Group):
    """A group that names the nearest command where one is mistyped."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments start with.

        Raises:
            UnknownNameError: There is none of that name.
        """
        if args and not args[0].startswith("-") and args[0] not in (known := self.list_commands(ctx)):
            raise UnknownNameError("command", args[0], known, f"See `{ctx.command_path} --help`.")
        return super().resolve_command(ctx, args)


class LazyGroup(SuggestingGroup):
    """The outermost group: imports a command when it is invoked, and prints frontdef's own errors in one line.

    Args:
        commands: Name → where the command is.
        settings: What `click.Group` takes.
    """

    def __init__(self, *, commands: Mapping[str, Command], **settings: Any) -> None:
        super().__init__(**settings)
        self._table = commands

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table."""
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command.

        Raises:
            MissingExtraError: It needs a package that is not installed.
        """
        if cmd_name not in self._table:
            return None
        try:
            return cast(click.Command, resolve(self._table[cmd_name].reference))
        except ModuleNotFoundError as error:
            package = str(error.name).partition(".")[0]
            if package == "frontdef":
                raise
            raise MissingExtraError(f"`frontdef {cmd_name}`", package) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands under their headings, from the table alone."""
        for section in dict.fromkeys(command.section for command in self._table.values()):
            with formatter.section(section):
                formatter.write_dl(
                    [(name, command.help) for name, command in self._table.items() if command.section == section]
                )

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; errors that are meant for the user are told in one line, Ctrl-C ends it with 130."""
        try:
            with interruptible():
                return super().invoke(ctx)
        except FrontdefError as error:
            raise CommandFailure(" ".join(str(error).split())) from error
