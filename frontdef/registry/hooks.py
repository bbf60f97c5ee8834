"""Asks one plugin for what it offers, and finds the hooks that pluggy would ignore without a word."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable
from typing import Any

import pluggy

from frontdef.registry.contract import breach
from frontdef.registry.kinds import KINDS, RecordKind
from frontdef.registry.status import FaultError


def ask(manager: pluggy.PluginManager, module: Any, name: str) -> dict[str, dict[str, Any]]:
    """Register a plugin and call its hooks, and no other plugin's.

    Args:
        manager: Where it is registered.
        module: The plugin: a module, or an object with hooks as methods.
        name: The name to register it by.

    Returns:
        Kind in the plural → id → record.

    Raises:
        FaultError: It breaks the contract of the hooks. What its own code raises is passed on.
    """
    _check_hooks(manager, module)
    manager.register(module, name)
    others = [registered for registered in manager.get_plugins() if registered is not module]
    return {kind.plural: _records(manager, kind, others) for kind in KINDS}


def _records(manager: pluggy.PluginManager, kind: RecordKind, others: Iterable[Any]) -> dict[str, Any]:
    records: dict[str, Any] = {}
    for offered in manager.subset_hook_caller(kind.hook, others)():
        if isinstance(offered, str) or not isinstance(offered, Iterable):
            raise FaultError(
                "failed",
                f"{kind.hook}() returns {offered!r:.60}, not an iterable",
                f"its author writes `yield` or a list in {kind.hook}()",
            )
        for record in offered:
            if not kind.accepts(record):
                record_type = kind.record.partition(":")[2]
                raise FaultError(
                    "failed",
                    f"{kind.hook}() offers {record!r:.60}, not a {record_type}",
                    f"its author offers {record_type} records",
                )
            if broken := breach(kind.singular, record):
                raise FaultError(
                    "failed",
                    f"{kind.hook}() offers a {kind.singular} that breaks the contract: {broken}",
                    "its author mends the record",
                )
            name = kind.identify(record)
            if name in records:
                raise FaultError(
                    "failed",
                    f"{kind.hook}() offers the {kind.singular} {name!r} twice",
                    "its author renames one of them",
                )
            records[name] = record
    return records


def _check_hooks(manager: pluggy.PluginManager, module: Any) -> None:
    """Find hooks that pluggy would ignore without a word."""
    known = [kind.hook for kind in KINDS]
    marked = {}
    for name in dir(module):
        options = manager.parse_hookimpl_opts(module, name)
        if options is not None:
            marked[options.get("specname") or name] = (name, options)
    for name, (_, options) in marked.items():
        if name not in known and not options.get("optionalhook"):
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            mend = f"its author renames it to {near[0]}" if near else f"the hooks are {', '.join(known)}"
            raise FaultError("failed", f"{name}() is marked as a hook, and frontdef has no hook of that name", mend)
    for name in known:
        if name in marked and (arguments := _arguments(getattr(module, marked[name][0]))):
            raise FaultError(
                "failed",
                f"{name}() wants the argument {' and '.join(map(repr, arguments))}, which frontdef does not give",
                f"its author writes {name}() without arguments",
            )
        if name not in marked and inspect.isroutine(getattr(module, name, None)):
            raise FaultError(
                "failed",
                f"{name}() is not marked as a hook, so it would never be called",
                f"its author writes @frontdef.hookimpl above {name}()",
            )
    if not marked:
        raise FaultError("failed", "it implements no hook", f"the hooks are {', '.join(known)}; see docs/plugins.md")


def _arguments(implementation: Any) -> list[str]:
    """Arguments that must be given; pluggy fills none that has a default."""
    return [
        parameter.name
        for parameter in inspect.signature(implementation).parameters.values()
        if parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
