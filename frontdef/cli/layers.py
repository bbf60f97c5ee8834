"""The tables of an analysis in the terminal: the same figures as the report's."""

from __future__ import annotations

import pandas as pd
from rich.console import Console
from rich.text import Text

from frontdef.analysis.results import StudyResults
from frontdef.analysis.tables import labels_of
from frontdef.cli.sheets import Sheet, SheetCell, SheetColumn, to_terminal, words


def print_analysis(console: Console, analysis: StudyResults) -> None:
    """Ratios in dB by layer and model, partial trainings by code and cut, medians of the weights' statistics."""
    for sheet in sheets(analysis):
        to_terminal(console, sheet)
    for note in analysis.notes():
        console.print(Text(note))
    for failure in analysis.failures():
        console.print(Text(f"FAILED {failure['what']}: {failure['error'].strip().splitlines()[-1]}", style="red"))


def sheets(analysis: StudyResults) -> list[Sheet]:
    """The same tables as data."""
    tables = []
    psr, partial, filters = (analysis.table(name) for name in ("psr", "partial", "filters"))
    for p, here in psr.groupby("p"):
        title = f"perturbation-to-signal ratio, dB (20·log10 of the mean over the images), p = {p:g}"
        tables.append(_sheet(title, _by_layer(here, "db", analysis.models()), "{:.2f}"))
    for mode, here in partial.groupby("mode"):
        where = "layers before the cut" if mode == "block" else "the layer"
        for column, title, form in (
            ("adversarial_loss", "loss under attack, nats", "{:.3f}"),
            ("adversarial_accuracy", "accuracy under attack", "{:.1%}"),
            ("clean_accuracy", "accuracy without attack", "{:.1%}"),
        ):
            table = pd.pivot_table(here, index=["cut", "label"], columns="code", values=column, sort=True)
            table.index = [f"{cut} {label}" for cut, label in table.index]
            tables.append(_sheet(f"partial training, {title}; {where} down, codes across", table, form))
    if len(filters):
        medians = filters.groupby(["model", "layer", "label"])[["normalized"]].median().reset_index()
        title = "sparsity of filters, median of ((‖w‖₁/‖w‖₂)² − 1)/(d − 1): 0 a single value, 1 all of one size"
        tables.append(_sheet(title, _by_layer(medians, "normalized", analysis.models()), "{:.3f}"))
    largest = analysis.sql("select model, layer, label, value from singular_values where place = 1")
    if len(largest):
        title = "largest singular value of each convolution, as an operator on its whole input"
        tables.append(_sheet(title, _by_layer(largest, "value", analysis.models()), "{:.3f}"))
    return tables


def _by_layer(rows: pd.DataFrame, column: str, models: list[str]) -> pd.DataFrame:
    table = pd.pivot_table(rows, index="label", columns="model", values=column)
    return table.loc[labels_of(rows), [model for model in models if model in table.columns]]


def _sheet(title: str, frame: pd.DataFrame, form: str) -> Sheet:
    columns = [
        SheetColumn("layer", "layer"),
        *(SheetColumn(str(name), str(name), numbers=True) for name in frame.columns),
    ]
    rows = [
        [words(str(label)), *(SheetCell("–" if pd.isna(value) else form.format(value), value) for value in values)]
        for label, values in zip(frame.index, frame.to_numpy(), strict=True)
    ]
    return Sheet(title, columns, rows)
