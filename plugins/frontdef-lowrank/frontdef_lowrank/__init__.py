"""Low-rank weights as a frontdef plugin; this module imports no ML library before `reduce` is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import frontdef

if TYPE_CHECKING:
    from frontdef_lowrank.reduction import reduce, reduce_in_place

__all__ = ["frontdef_classifiers", "frontdef_defenses", "reduce", "reduce_in_place"]

PAPER = (
    "Jorio Cocola, Varun Sundar Rabindranath: Making Neural Nets Robust Again (report), sections 2.2 and 3.6: "
    "robustness via low-rank approximation"
)


def __getattr__(name: str) -> Any:
    if name in {"reduce", "reduce_in_place"}:
        from frontdef_lowrank import reduction

        return getattr(reduction, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@frontdef.hookimpl
def frontdef_defenses() -> Iterable[frontdef.Defense]:
    """Offer the defense ``lowrank``."""
    yield frontdef.Defense(
        "lowrank",
        front_end="frontdef_lowrank.front_end:LowRankFrontEnd",
        config="frontdef_lowrank.config:LowRankConfig",
        paper=PAPER,
        summary="a trained network whose bottom singular values, of every weight matrix, are zeroed or scaled down",
        recipe="frontdef_lowrank.recipes:recipe",
        classifier="linear",
        norms=("linf", "l2"),
        datasets=("mnist", "fashion-mnist", "digits"),
    )
