"""The plugins of this process: loaded once, and checked against what the environment and a matrix demand."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import lru_cache

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from frontdef.errors import ConfigError
from frontdef.registry import discovery
from frontdef.registry.catalog import Catalog
from frontdef.registry.loader import Mode, load
from frontdef.registry.status import PluginError, PluginStatus

STRICT = "FRONTDEF_STRICT"


@lru_cache(maxsize=1)
def catalog() -> Catalog:
    """What all plugins offer, loaded when it is first asked for.

    Raises:
        PluginError: ``FRONTDEF_STRICT=1`` and a plugin is not ok.
    """
    return _checked(Catalog(load("import")))


@lru_cache(maxsize=1)
def scanned() -> tuple[discovery.Installed, ...]:
    """What is installed, read once a process, because it takes a tenth of a second."""
    return tuple(discovery.installed())


def clear() -> None:
    """Forget what was found, so that the next question scans the installed plugins again."""
    catalog.cache_clear()
    scanned.cache_clear()


def _checked(loaded: Catalog) -> Catalog:
    if os.environ.get(STRICT, "0") in {"", "0"}:
        return loaded
    faults = [
        f"{status.name} ({status.distribution} {status.version}) is {status.status}: {status.reason}"
        for status in loaded.statuses
        if status.status not in {"ok", "disabled"}
    ]
    faults += [f"{discovery.ALLOW_LIST} names {name!r}, which is not installed" for name in unknown_allowed()]
    if faults:
        raise PluginError(f"{STRICT} is set, and {'; '.join(faults)}")
    return loaded


def plugins(mode: Mode = "import") -> list[PluginStatus]:
    """One row a plugin, frontdef's own first; broken ones are rows, too.

    Args:
        mode: ``import`` imports every allowed plugin; ``metadata`` none; ``guarded`` refuses ML imports and says which
            plugins wanted one; ``resolve`` imports every front end and library as well.

    Raises:
        PluginError: ``FRONTDEF_STRICT=1`` and a plugin is not ok.
    """
    return catalog().statuses if mode == "import" else _checked(Catalog(load(mode))).statuses


def unknown_allowed() -> list[str]:
    """Names in ``FRONTDEF_PLUGINS`` that no installed plugin has."""
    return discovery.unknown_allowed(discovery.installed(), discovery.allow_list())


def require_plugins(requirements: Iterable[str]) -> None:
    """Check that distributions are installed and work.

    Args:
        requirements: As in a requirements file: ``frontdef-wavelet>=0.1``.

    Raises:
        PluginError: Any is missing, of another version, or not ok; all of them are named.
        ConfigError: Not a requirement.
    """
    faults = [fault for line in requirements for fault in _unmet(line)]
    if faults:
        raise PluginError(f"required plugins: {'; '.join(faults)}")


def _unmet(line: str) -> list[str]:
    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        raise ConfigError(f"a required plugin reads 'frontdef-wavelet>=0.1', got {line!r}") from None
    rows = [row for row in plugins() if canonicalize_name(row.distribution) == canonicalize_name(requirement.name)]
    if not rows:
        return [f"{line} is not installed. Mend: pip install {str(requirement)!r}"]
    if not requirement.specifier.contains(rows[0].version, prereleases=True):
        return [f"{line} is wanted, {rows[0].version} is installed. Mend: pip install {str(requirement)!r}"]
    return [
        f"{row.distribution} {row.version} is {row.status}: {row.reason}. Mend: {row.mend}"
        for row in rows
        if row.status != "ok"
    ]
