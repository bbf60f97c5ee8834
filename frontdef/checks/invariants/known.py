"""Violations that the libraries' current releases are known to have, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping

from frontdef.checks.invariants.budget import EXPENSIVE

_Place = tuple[str, str, str, str]

_LAST = "Returns its last iterate, though an earlier one was misclassified."
_SEEDS = "Seeds torch's global generator with an argument of its own, 0 by default."
_SPREAD = "Steps along the gradient itself instead of the best pixel, so ε is spent on pixels that matter little."
_NO_PROJECTION = "Never projects onto the ℓ2 ball, so a first misclassified iterate is hardly improved on."
_LOOK_AHEAD = "Takes no candidates among its look-ahead points, and chooses by the elastic-net distance."
_NEGATIVE = "Reads a negative logit as 0."
_ONE_CONSTANT = "One constant without a search: what the factor or the model asks for is missed."
_BOUNDARY = "Its examples end on the boundary itself, where a rounding error decides."
_ZERO = "0 / 0 where an image's gradient is zero."
_SHARED_MEMORY = "Its first gradient step moves the image that it measures from, out of the box."
_ONE_VALUE_MORE = "Keeps one value more than its ε."


def _each(why: str, library: str, families: str, norms: str, *checks: str) -> dict[_Place, str]:
    """One reason for several families, norms and checks."""
    return {
        (library, family, norm, check): why for family in families.split() for norm in norms.split() for check in checks
    }


KNOWN: Mapping[_Place, str] = {
    **_each(_LAST, "native", "bim pgd eotpgd transfer", "l1", "seen, so returned"),
    **_each(_LAST, "art", "mifgsm", "linf", "seen, so returned"),
    **_each(_LAST, "art", "pgd", "l2", "seen, so returned"),
    **_each(_LAST, "art", "apgd", "linf", "disc oracle"),
    **_each(_SPREAD, "foolbox", "fgsm bim pgd", "l1", "linear oracle", "disc oracle"),
    **_each(_ONE_VALUE_MORE, "foolbox", "fmn", "l0", "linear oracle"),
    **_each(_NO_PROJECTION, "foolbox", "fmn", "l2", "linear oracle", "disc oracle"),
    **_each(_LOOK_AHEAD, "foolbox", "ead", "l1", "seen, so returned"),
    **_each(_ZERO, "foolbox", "newtonfool", "l2", "constant model", "zero gradient"),
    **_each(_LAST, "torchattacks", "mifgsm", "linf", "seen, so returned"),
    **_each(_SEEDS, "torchattacks", "apgd apgdt square fab", "linf l2", "generators not reseeded"),
    **_each(_NEGATIVE, "torchattacks", "cw", "l2", "logit shift"),
    **_each(_ONE_CONSTANT, "torchattacks", "cw", "l2", "logit scale", "linear oracle", "disc oracle"),
    **_each(_BOUNDARY, "torchattacks", "deepfool", "l2", "logit shift", "input units"),
    **_each(_ZERO, "torchattacks", "deepfool", "l2", "constant model", "zero gradient"),
    **_each(_SHARED_MEMORY, "torchattacks", "ead", "l1", "norm and box"),
}
"""Library, family, norm, check → why."""


def violated(library: str, family: str, norm: str) -> tuple[str, ...]:
    """Names of the checks that a row of a library's table is known to violate."""
    return tuple(check for *row, check in KNOWN if row == [library, family, norm])


UNEXAMINED: frozenset[tuple[str, str]] = frozenset(
    {
        *(("art", family) for family in EXPENSIVE),
        *(("foolbox", family) for family in ("boundary", "hopskipjump")),
        *(("torchattacks", family) for family in ("autoattack", "pixel")),
    }
)
"""Library and family of the rows that `KNOWN` says nothing about yet: they take minutes."""


def reason(library: str, family: str, norm: str, check: str) -> str:
    """Why a violation is known; empty for a new one."""
    return KNOWN.get((library, family, norm, check), "")
