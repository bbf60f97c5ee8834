"""What frontdef brings itself, registered like any plugin and before them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from frontdef import hookimpl
from frontdef.attacks.families import FAMILIES
from frontdef.defense import Defense

if TYPE_CHECKING:
    from frontdef.attacks.spec import Family
    from frontdef.classifiers import Classifier
    from frontdef.datasets import Dataset


@hookimpl
def frontdef_defenses() -> Iterable[Defense]:
    """The undefended baseline."""
    yield Defense(
        "none",
        front_end="frontdef.frontend:Identity",
        summary="no front end: the undefended baseline",
        norms=("linf", "l2", "l1"),
    )


@hookimpl
def frontdef_attacks() -> Iterable[str]:
    """The three libraries and the reference; one whose package is missing is left out where libraries are asked for."""
    yield "frontdef.attacks.art:ArtLibrary"
    yield "frontdef.attacks.torchattacks:TorchattacksLibrary"
    yield "frontdef.attacks.foolbox:FoolboxLibrary"
    yield "frontdef.attacks.native.library:NativeLibrary"


@hookimpl
def frontdef_families() -> Iterable[Family]:
    """The families that every library is compared on."""
    return FAMILIES


@hookimpl
def frontdef_datasets() -> Iterable[Dataset]:
    """Data sets of frontdef and of scikit-learn, torchvision and image folders."""
    from frontdef.datasets import DATASETS

    return DATASETS


@hookimpl
def frontdef_classifiers() -> Iterable[Classifier]:
    """Classifiers."""
    from frontdef.classifiers import CLASSIFIERS

    return CLASSIFIERS
