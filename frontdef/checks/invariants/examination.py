"""Examine: run every check on a row of a library's table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext

import torch

import frontdef.checks.invariants.checks  # noqa: F401  fills the table of checks
from frontdef.attacks.library import AttackLibrary
from frontdef.attacks.spec import Family
from frontdef.checks.invariants.record import Report
from frontdef.checks.invariants.table import CHECKS
from frontdef.checks.invariants.tasks import Task
from frontdef.checks.invariants.trial import Trial
from frontdef.errors import ConfigError
from frontdef.threat import Norm, check_norm


def rows(library: AttackLibrary, families: Mapping[str, Family], only: str | None = None) -> list[tuple[Family, Norm]]:
    """The rows of a library's table, in the order of the families.

    Args:
        library: The library.
        families: Name → family.
        only: The only family that is wanted.

    Raises:
        ConfigError: The library does not offer it.
    """
    offered = [
        (family, norm)
        for name, family in families.items()
        for norm in family.norms
        if library.offers(name, norm) and only in (None, name)
    ]
    if not offered:
        raise ConfigError(f"{library.name} does not offer {only}")
    return offered


def examine(
    library: AttackLibrary, family: Family, norm: str, task: Task | None = None, eps: float | None = None
) -> Report:
    """Run every check on one row.

    Args:
        library: The library.
        family: A family that it offers.
        norm: In this norm.
        task: What it is attacked on, of a model that somebody brings (`tasks.brought`); None takes the small trained
            model. The checks whose answer is known beforehand keep their own models.
        eps: The radius; None takes the one that suits the small model.

    Raises:
        ConfigError: It does not.
    """
    offered = library.offers(family.name, norm)
    if offered is None:
        raise ConfigError(f"{library.name} does not offer {family.name} in {norm}")
    with nullcontext() if task else _one_thread():
        trial = Trial(library, family, check_norm(norm), task, eps)
        findings = tuple(check.attempt(trial) for check in CHECKS)
    known = {violation.check: violation.why for violation in offered.violations or ()}
    name = task.name if task else ""
    certain = () if task else tuple(v.check for v in offered.violations or () if not v.rounding)
    return Report(
        library.name, library.version(), family.name, norm, offered.call, findings, known, name, trial.eps, certain
    )


@contextmanager
def _one_thread() -> Iterator[None]:
    """Models this small are slower on many threads, and their sums would depend on how many."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
