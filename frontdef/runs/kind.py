"""Kinds of plan: what their jobs fill, and what is computed from that. Who reads a run makes no plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from frontdef.errors import UnknownNameError
from frontdef.lazy import resolve
from frontdef.runs.table import Table, View

if TYPE_CHECKING:
    from frontdef.runs.plan import Plan

KINDS: Mapping[str, str] = {"matrix": "frontdef.matrix.kind:MATRIX", "study": "frontdef.analysis.kind:STUDY"}
"""Kind of a plan → where it is described; a new kind is a row here."""


@dataclass(frozen=True, eq=False)
class Kind:
    """A kind of plan.

    Args:
        name: Its row in `KINDS`.
        make: ``(document, device) -> Plan``, as a reference.
        summary: Name → ``(results) -> frame``, what is small enough to keep of it, as a reference.
        report: ``(results, path) -> path`` that draws it, as a reference.
        results: Class of its results, as a reference.
        tables: What its jobs fill.
        views: What is computed from these.
        papers: Whether the report also takes ``paper``, whose numbers it sets beside the run's.
        plot: ``(results, what, **options) -> Axes`` that draws one figure of it, as a reference; empty where there is
            none.
    """

    name: str
    make: str
    summary: str
    report: str
    results: str
    tables: tuple[Table, ...]
    views: tuple[View, ...] = ()
    papers: bool = False
    plot: str = ""

    def remake(self, document: Mapping[str, Any], device: str) -> Plan:
        """The same plan again, in another process.

        Args:
            document: The matrix or the study, JSON values that were validated before.
            device: Type of device.
        """
        make: Callable[[Mapping[str, Any], str], Plan] = resolve(self.make)
        return make(document, device)


def get_kind(name: str) -> Kind:
    """The kind of a name.

    Raises:
        UnknownNameError: None.
    """
    if name not in KINDS:
        raise UnknownNameError("kind of run", name, KINDS)
    kind: Kind = resolve(KINDS[name])
    return kind
