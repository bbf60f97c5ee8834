"""What identifies the code that decides a model's weights, beyond version numbers."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def code_of(reference: Any) -> str:
    """Hash of the source behind a reference, so that an edited plugin of the same version is not taken for the old one.

    Of a plugin, the whole package counts; of frontdef itself, only the module that is named, because a hash of all of
    it would make every model stale with every edit.

    Args:
        reference: An object, or ``"package.module:attribute"``, which is not imported.

    Returns:
        16 hexadecimal digits; empty where there is no source file.
    """
    module = reference.partition(":")[0] if isinstance(reference, str) else getattr(reference, "__module__", "")
    top = module.partition(".")[0]
    return _hash_module(module if top == "frontdef" else top)


@lru_cache(maxsize=64)
def _hash_module(name: str) -> str:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return ""
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        return ""
    origin = Path(spec.origin)
    files = sorted(origin.parent.rglob("*.py")) if spec.submodule_search_locations else [origin]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.relative_to(origin.parent).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


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
    found = {}
    for requirement in map(Requirement, lines):
        name = canonicalize_name(requirement.name)
        if name != "frontdef" and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            found[str(name)] = _version(name)
    return found


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def digest(value: Any) -> str:
    """Hash of JSON values, the same on every machine: 24 hexadecimal digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:24]
