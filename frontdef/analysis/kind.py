"""A study as a kind of plan: what its jobs fill."""

from __future__ import annotations

from frontdef.analysis.tables import TABLES, VIEWS
from frontdef.runs.kind import Kind

STUDY = Kind(
    "study",
    "frontdef.analysis.plan:remake",
    "frontdef.analysis.summary:SUMMARY",
    "frontdef.report.layers.build:build_layers_report",
    "frontdef.analysis.results:StudyResults",
    tuple(TABLES.values()),
    VIEWS,
)
