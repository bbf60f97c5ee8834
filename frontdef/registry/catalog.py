"""Ids over all plugins: which record an id means, and what happens where two plugins claim one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from frontdef.attacks.library import AttackLibrary
from frontdef.errors import MissingExtraError, UnknownNameError
from frontdef.registry.contract import library_breach
from frontdef.registry.kinds import FAMILIES, KINDS, LIBRARIES, RecordKind, make_library
from frontdef.registry.loader import Plugin
from frontdef.registry.status import PluginError, PluginStatus

LIST_COMMANDS = {
    "defenses": "frontdef ls defenses",
    "attack families": "frontdef ls attacks",
    "attack libraries": "frontdef ls attacks",
    "data sets": "frontdef ls datasets",
    "classifiers": "frontdef ls classifiers",
    "metrics": "frontdef ls metrics",
    "model zoos": "frontdef ls models",
    "loggers": "frontdef ls loggers",
}


@dataclass(frozen=True)
class Entry:
    """A record under the id that finds it.

    Args:
        name: The id; ``distribution/id`` where two plugins claim the id.
        record: The record.
        plugin: The row of the plugin that offers it.
    """

    name: str
    record: Any
    plugin: PluginStatus


class Catalog:
    """What all plugins together offer.

    An id that two plugins claim belongs to neither: each record is found under ``distribution/id``, both plugins are
    marked ``duplicate``, and asking for the bare id is an error that names both. The ids that frontdef brings itself
    are reserved: there the other plugin alone is marked.

    Args:
        plugins: What was loaded, frontdef's own first.
    """

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self._plugins = list(plugins)
        self._entries: dict[str, dict[str, Entry]] = {}
        self._contested: dict[tuple[str, str], list[str]] = {}
        for kind in KINDS:
            self._entries[kind.plural] = self._index(kind)

    @property
    def statuses(self) -> list[PluginStatus]:
        """One row a plugin, frontdef's own first."""
        return [plugin.status for plugin in self._plugins]

    def entries(self, kind: RecordKind) -> Mapping[str, Entry]:
        """Every record of a kind by its id, in the order of registration."""
        return self._entries[kind.plural]

    def find(self, kind: RecordKind, name: str, mend: str = "") -> Any:
        """The record of an id.

        Args:
            kind: What it is.
            name: The id.
            mend: What else may be done where there is none.

        Raises:
            UnknownNameError: No plugin offers it.
            PluginError: Two plugins claim it.
        """
        entries = self.entries(kind)
        if name in entries:
            return entries[name].record
        if claims := self._contested.get((kind.plural, name)):
            raise PluginError(f"{kind.singular} {name!r} is claimed by two plugins. Name one of: {', '.join(claims)}")
        raise UnknownNameError(kind.singular, name, entries, f"{self._advice(kind, name)} {mend}".strip())

    @cached_property
    def libraries(self) -> tuple[dict[str, AttackLibrary], dict[str, str]]:
        """Attack libraries by id, and why the others are left out."""
        available: dict[str, AttackLibrary] = {}
        left_out: dict[str, str] = {}
        families = {name: entry.record for name, entry in self.entries(FAMILIES).items()}
        for entry in self.entries(LIBRARIES).values():
            label = entry.name.rpartition(":")[2]
            try:
                library = make_library(entry.record)
                label = library.name
                library.version()
                if broken := library_breach(library, families):
                    raise TypeError(f"it breaks the contract: {broken}")
            except MissingExtraError as error:
                left_out[label] = str(error)
            except (Exception, SystemExit) as error:
                left_out[label] = f"{type(error).__name__}: {error} (from {entry.plugin.distribution})"
            else:
                if label in available:
                    left_out[f"{entry.plugin.distribution}/{label}"] = f"attack library {label!r} is there already"
                else:
                    available[label] = library
        return available, left_out

    def _index(self, kind: RecordKind) -> dict[str, Entry]:
        claims: dict[str, list[int]] = defaultdict(list)
        for number, plugin in enumerate(self._plugins):
            for name in plugin.records.get(kind.plural, ()):
                claims[name].append(number)
        entries: dict[str, Entry] = {}
        for name, numbers in claims.items():
            owner = next((number for number in numbers if self._plugins[number].builtin), None)
            for number in numbers:
                contested = len(numbers) > 1 and number != owner
                rivals = [self._plugins[rival].status for rival in numbers if rival != number]
                if contested:
                    self._mark(number, kind, name, rivals)
                status = self._plugins[number].status
                known = f"{status.distribution}/{name}" if contested else name
                entries[known] = Entry(known, self._plugins[number].records[kind.plural][name], status)
                if contested and owner is None:
                    self._contested.setdefault((kind.plural, name), []).append(known)
        return entries

    def _mark(self, number: int, kind: RecordKind, name: str, rivals: Sequence[PluginStatus]) -> None:
        status = self._plugins[number].status
        claimants = ", ".join(f"{rival.distribution} {rival.version}" for rival in rivals)
        reason = f"the {kind.singular} {name!r} is also offered by {claimants}; what else it offers works"
        mend = f"ask for '{status.distribution}/{name}', or keep one of them: pip uninstall {status.distribution}"
        if status.status == "duplicate":
            reason, mend = f"{status.reason}; {reason}", status.mend
        self._plugins[number] = replace(
            self._plugins[number], status=replace(status, status="duplicate", reason=reason, mend=mend)
        )

    def _advice(self, kind: RecordKind, name: str) -> str:
        for status in self.statuses:
            if status.status != "ok" and name in {status.name, status.distribution.removeprefix("frontdef-")}:
                return f"The plugin {status.name!r} is {status.status}: {status.reason}. Mend: {status.mend}"
        listed = f"`{LIST_COMMANDS[kind.plural]}` lists them, `frontdef plugins` what is installed."
        plugin = name.partition("-")[0]
        if plugin in kind.published:
            return f"It comes with a plugin that is not installed: pip install frontdef-{plugin}. {listed}"
        return listed
