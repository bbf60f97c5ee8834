"""Which defenses, attacks, data sets and classifiers there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from frontdef.attacks.library import AttackLibrary, Realization
from frontdef.attacks.spec import Family
from frontdef.classifiers import Classifier
from frontdef.datasets import FORMS, Dataset, form_of, parse
from frontdef.defense import Defense
from frontdef.errors import UnknownNameError
from frontdef.logger import Logger
from frontdef.metrics import Metric
from frontdef.registry import kinds
from frontdef.registry.catalog import Entry
from frontdef.registry.current import catalog
from frontdef.threat import Norm, check_norm
from frontdef.zoo import Zoo


@dataclass(frozen=True)
class OfferedAttack:
    """One family in one norm by one library.

    Args:
        family: The family.
        norm: The norm.
        library: Id of the library.
        realization: How the library does it.
    """

    family: Family
    norm: Norm
    library: str
    realization: Realization


def get_defense(name: str) -> Defense:
    """The defense of an id.

    Raises:
        UnknownNameError: No plugin offers it; the nearest id is given.
        PluginError: Two plugins claim it.
    """
    return cast(Defense, catalog().find(kinds.DEFENSES, name))


def defense_entries(
    *, norm: str | None = None, randomized: bool | None = None, certified: bool | None = None
) -> list[Entry]:
    """Defenses with the plugin that offers each; the filters are those of `get_defenses`."""
    if norm is not None:
        check_norm(norm)
    return [
        entry
        for entry in catalog().entries(kinds.DEFENSES).values()
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
    return cast(Family, catalog().find(kinds.FAMILIES, name))


def get_families() -> list[Family]:
    """Every attack family."""
    return [entry.record for entry in catalog().entries(kinds.FAMILIES).values()]


def get_attack_libraries() -> dict[str, AttackLibrary]:
    """Attack libraries whose packages are installed, by id."""
    return dict(catalog().libraries[0])


def missing_attack_libraries() -> dict[str, str]:
    """Attack libraries that are left out → why, with the command that mends it."""
    return dict(catalog().libraries[1])


def get_attacks(*, norm: str | None = None, library: str | None = None) -> list[OfferedAttack]:
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
        OfferedAttack(family, exists, name, realization)
        for family in get_families()
        for exists in family.norms
        if norm in {None, exists}
        for name, offers in libraries.items()
        if library in {None, name} and (realization := offers.offers(family.name, exists))
    ]


def get_dataset(name: str) -> Dataset:
    """The data set of an id, or of a name that describes one, such as ``imagefolder:PATH`` (`frontdef.datasets.FORMS`).

    Raises:
        UnknownNameError: There is none; the nearest id or prefix is given.
        PluginError: Two plugins claim it.
        ConfigError: Options that the form does not have, or that are outside their range.
        DataError: What the name leads to is not there, or holds no images.
    """
    if name not in catalog().entries(kinds.DATASETS) and form_of(name) is not None:
        return parse(name)
    own = f"Data of your own: {', '.join(form.usage for form in FORMS)}."
    return cast(Dataset, catalog().find(kinds.DATASETS, name, own))


def get_datasets() -> list[Dataset]:
    """Every data set that has an id; `frontdef.datasets.FORMS` says how those are named that have none."""
    return [entry.record for entry in catalog().entries(kinds.DATASETS).values()]


def get_classifier(name: str) -> Classifier:
    """The classifier of an id.

    Raises:
        UnknownNameError: There is none; the nearest id is given.
        PluginError: Two plugins claim it.
    """
    return cast(Classifier, catalog().find(kinds.CLASSIFIERS, name))


def get_classifiers() -> list[Classifier]:
    """Every classifier."""
    return [entry.record for entry in catalog().entries(kinds.CLASSIFIERS).values()]


def get_metric(name: str) -> Metric:
    """The metric of an id.

    Raises:
        UnknownNameError: There is none; the nearest id is given.
        PluginError: Two plugins claim it.
    """
    return cast(Metric, catalog().find(kinds.METRICS, name))


def get_metrics() -> list[Metric]:
    """Every metric."""
    return [entry.record for entry in catalog().entries(kinds.METRICS).values()]


def get_zoo(name: str) -> Zoo:
    """The model zoo of an id.

    Raises:
        UnknownNameError: There is none; the nearest id is given.
        PluginError: Two plugins claim it.
    """
    return cast(Zoo, catalog().find(kinds.ZOOS, name))


def get_zoos() -> list[Zoo]:
    """Every model zoo."""
    return [entry.record for entry in catalog().entries(kinds.ZOOS).values()]


def get_logger(name: str) -> Logger:
    """The logger of an id.

    Raises:
        UnknownNameError: No plugin offers it; the nearest id is given, or the plugin that brings it.
        PluginError: Two plugins claim it.
    """
    own = "A function of your own is named MODULE:FUNCTION."
    return cast(Logger, catalog().find(kinds.LOGGERS, name, own))


def get_loggers() -> list[Logger]:
    """Every logger."""
    return [entry.record for entry in catalog().entries(kinds.LOGGERS).values()]


def zoo_entries() -> list[Entry]:
    """Model zoos with the plugin that offers each."""
    return list(catalog().entries(kinds.ZOOS).values())
