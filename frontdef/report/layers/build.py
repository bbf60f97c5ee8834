"""From an analysis to one offline HTML file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from frontdef._version import __version__
from frontdef.analysis.results import StudyResults
from frontdef.analysis.tables import TABLES, VIEWS
from frontdef.errors import StoreError
from frontdef.report import chart, page, svg
from frontdef.report.layers import charts, figures
from frontdef.runs.head import MEND
from frontdef.runs.table import Column
from frontdef.threat import ThreatModel, parse_eps
from frontdef.whole import write_whole

SCRIPTS = ("scripts/core.js", "rows/sort.js", "layers/page.js")


def build_layers_report(analysis: StudyResults, path: Path) -> Path:
    """Write the report of an analysis.

    Args:
        analysis: What was found.
        path: The file to write.

    Returns:
        ``path``.

    Raises:
        StoreError: The file can't be written.
    """
    write_whole(path, render(analysis).encode(errors="backslashreplace"))
    return path


def render(analysis: StudyResults) -> str:
    """The page as text; whatever its names contain, they are shown as text."""
    style, script = page.style("layers/style.css"), page.script(SCRIPTS)
    models = analysis.models()
    return (
        page.environment()
        .get_template("layers/template.html.j2")
        .render(
            about=analysis.head,
            study=document_of(analysis),
            attack=attack_of(analysis),
            models=models,
            accuracies=accuracies(analysis),
            done=sum(job.status == "ok" for job in analysis.jobs),
            failures=analysis.failures(),
            notes=analysis.notes(),
            layers=layers_of(analysis),
            curves=figures.ratio_curves(analysis, models),
            ratio_panels=figures.ratio_panels(analysis, models),
            partial=figures.partial_curves(analysis),
            weight_panels=figures.weight_panels(analysis, models),
            tables={
                **{table.name: table.columns for table in TABLES.values()},
                **{view.name: view.columns for view in VIEWS},
            },
            chart=chart,
            charts=charts,
            number=chart.number,
            svg=svg,
            payload=page.embedded({"settings": [], "cells": [], "names": {}, "start": 0}),
            style=Markup(style),
            script=Markup(script),
            policy=page.policy(style, script),
            version=__version__,
        )
    )


def _columns() -> dict[str, Mapping[str, Column]]:
    """Table or view → its columns."""
    return {**{table.name: table.columns for table in TABLES.values()}, **{view.name: view.columns for view in VIEWS}}


def layers_of(analysis: StudyResults) -> list[dict[str, Any]]:
    """The layers, each once, with the models that have it."""
    layers = analysis.table("layers")
    rest = [name for name in layers.columns if name != "model"]
    grouped = layers.groupby(rest, sort=False)["model"].agg(", ".join).reset_index().sort_values("layer", kind="stable")
    return [{str(name): value for name, value in row.items()} for row in grouped.to_dict("records")]


def accuracies(analysis: StudyResults) -> dict[str, dict[str, Any]]:
    """Model → loss and accuracy, clean and attacked, where the ratios were measured."""
    return {job.entry.about["model"]: dict(job.about) for job in analysis.jobs_of("ratios") if job.status == "ok"}


def document_of(analysis: StudyResults) -> Mapping[str, Any]:
    """What the run says of its study.

    Raises:
        StoreError: It lacks what every study says.
    """
    document = analysis.head.document
    if lacking := [name for name in ("name", "samples", "seed") if name not in document]:
        raise StoreError(f"{analysis.path}: run.json does not say the {', '.join(lacking)} of its study: {MEND}")
    return document


def attack_of(analysis: StudyResults) -> str:
    """The attack in words.

    Raises:
        StoreError: The run does not say it as a study does.
    """
    try:
        attack = analysis.head.document["attack"]
        threat = ThreatModel(attack["norm"], parse_eps(attack["eps"]))
        start = "a random start" if attack["random_start"] else "the image itself"
        return f"PGD {threat}, {attack['steps']} steps of {attack['relative_step']:g}·ε from {start}"
    except (KeyError, TypeError, ValueError):
        raise StoreError(f"{analysis.path}: run.json does not say the attack of its study: {MEND}") from None
