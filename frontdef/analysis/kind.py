"""A study as a kind of plan: how another process makes the same plan, and what its jobs fill."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from frontdef.analysis.plan import make_plan
from frontdef.analysis.study import Study
from frontdef.analysis.tables import TABLES, VIEWS
from frontdef.runs.plan import Kind, Plan


def remake(document: Mapping[str, Any], device: str) -> Plan:
    """The plan of a study that was validated before."""
    return make_plan(Study.model_validate(document), device=device)


STUDY = Kind(
    "study",
    remake,
    tuple(TABLES.values()),
    VIEWS,
    report="frontdef.report.layers.build:build_layers_report",
)
