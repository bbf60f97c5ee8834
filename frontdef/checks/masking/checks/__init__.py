"""The checks, one small function each, in the order in which they are reported."""

from frontdef.checks.masking.checks import (  # noqa: I001  the order of the report
    validity,
    gradients,
    rivals,
    decision,
    distortion,
    effort,
    indicators,
    binarization,
    autoattack,
    union,
    memory,
)

__all__ = [
    "autoattack",
    "binarization",
    "decision",
    "distortion",
    "effort",
    "gradients",
    "indicators",
    "memory",
    "rivals",
    "union",
    "validity",
]
