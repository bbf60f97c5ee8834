"""Errors that teach: what was given, what is allowed, the nearest valid name, the command that mends it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONGEST = 120
"""Characters of an outside value that a message repeats."""


def shortened(text: str, longest: int = LONGEST) -> str:
    """A text for a message: whole, or its beginning and how long it is."""
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text):,} characters)"


LISTED = 400
"""Characters up to which a message lists all names that there are; of more, the nearest five."""


def nearest(name: str, known: Iterable[str]) -> str:
    """The names that there are, for a message: all, or where that would fill a page those nearest to what was given.

    Args:
        name: What was given.
        known: What there is.
    """
    names = sorted(known)
    listed = ", ".join(names)
    if len(listed) <= LISTED:
        return listed
    lowered = {known_name.lower(): known_name for known_name in reversed(names)}
    near = difflib.get_close_matches(name[:LONGEST].lower(), lowered, n=5, cutoff=0.0)
    return f"{', '.join(lowered[match] for match in near)} and {len(names) - len(near):,} more"


class FrontdefError(Exception):
    """Base of every error that frontdef raises on purpose; its message is meant for the user."""


class UnknownNameError(FrontdefError, KeyError):
    """A name that no installed plugin offers.

    Args:
        kind: What was looked up, in the singular ("defense", "attack family", …).
        name: The name that was given.
        known: The names that exist.
        mend: The command that lists them or installs more.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], mend: str = "") -> None:
        names = sorted(known)
        lowered = {known_name.lower(): known_name for known_name in reversed(names)}
        near = difflib.get_close_matches(name[:LONGEST].lower(), lowered, n=1, cutoff=0.5)
        hint = f" Did you mean {lowered[near[0]]!r}?" if near else ""
        listed = nearest(name, names) or "none is installed"
        super().__init__(f"unknown {kind} {shortened(repr(name))}.{hint} Known: {listed}.{' ' + mend if mend else ''}")

    def __str__(self) -> str:
        return str(self.args[0])


class ConfigError(FrontdefError, ValueError):
    """A configuration value or key that is not allowed."""


class NotTrainedError(ConfigError):
    """A front end that learns was used before it had.

    Args:
        what: Its class.
    """

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} has not been trained, so its output means nothing. Mend: frontdef.train(name, dataset=…) gives "
            "the trained model; `frontdef train NAME --dataset … --out FILE` writes its weights, which "
            "frontdef.load(name, weights=FILE) and frontdef.protect(…, weights=FILE) read"
        )


class ImageError(FrontdefError, ValueError):
    """Images or labels that break the contract: float32 ``(N,C,H,W)`` in [0,1], labels in range."""


class DataError(FrontdefError):
    """A data set that is missing, truncated or unreadable."""


class ModelError(FrontdefError):
    """A model that can't be built, loaded or believed."""


class StoreError(FrontdefError):
    """A run folder or cache that can't be read or written."""


class UnwritableError(StoreError):
    """A folder that can't be written: no space, no permission. Nothing that would be written there can be kept."""


class OutOfMemoryError(FrontdefError, MemoryError):
    """Memory does not suffice for a single image.

    Args:
        words: What torch or numpy said.
    """

    def __init__(self, words: str) -> None:
        super().__init__(
            f"one image at a time does not fit into memory ({words}). Mend: free memory or raise the limit (ulimit -v, "
            "the container's, the cluster job's), run fewer --jobs side by side, lower eot_draws for a randomized "
            "front end, or take a device with more memory"
        )


class MissingExtraError(FrontdefError, ImportError):
    """An optional dependency is not installed.

    Args:
        what: What needs it.
        package: The distribution that is missing.
        extra: The extra of frontdef that brings it.
    """

    def __init__(self, what: str, package: str, extra: str = "bench") -> None:
        super().__init__(f'{what} needs {package}, which is not installed. Mend: pip install "frontdef[{extra}]"')
