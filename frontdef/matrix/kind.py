"""A matrix as a kind of plan: what its jobs fill."""

from __future__ import annotations

from frontdef.matrix.tables import TABLES
from frontdef.matrix.views import VIEWS
from frontdef.runs.kind import Kind

MATRIX = Kind(
    "matrix",
    "frontdef.matrix.plan:remake",
    "frontdef.matrix.summary:SUMMARY",
    "frontdef.report.build:build_report",
    "frontdef.matrix.results:MatrixResults",
    TABLES,
    VIEWS,
    papers=True,
    plot="frontdef.report.figures:plot",
)
