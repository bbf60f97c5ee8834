"""The checks, one small function each, in the order in which they are reported."""

from frontdef.checks.masking.checks import (  # noqa: I001  the order of the report
    validity,
    gradients,
    rivals,
    distortion,
    effort,
    indicators,
    binarization,
    autoattack,
    union,
)

__all__ = [
    "autoattack",
    "binarization",
    "distortion",
    "effort",
    "gradients",
    "indicators",
    "rivals",
    "union",
    "validity",
]
