"""Where data sets are looked for, and the check that a file is whole before anybody parses it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from frontdef.errors import DataError

VARIABLE = "FRONTDEF_DATA"


def data_root(root: Path | None, name: str, holds: str) -> Path:
    """Return the folder of the data sets.

    Args:
        root: What was given; None takes the environment variable FRONTDEF_DATA.
        name: The data set, for the message.
        holds: What the folder must hold, for the message.

    Raises:
        DataError: None was given.
    """
    chosen = root or os.environ.get(VARIABLE)
    if not chosen:
        raise DataError(
            f"data set {name!r} is read from files: set {VARIABLE}, or give --data, to the folder that holds {holds}. "
            "The data set 'digits' needs no files"
        )
    return Path(chosen).expanduser()


def read(path: Path, mend: str) -> bytes:
    """Read a file.

    Args:
        path: The file.
        mend: What to do if it can't be read, for the message.

    Raises:
        DataError: It can't be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}. {mend}") from None


def check(data: bytes, sha256: str, path: Path, mend: str) -> None:
    """Compare a file's content with the published one.

    Args:
        data: The content.
        sha256: Of the published content.
        path: The file, for the message.
        mend: What to do if it differs, for the message.

    Raises:
        DataError: It differs.
    """
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise DataError(
            f"{path} ({len(data):,} bytes) is damaged or another file: its sha256 is {found}, expected {sha256}. {mend}"
        )
