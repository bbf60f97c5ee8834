"""Loads plugins one by one, so that none of them takes the host down or another with it."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pluggy

from frontdef import builtin, hookspecs
from frontdef._version import __version__
from frontdef.errors import MissingExtraError
from frontdef.lazy import resolve
from frontdef.registry import discovery
from frontdef.registry.discovery import BUILTIN, Installed
from frontdef.registry.guard import light_imports
from frontdef.registry.hooks import ask
from frontdef.registry.kinds import KINDS, LIBRARIES, make_library
from frontdef.registry.status import FaultError, PluginStatus

Mode = Literal["metadata", "guarded", "import", "resolve"]
"""How far to go: import nothing; refuse ML imports; import every plugin; import also what its records refer to."""

Records = Mapping[str, Mapping[str, Any]]
"""Kind in the plural → id → record."""


@dataclass(frozen=True)
class Plugin:
    """A plugin's row and what it offers.

    Args:
        status: The row.
        records: What it offers; nothing unless its status is ok.
        builtin: Whether it is frontdef's own.
    """

    status: PluginStatus
    records: Records = field(default_factory=dict)
    builtin: bool = False


def load(mode: Mode = "import") -> list[Plugin]:
    """Load what frontdef brings itself, then every installed plugin that ``FRONTDEF_PLUGINS`` allows.

    Nothing that a plugin does is raised here; it becomes the plugin's row.
    """
    manager = pluggy.PluginManager("frontdef")
    manager.add_hookspecs(hookspecs)
    installed, names = discovery.installed(), discovery.allow_list()
    candidates = [plugin for plugin in installed if discovery.allowed(plugin, names)]
    plugins = [_load_builtin(manager, mode)]
    for plugin in installed:
        status = PluginStatus(plugin.name, plugin.distribution, plugin.version)
        if plugin not in candidates:
            reason = f"{discovery.ALLOW_LIST} leaves it out; it was not imported"
            mend = f"let it in: {discovery.let_in(plugin, candidates)}"
            plugins.append(Plugin(replace(status, status="disabled", reason=reason, mend=mend)))
            continue
        status = replace(status, disable=discovery.leave_out(plugin, candidates))
        try:
            rivals = [rival for rival in candidates if rival is not plugin and rival.name == plugin.name]
            discovery.check_metadata(plugin, rivals)
            plugins.append(Plugin(status) if mode == "metadata" else _load_installed(manager, plugin, status, mode))
        except FaultError as fault:
            plugins.append(Plugin(replace(status, status=fault.status, reason=fault.reason, mend=fault.mend)))
    return plugins


def _load_builtin(manager: pluggy.PluginManager, mode: Mode) -> Plugin:
    records = ask(manager, builtin, BUILTIN)
    notes = _resolve(records) if mode == "resolve" else ""
    status = PluginStatus(BUILTIN, "frontdef", __version__, reason=notes, offers=_offers(records))
    return Plugin(status, records, builtin=True)


def _load_installed(manager: pluggy.PluginManager, plugin: Installed, status: PluginStatus, mode: Mode) -> Plugin:
    package = plugin.entry.module.partition(".")[0]
    guard: AbstractContextManager[list[str]] = light_imports(package) if mode == "guarded" else nullcontext([])
    fault, records, notes = None, {}, ""
    with guard as refused:
        try:
            module = _attempt(plugin, "on import", plugin.entry.load)
            records = _attempt(plugin, "when its hooks were called", lambda: ask(manager, module, plugin.name))
            if mode == "resolve":
                notes = _attempt(plugin, "when what it refers to was imported", lambda: _resolve(records))
        except FaultError as error:
            fault = error
    if refused:
        heavy = refused[0].partition(".")[0]
        return Plugin(
            replace(
                status, reason=f"not imported here: it imports {heavy}; `frontdef plugins --load` imports everything"
            )
        )
    if fault:
        raise fault
    return Plugin(replace(status, reason=notes, offers=_offers(records)), records)


def _attempt(plugin: Installed, moment: str, step: Callable[[], Any]) -> Any:
    """Run one step of a plugin's own code; whatever it raises becomes a `FaultError`."""
    try:
        return step()
    except FaultError:
        raise
    except (Exception, SystemExit) as error:
        said = str(error).strip().splitlines()
        what = type(error).__name__ + (f": {said[0]}" if said else "")
        upgrade = f"pip install --upgrade {plugin.distribution}"
        if isinstance(error, ImportError):
            mend = f"install what it needs, or {upgrade}"
        else:
            mend = f'{upgrade}; `python -c "import {plugin.entry.module}"` shows the traceback'
        raise FaultError("failed", f"{what}, raised {moment}{_where(error, plugin)}", mend) from error


def _where(error: BaseException, plugin: Installed) -> str:
    """Where in the plugin's own files it happened, as ``" (package/file.py, line 3)"``."""
    package = plugin.entry.module.partition(".")[0]
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        parts = Path(frame.filename).parts
        if package in parts or Path(frame.filename).stem == package:
            start = parts.index(package) if package in parts else -1
            return f" ({'/'.join(parts[start:])}, line {frame.lineno})"
    return ""


def _resolve(records: Records) -> str:
    """Import what records refer to; a library whose package is missing is a note, everything else is raised."""
    notes = []
    for kind in KINDS:
        for record in records[kind.plural].values():
            for field_name in kind.references:
                resolve(getattr(record, field_name))
            if kind is LIBRARIES:
                try:
                    library = make_library(record)
                    library.version()
                    library.table()
                except MissingExtraError as error:
                    notes.append(str(error))
    return "; ".join(notes)


def _offers(records: Records) -> dict[str, tuple[str, ...]]:
    return {kind: tuple(by_name) for kind, by_name in records.items() if by_name}
