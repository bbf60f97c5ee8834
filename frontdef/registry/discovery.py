"""What is installed, by its metadata alone: nothing is imported here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from frontdef._version import __version__
from frontdef.registry.status import FaultError

GROUP = "frontdef"
BUILTIN = "frontdef"
ALLOW_LIST = "FRONTDEF_PLUGINS"


@dataclass(frozen=True)
class Installed:
    """An entry point of an installed distribution.

    Args:
        entry: The entry point.
        distribution: The distribution's name as it spells it.
        version: Its version.
        requires: Its ``Requires-Dist`` lines.
    """

    entry: EntryPoint
    distribution: str
    version: str
    requires: tuple[str, ...]

    @property
    def name(self) -> str:
        """The entry point's name."""
        return self.entry.name

    @cached_property
    def key(self) -> str:
        """The distribution's canonical name; with the entry point's name it tells any two plugins apart."""
        return canonicalize_name(self.distribution)

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"


def installed() -> list[Installed]:
    """Every entry point of the group ``frontdef``, sorted by name, whatever its state."""
    plugins = [_read(entry) for entry in entry_points(group=GROUP)]
    return sorted(plugins, key=lambda plugin: (plugin.name, plugin.key))


def _read(entry: EntryPoint) -> Installed:
    # Metadata may be damaged or lack fields; that is a fault of one plugin and must not end the scan.
    def text(field: str) -> str:
        try:
            return str(getattr(entry.dist, field) or "unknown")
        except Exception:
            return "unknown"

    try:
        requires = tuple(entry.dist.requires or ()) if entry.dist else ()
    except Exception:
        requires = ()
    return Installed(entry, text("name"), text("version"), requires)


def allow_list() -> frozenset[str] | None:
    """The names in ``FRONTDEF_PLUGINS``, of entry points or distributions; None where it is not set."""
    setting = os.environ.get(ALLOW_LIST)
    if setting is None:
        return None
    return frozenset(canonicalize_name(name.strip()) for name in setting.split(",") if name.strip())


def allowed(plugin: Installed, names: Iterable[str] | None) -> bool:
    """Whether the allow-list lets a plugin in."""
    return names is None or bool({canonicalize_name(plugin.name), plugin.key} & set(names))


def unknown_allowed(plugins: Sequence[Installed], names: Iterable[str] | None) -> list[str]:
    """Names in the allow-list that no installed plugin has."""
    known = {canonicalize_name(plugin.name) for plugin in plugins} | {plugin.key for plugin in plugins}
    return sorted(set(names or ()) - known - {BUILTIN})


def leave_out(plugin: Installed, plugins: Sequence[Installed]) -> str:
    """The setting that allows all plugins but one."""
    return _setting([candidate for candidate in plugins if candidate.key != plugin.key], plugins)


def let_in(plugin: Installed, plugins: Sequence[Installed]) -> str:
    """The setting that allows one plugin more."""
    return _setting([*plugins, plugin], [*plugins, plugin])


def _setting(chosen: Sequence[Installed], plugins: Sequence[Installed]) -> str:
    # Where two plugins share an entry point's name, only the distribution's name tells them apart.
    names = [plugin.name for plugin in plugins]
    unique = {plugin.name if names.count(plugin.name) == 1 else plugin.key for plugin in chosen}
    return f"{ALLOW_LIST}={','.join(sorted(unique)) or repr('')}"


def check_metadata(plugin: Installed, rivals: Sequence[Installed]) -> None:
    """Decide by metadata whether a plugin may be imported.

    Args:
        plugin: The plugin.
        rivals: Others, allowed as well, whose entry point has the same name.

    Raises:
        FaultError: ``duplicate`` or ``incompatible``.
    """
    if plugin.name == BUILTIN:
        raise FaultError(
            "duplicate",
            f"the entry point's name {BUILTIN!r} is reserved for what frontdef brings itself",
            "its author renames the entry point",
        )
    if rivals:
        claimants = " and ".join(str(claimant) for claimant in sorted((plugin, *rivals), key=lambda rival: rival.key))
        raise FaultError(
            "duplicate",
            f"the name {plugin.name!r} is claimed by {claimants}; neither is loaded, so that the order of the "
            "path does not decide",
            f"keep one of them: pip uninstall {plugin.distribution}",
        )
    for requirement in _host_requirements(plugin):
        if not requirement.specifier.contains(__version__, prereleases=True):
            raise FaultError(
                "incompatible",
                f"wants frontdef{requirement.specifier}, this is frontdef {__version__}; it was not imported",
                f"pip install --upgrade {plugin.distribution}",
            )


def _host_requirements(plugin: Installed) -> list[Requirement]:
    requirements = []
    for line in plugin.requires:
        try:
            requirement = Requirement(line)
        except InvalidRequirement as error:
            raise FaultError(
                "failed",
                f"its metadata has an invalid requirement {line!r}: {str(error).splitlines()[0]}",
                f"pip install --force-reinstall {plugin.distribution}",
            ) from None
        if canonicalize_name(requirement.name) == "frontdef" and (
            requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        ):
            requirements.append(requirement)
    return requirements
