"""Which command takes a file: a matrix and a study are both TOML, and a person has many of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from frontdef.analysis.study import load_study
from frontdef.errors import ConfigError
from frontdef.matrix.entries import load_matrix

READERS: Mapping[str, Callable[[Path | None], Any]] = {"run": load_matrix, "analyze": load_study}
"""Command → what reads its files."""


def takes(command: str, path: Path | None) -> bool:
    """Whether a command takes a file."""
    if path is None:
        return False
    try:
        READERS[command](path)
    except ConfigError:
        return False
    return True


def read_for(command: str, path: Path | None) -> Any:
    """Read a file for a command: a `Matrix` for ``run``, a `Study` for ``analyze``.

    Args:
        command: Its name in `READERS`.
        path: The file; None where the command has one of its own.

    Raises:
        ConfigError: What the reader refuses; where another command takes the file, that one is named instead.
    """
    try:
        return READERS[command](path)
    except ConfigError as error:
        for other in READERS:
            if other != command and takes(other, path):
                raise ConfigError(
                    f"{path} is a file for `frontdef {other}`, not for `frontdef {command}`. Mend: frontdef {other} "
                    f"{path}"
                ) from None
        raise error
