"""A matrix as a kind of plan: how another process makes the same plan, and what its jobs fill."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from frontdef.matrix.entries import Matrix
from frontdef.matrix.plan import make_plan
from frontdef.matrix.tables import TABLES
from frontdef.matrix.views import VIEWS
from frontdef.runs.plan import Kind, Plan


def remake(document: Mapping[str, Any], device: str) -> Plan:
    """The plan of a matrix that was validated before."""
    return make_plan(Matrix.model_validate(document), device=device)


MATRIX = Kind("matrix", remake, TABLES, VIEWS)
