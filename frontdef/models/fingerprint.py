"""What identifies the code that decides a model's weights, beyond version numbers."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from functools import lru_cache
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from frontdef.code import code_of, computing, version_of

__all__ = ["code_of", "computing", "digest", "requirements_of", "version_of"]


@lru_cache(maxsize=64)
def requirements_of(distribution: str) -> dict[str, str]:
    """Installed versions of what a plugin's distribution requires, without frontdef and without its extras.

    Args:
        distribution: Its name; frontdef's own requirements are not listed, torch's version is hashed apart.
    """
    if canonicalize_name(distribution) == "frontdef":
        return {}
    try:
        lines = importlib.metadata.requires(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    versions = {}
    for requirement in map(Requirement, lines):
        name = canonicalize_name(requirement.name)
        if name != "frontdef" and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            versions[str(name)] = _version(name)
    return versions


def _version(name: str) -> str:
    try:
        return version_of(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def digest(value: Any) -> str:
    """Hash of JSON values, the same on every machine: 24 hexadecimal digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:24]
