"""What a plugin may offer: eight hooks. Each returns an iterable of records; a plugin implements those it needs.

A plugin is a module that an entry point of the group ``frontdef`` names, with functions marked ``@frontdef.hookimpl``.
Its distribution requires ``frontdef>=0.1,<0.2``: the cap is the contract, read before anything is imported.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from frontdef import Classifier, Defense, Logger, Metric, Zoo
    from frontdef.attacks.library import AttackLibrary
    from frontdef.attacks.spec import Family
    from frontdef.datasets import Dataset

hookspec = pluggy.HookspecMarker("frontdef")


@hookspec
def frontdef_defenses() -> Iterable[Defense]:
    """Defenses: front ends with their configuration, recipe and certificate."""


@hookspec
def frontdef_attacks() -> Iterable[AttackLibrary | str]:
    """Libraries of attacks: objects, or references ``"package.module:attribute"``."""


@hookspec
def frontdef_families() -> Iterable[Family]:
    """Attack families beyond those of `frontdef.attacks.families`."""


@hookspec
def frontdef_datasets() -> Iterable[Dataset]:
    """Data sets."""


@hookspec
def frontdef_classifiers() -> Iterable[Classifier]:
    """Classifiers that stand behind a front end."""


@hookspec
def frontdef_metrics() -> Iterable[Metric]:
    """What is measured of a model beside its accuracy under attack."""


@hookspec
def frontdef_models() -> Iterable[Zoo]:
    """Zoos: trained models by name, to be defended and attacked."""


@hookspec
def frontdef_loggers() -> Iterable[Logger]:
    """Where a run may be logged beside its folder, each job as it ends."""
