"""Groups of commands: imported late, with the nearest name for a mistyped one and errors in one line."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import click

from frontdef.cli.answer import ANSWER, FLAG, TYPED, say, with_json
from frontdef.cli.interrupt import interruptible
from frontdef.cli.text import printable
from frontdef.errors import FrontdefError, MissingExtraError, UnknownNameError, shortened
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


LONGEST = 2_500
"""Characters of a message; what it repeats may be as long as whoever wrote it liked."""

DEBUG = "--debug"
"""Anywhere on the command line: errors with their whole tracebacks."""


class CommandFailure(click.ClickException):
    """An error that is the user's to mend: one line, exit code 2, no traceback."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        """Print it to standard error."""
        click.echo(f"error: {shortened(printable(self.message), LONGEST)}", err=True, file=file)


class CommandFault(CommandFailure):
    """An error that is frontdef's to mend, or a plugin's: one line, exit code 70 (EX_SOFTWARE), no traceback."""

    exit_code = 70


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
            return with_json(cast(click.Command, resolve(self._table[cmd_name].reference)))
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

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take ``--debug`` out of the command line, wherever it stands, and see whether ``--json`` is on it."""
        ctx.meta[TYPED] = FLAG in args
        ctx.meta[DEBUG] = DEBUG in args
        return super().parse_args(ctx, [arg for arg in args if arg != DEBUG])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; errors are told in one line, with ``--debug`` with all that led to them.

        Ctrl-C ends it with 130.
        """
        try:
            with interruptible():
                return super().invoke(ctx)
        except click.ClickException as error:
            ctx.meta[ANSWER] = {"error": error.format_message()}
            raise
        except (click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # whoever reads the output may stop: click ends without a word
        except Exception as error:
            if ctx.meta[DEBUG]:
                click.echo(whole_traceback(error), err=True)
            if package := missing(error):
                error = MissingExtraError(f"`frontdef {ctx.invoked_subcommand}`", package)
            said = " ".join(str(error).split())
            ctx.meta[ANSWER] = {"error": said}
            if isinstance(error, FrontdefError):
                raise CommandFailure(said) from error
            hint = "" if ctx.meta[DEBUG] else f"; {DEBUG} shows the traceback"
            raise CommandFault(
                f"{type(error).__name__}: {shortened(said, 400)} (a fault of frontdef or of a plugin{hint})"
            ) from error
        finally:
            say(ctx)


def missing(error: Exception) -> str:
    """The package that a file of frontdef's own asks for and that is not installed; empty for any other error."""
    if not isinstance(error, ModuleNotFoundError):
        return ""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    package = str(error.name).partition(".")[0]
    return package if frame.f_globals["__name__"].startswith("frontdef.") and package != "frontdef" else ""


def whole_traceback(error: BaseException) -> str:
    """An error and every error that led to it, those included that messages for users leave out."""
    link: BaseException | None = error
    while link is not None:
        link.__suppress_context__ = link.__cause__ is not None
        link = link.__cause__ or link.__context__
    return "".join(traceback.format_exception(error))
