"""Running a plan without a word."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from frontdef.matrix.entries import parse_matrix
from frontdef.matrix.plan import make_plan
from frontdef.runs.plan import Plan
from frontdef.runs.progress import PlainProgress
from frontdef.runs.run import Settings, Summary, run


def run_plan(plan: Plan, out: Path, **settings) -> Summary:
    """Run a plan into a folder."""
    return run(plan, Settings(out, **settings), PlainProgress(Console(quiet=True)))


def run_matrix(text: str, out: Path, **settings) -> tuple[Plan, Summary]:
    """Run a matrix, given as TOML, into a folder; the plan and what came of it."""
    plan = make_plan(parse_matrix(text))
    return plan, run_plan(plan, out, **settings)
