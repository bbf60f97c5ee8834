"""Where data sets are looked for, and the check that a file is whole before anybody parses it."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path

from frontdef.errors import DataError, shortened
from frontdef.reading import open_file, read_bounded, why_no_path

VARIABLE = "FRONTDEF_DATA"


LARGEST = 1 << 30
"""Bytes of a published file; the largest, CIFAR-10's training images, has 31 MB a batch and 162 MB packed."""


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
        return read_bounded(path, LARGEST)
    except OSError as error:
        if not path.parent.is_dir():
            raise DataError(
                f"there is no folder {path.parent}: {VARIABLE}, or --data, is the folder that holds it. {mend}"
            ) from None
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
    digest = hashlib.sha256(data).hexdigest()
    if digest != sha256:
        raise DataError(
            f"{path} ({len(data):,} bytes) is damaged or another file: its sha256 is {digest}, expected {sha256}. "
            f"{mend}"
        )


def expand(path: str, form: str, what: str) -> Path:
    """Return the path that a user wrote.

    Args:
        path: Relative to the current folder, or from a home folder (``~``, ``~somebody``).
        form: The kind of data set, for messages.
        what: What the path leads to ("folder", "file"), for messages.

    Raises:
        DataError: An empty path, a home folder that there isn't, or characters that no path has.
    """
    if not path:
        raise DataError(f"{form} needs the {what}: {form}:PATH")
    if reason := why_no_path(path):
        raise DataError(f"{form}: {shortened(repr(path))} is no path: {reason}")
    try:
        return Path(path).expanduser()
    except RuntimeError:
        user = Path(path).parts[0]
        raise DataError(f"{form}: there is no home folder {user} for {path}; write the whole path") from None


def digest_of(path: Path, form: str) -> str:
    """Hash of a file's content; taken again where its size or time has changed.

    Args:
        path: The file.
        form: The kind of data set, for messages.

    Raises:
        DataError: It is not there, or can't be read.
    """
    try:
        about = path.stat()
        if path.is_dir():
            raise DataError(f"{form}: {path} is a folder, a file is needed")
        return _digest(path, about.st_size, about.st_mtime_ns)
    except OSError as error:
        where = "" if path.is_absolute() else f"; a relative path starts at {Path.cwd()}"
        raise DataError(f"{form}: cannot read {path}: {error.strerror}{where}") from None


@lru_cache(maxsize=4096)
def _digest(path: Path, size: int, time: int) -> str:
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
