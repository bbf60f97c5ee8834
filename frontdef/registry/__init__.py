"""Which defenses, attacks, data sets and classifiers there are. Importing and asking import no ML library."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from frontdef.attacks.library import AttackLibrary, Realisation
from frontdef.attacks.spec import Family
from frontdef.classifiers import Classifier
from frontdef.datasets import FAMILIES as DATASET_PREFIXES
from frontdef.datasets import Dataset, parse
from frontdef.defense import Defense
from frontdef.errors import ConfigError, UnknownNameError
from frontdef.registry import discovery, kinds
from frontdef.registry.catalog import Catalog, Entry
from frontdef.registry.loader import Mode, load
from frontdef.registry.status import PluginError, PluginStatus
from frontdef.threat import Norm, check_norm

__all__ = [
    "Attack",
    "Entry",
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
    "missing_attack_libraries",
    "plugins",
    "require_plugins",
    "unknown_allowed",
]

STRICT = "FRONTDEF_STRICT"


@dataclass(frozen=True)
class Attack:
    """One family in one norm by one library.

    Args:
        family: The family.
        norm: The norm.
        library: Id of the library.
        realisation: How the library does it.
    """

    family: Family
    norm: Norm
    library: str
    realisation: Realisation


@lru_cache(maxsize=1)
def _catalog() -> Catalog:
    return _checked(Catalog(load("import")))


def clear() -> None:
    """Forget what was found, so that the next question scans the installed plugins again."""
    _catalog.cache_clear()


def _checked(catalog: Catalog) -> Catalog:
    if os.environ.get(STRICT, "0") in {"", "0"}:
        return catalog
    faults = [
        f"{status.name} ({status.distribution} {status.version}) is {status.status}: {status.reason}"
        for status in catalog.statuses
        if status.status not in {"ok", "disabled"}
    ]
    faults += [f"{discovery.ALLOW_LIST} names {name!r}, which is not installed" for name in unknown_allowed()]
    if faults:
        raise PluginError(f"{STRICT} is set, and {'; '.join(faults)}")
    return catalog


def plugins(mode: Mode = "import") -> list[PluginStatus]:
    """One row a plugin, frontdef's own first; broken ones are rows, too.

    Args:
        mode: ``import`` imports every allowed plugin; ``metadata`` none; ``guarded`` refuses ML imports and says which
            plugins wanted one; ``resolve`` imports every front end and library as well.

    Raises:
        PluginError: ``FRONTDEF_STRICT=1`` and a plugin is not ok.
    """
    return _catalog().statuses if mode == "import" else _checked(Catalog(load(mode))).statuses


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
        wanted = Requirement(line)
    except InvalidRequirement:
        raise ConfigError(f"a required plugin reads 'frontdef-wavelet>=0.1', got {line!r}") from None
    rows = [row for row in plugins() if canonicalize_name(row.distribution) == canonicalize_name(wanted.name)]
    if not rows:
        return [f"{line} is not installed. Mend: pip install {str(wanted)!r}"]
    if not wanted.specifier.contains(rows[0].version, prereleases=True):
        return [f"{line} is wanted, {rows[0].version} is installed. Mend: pip install {str(wanted)!r}"]
    return [
        f"{row.distribution} {row.version} is {row.status}: {row.reason}. Mend: {row.mend}"
        for row in rows
        if row.status != "ok"
    ]


def get_defense(name: str) -> Defense:
    """The defense of an id.

    Raises:
        UnknownNameError: No plugin offers it; the nearest id is given.
        PluginError: Two plugins claim it.
    """
    return cast(Defense, _catalog().find(kinds.DEFENSES, name))


def defense_entries(
    *, norm: str | None = None, randomized: bool | None = None, certified: bool | None = None
) -> list[Entry]:
    """Defenses with the plugin that offers each; the filters are those of `get_defenses`."""
    if norm is not None:
        check_norm(norm)
    return [
        entry
        for entry in _catalog().entries(kinds.DEFENSES).values()
        if norm is None or norm in entry.record.norms
        if randomized is None or entry.record.randomized is randomized
        if certified is None or entry.record.certified is certified
    ]


def get_defenses(
    *, norm: str | None = None, randomized: bool | None = None, certified: bool | None = None
) -> list[Defense]:
    """Defenses that match every filter given.

    Args:
        norm: Made for this threat model: ``linf``, ``l2``, ``l1``, ``l0``.
        randomized: Whether it draws random numbers at test time.
        certified: Whether it proves anything.

    Raises:
        UnknownNameError: Not a norm.
    """
    return [entry.record for entry in defense_entries(norm=norm, randomized=randomized, certified=certified)]


def get_family(name: str) -> Family:
    """The attack family of an id.

    Raises:
        UnknownNameError: There is none; the nearest id is given.
        PluginError: Two plugins claim it.
    """
    return cast(Family, _catalog().find(kinds.FAMILIES, name))


def get_families() -> list[Family]:
    """Every attack family."""
    return [entry.record for entry in _catalog().entries(kinds.FAMILIES).values()]


def get_attack_libraries() -> dict[str, AttackLibrary]:
    """Attack libraries whose packages are installed, by id."""
    return dict(_catalog().libraries[0])


def missing_attack_libraries() -> dict[str, str]:
    """Attack libraries that are left out → why, with the command that mends it."""
    return dict(_catalog().libraries[1])


def get_attacks(*, norm: str | None = None, library: str | None = None) -> list[Attack]:
    """What the installed libraries offer, by family, norm and library.

    Args:
        norm: Only in this norm.
        library: Only by this library.

    Raises:
        UnknownNameError: Not a norm, or no installed library of that id.
    """
    if norm is not None:
        check_norm(norm)
    libraries = get_attack_libraries()
    if library is not None and library not in libraries:
        reason = missing_attack_libraries().get(library, "`frontdef ls attacks` lists them.")
        raise UnknownNameError("attack library", library, libraries, reason)
    return [
        Attack(family, exists, name, realisation)
        for family in get_families()
        for exists in family.norms
        if norm in {None, exists}
        for name, offers in libraries.items()
        if library in {None, name} and (realisation := offers.offers(family.name, exists))
    ]


def get_dataset(name: str) -> Dataset:
    """The data set of an id, or of a name with a prefix such as ``imagefolder:PATH``.

    Raises:
        UnknownNameError: There is none; the nearest id is given.
        PluginError: Two plugins claim it.
        DataError: The folder of an ``imagefolder:PATH`` is not there, or holds no images.
    """
    prefix, separator, _ = name.partition(":")
    if separator and prefix in DATASET_PREFIXES:
        return parse(name)
    return cast(Dataset, _catalog().find(kinds.DATASETS, name))


def get_datasets() -> list[Dataset]:
    """Every data set that has an id; image folders are named by their path instead."""
    return [entry.record for entry in _catalog().entries(kinds.DATASETS).values()]


def get_classifier(name: str) -> Classifier:
    """The classifier of an id.

    Raises:
        UnknownNameError: There is none; the nearest id is given.
        PluginError: Two plugins claim it.
    """
    return cast(Classifier, _catalog().find(kinds.CLASSIFIERS, name))


def get_classifiers() -> Sequence[Classifier]:
    """Every classifier."""
    return [entry.record for entry in _catalog().entries(kinds.CLASSIFIERS).values()]
