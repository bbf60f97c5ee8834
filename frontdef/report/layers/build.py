"""From an analysis to one offline HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from markupsafe import Markup

from frontdef import weights
from frontdef._version import __version__
from frontdef.analysis.columns import TABLES, VIEWS
from frontdef.analysis.results import Analysis
from frontdef.report import chart, page, svg
from frontdef.report.layers import charts, figures
from frontdef.threat import ThreatModel, parse_eps

SCRIPTS = ("scripts/core.js", "scripts/sort.js", "layers/page.js")


def build_layers_report(analysis: Analysis, path: Path) -> Path:
    """Write the report of an analysis.

    Args:
        analysis: What was found.
        path: The file to write.

    Returns:
        ``path``.

    Raises:
        StoreError: The file can't be written.
    """
    weights.write_whole(path, render(analysis).encode())
    return path


def render(analysis: Analysis) -> str:
    """The page as text; whatever its names contain, they are shown as text."""
    style, script = page.style("layers/style.css"), page.script(SCRIPTS)
    models = analysis.models
    return (
        page.environment()
        .get_template("layers/template.html.j2")
        .render(
            about=analysis.about,
            study=analysis.about["study"],
            attack=attack_of(analysis),
            models=models,
            accuracies=accuracies(analysis),
            done=len(analysis.footers),
            failures=analysis.failures(),
            notes=analysis.notes(),
            layers=layers_of(analysis),
            curves=figures.ratio_curves(analysis, models),
            ratio_panels=figures.ratio_panels(analysis, models),
            partial=figures.partial_curves(analysis),
            weight_panels=figures.weight_panels(analysis, models),
            tables={**TABLES, **{name: columns for name, (columns, _) in VIEWS.items()}},
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


def layers_of(analysis: Analysis) -> list[dict[str, Any]]:
    """The layers, each once, with the models that have it."""
    found = analysis.table("layers")
    rest = [name for name in found.columns if name != "model"]
    grouped = found.groupby(rest, sort=False)["model"].agg(", ".join).reset_index().sort_values("layer", kind="stable")
    return [{str(name): value for name, value in row.items()} for row in grouped.to_dict("records")]


def accuracies(analysis: Analysis) -> dict[str, dict[str, Any]]:
    """Model → loss and accuracy, clean and attacked, where the ratios were measured."""
    found = ((unit, analysis.footers.get(unit["key"])) for unit in analysis.units if unit["table"] == "ratios")
    return {unit["what"].removeprefix("ratios "): about for unit, about in found if about is not None}


def attack_of(analysis: Analysis) -> str:
    """The attack in words."""
    attack = analysis.about["study"]["attack"]
    threat = ThreatModel(attack["norm"], parse_eps(attack["eps"]))
    start = "a random start" if attack["random_start"] else "the image itself"
    return f"PGD {threat}, {attack['steps']} steps of {attack['relative_step']:g}·ε from {start}"
