"""Which defenses, attacks, data sets and classifiers there are. Importing and asking import no ML library."""

from __future__ import annotations

from frontdef.registry.catalog import Entry
from frontdef.registry.current import clear, plugins, require_plugins, unknown_allowed
from frontdef.registry.lookup import (
    OfferedAttack,
    defense_entries,
    get_attack_libraries,
    get_attacks,
    get_classifier,
    get_classifiers,
    get_dataset,
    get_datasets,
    get_defense,
    get_defenses,
    get_families,
    get_family,
    get_logger,
    get_loggers,
    get_metric,
    get_metrics,
    get_zoo,
    get_zoos,
    missing_attack_libraries,
    zoo_entries,
)
from frontdef.registry.status import PluginError, PluginStatus

__all__ = [
    "Entry",
    "OfferedAttack",
    "PluginError",
    "PluginStatus",
    "clear",
    "defense_entries",
    "get_attack_libraries",
    "get_attacks",
    "get_classifier",
    "get_classifiers",
    "get_dataset",
    "get_datasets",
    "get_defense",
    "get_defenses",
    "get_families",
    "get_family",
    "get_logger",
    "get_loggers",
    "get_metric",
    "get_metrics",
    "get_zoo",
    "get_zoos",
    "missing_attack_libraries",
    "plugins",
    "require_plugins",
    "unknown_allowed",
    "zoo_entries",
]
