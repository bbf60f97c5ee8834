"""Where a path of a matrix or a command line leads."""

from __future__ import annotations

from pathlib import Path

from frontdef.errors import ModelError, shortened
from frontdef.reading import why_no_path

STARTS = "Paths start at the matrix file, those of a command line in the working directory"
"""What is said of a path that leads nowhere."""


def place_of(written: str, base: Path, what: str) -> Path:
    """The path that was written, from the folder where relative ones start.

    Args:
        written: The text.
        base: That folder.
        what: What it leads to ("source", "weights"), for messages.

    Raises:
        ModelError: No text of a path, or a home folder that there isn't.
    """
    if reason := why_no_path(written):
        raise ModelError(f"{what} = {shortened(repr(written))} is no path: {reason}")
    try:
        return base / Path(written).expanduser()
    except RuntimeError:
        user = Path(written).parts[0]
        raise ModelError(f"{what} = {written!r}: there is no home folder {user}; write the whole path") from None
