"""The checks, imported in the order in which they are reported."""

from frontdef.checks.invariants.checks import conduct, strength, equals, degenerate, oracle, chance, options  # noqa: F401, I001
