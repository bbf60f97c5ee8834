"""Arguments that several commands read in the same way."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import Any

import click

from frontdef.errors import ConfigError, shortened
from frontdef.reading import why_no_path
from frontdef.toml import parse_value

LONGEST_SIDE = 8192
"""Of an image's axes."""


class PathType(click.Path):
    """A path that there can be: not empty, without NUL, not too long.

    Args:
        settings: What `click.Path` takes.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(path_type=Path, **settings)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check the text of a path."""
        if reason := why_no_path(str(value)):
            self.fail(f"{shortened(repr(str(value)))} is no path: {reason}", param, ctx)
        return super().convert(value, param, ctx)


class Seconds(click.FloatRange):
    """A span of time: positive and finite."""

    def __init__(self) -> None:
        super().__init__(0, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check a number of seconds."""
        seconds = super().convert(value, param, ctx)
        if not math.isfinite(seconds):
            self.fail(f"{value} is no number of seconds", param, ctx)
        return seconds


PATH = PathType()
SEED = click.IntRange(0, 2**31 - 1)
COUNT = click.IntRange(1, 2**31 - 1)


def split_words(text: str, option: str) -> list[str]:
    """The words of an option that holds several, as a shell parts them.

    Raises:
        ConfigError: A quotation that is not closed.
    """
    try:
        return shlex.split(text)
    except ValueError as error:
        raise ConfigError(f"{option} {shortened(repr(text))}: {str(error).lower()}") from None


def parse_config(values: tuple[str, ...]) -> dict[str, Any]:
    """Read configuration values, KEY=VALUE with the value in TOML; what is no TOML is a string.

    Raises:
        ConfigError: No ``=``, or a value out of bounds.
    """
    config: dict[str, Any] = {}
    for argument in values:
        key, separator, value = argument.partition("=")
        if not separator:
            raise ConfigError(f"configuration is given as KEY=VALUE, got {shortened(repr(argument))}")
        config[key] = parse_value(value, key)
    return config


def parse_shape(text: str) -> tuple[int, int, int]:
    """Read ``C,H,W``.

    Raises:
        ConfigError: Not three numbers, or out of bounds.
    """
    try:
        channels, height, width = (int(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"--image-shape is C,H,W, such as 1,28,28; got {shortened(repr(text))}") from None
    if not all(1 <= side <= LONGEST_SIDE for side in (channels, height, width)):
        raise ConfigError(f"--image-shape is C,H,W, each in 1…{LONGEST_SIDE}; got {text}")
    return channels, height, width
