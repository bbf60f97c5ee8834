"""Where commands print: names and messages of other people's are text there, never markup and never control codes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from frontdef.cli.text import printable


class PlainConsole(Console):
    """A console on which ``[/x]`` is ``[/x]``, ``:smile:`` is ``:smile:``, and an escape sequence does nothing."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(markup=False, emoji=False, **settings)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The pieces of what is printed, without anything that a terminal would obey."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else _plain(text), style, control)


def _plain(text: str) -> str:
    return text if text.isprintable() else "\n".join(printable(line) for line in text.expandtabs().split("\n"))
