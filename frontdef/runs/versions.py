"""Versions that decide results: Python, torch, the attack libraries, and every plugin of frontdef."""

from __future__ import annotations

import importlib.metadata
import platform

from frontdef.registry import get_attack_libraries

NAMED = ("torch", "numpy", "adversarial-robustness-toolbox", "torchattacks", "foolbox")


def versions() -> dict[str, str]:
    """Distribution → version, of what is installed; ``python`` and ``platform`` beside them."""
    installed = {"python": platform.python_version(), "platform": f"{platform.system()} {platform.machine()}"}
    wanted = {*NAMED, *(library.distribution for library in get_attack_libraries().values())}
    plugins = {entry.dist.name for entry in importlib.metadata.entry_points(group="frontdef") if entry.dist}
    for name in sorted(wanted | plugins):
        try:
            installed[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return installed
