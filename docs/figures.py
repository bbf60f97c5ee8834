"""The papers' figures, drawn anew from the committed summaries: ``make docs-figures`` writes those whose run is there.

A figure is a row of figures.toml: what it is called, how it is drawn, and of which summary. Nothing is run here.
"""

from __future__ import annotations

import io
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image
from summaries import Row, folder_of, rows_of

from frontdef.pictures import diverging, enlarged, montage, scaled
from frontdef.report import palette
from frontdef.report.layers.paper import DASHES, MARKERS, STYLE, UNDATED
from frontdef.verdicts.statistics import wilson

TABLE = Path(__file__).with_name("figures.toml")
FOLDER = Path(__file__).parent / "papers" / "figures"
SIZE = (5.5, 3.3)
ZOOM = 8
MANY = 40
"""Points of a line that are not marked one by one."""

CERTIFIED = ", certified"
"""End of the name of a line that is drawn dotted, in the color of the line without it."""

LARGEST = 200_000
"""Bytes of a committed picture."""

Points = Sequence[tuple[float, float, float, float]]
"""Place, value, and the ends of its 95 % interval, NaN where there is none."""

NAN = float("nan")


@dataclass(frozen=True)
class Chart:
    """Lines over one axis.

    Args:
        title: What is shown.
        across: Title of the axis across.
        up: Title of the axis upwards.
        lines: Name → points.
        names: Names of the places across; empty for numbers.
        log: Whether the axis upwards is logarithmic.
    """

    title: str
    across: str
    up: str
    lines: Mapping[str, Points]
    names: Sequence[str] = ()
    log: bool = False


def radii(run: str, dataset: str, norm: str, title: str, renamed: Mapping[str, str] | None = None) -> Chart:
    """Robust accuracy under all attacks against ε, and dotted what is certified."""
    lines: dict[str, list[tuple[float, float, float, float]]] = defaultdict(list)
    for row in rows_of(run, "worst"):
        if (row["dataset"], row["norm"]) != (dataset, norm):
            continue
        name = (renamed or {}).get(row["defense"], row["defense"])
        if not lines[name]:
            lines[name].append((0.0, *_share(row, "clean")))
        lines[name].append((float(row["eps"]), *(100 * float(row[end]) for end in ("robust", "low", "high"))))
        if row["certified"]:
            lines[f"{name}{CERTIFIED}"].append((float(row["eps"]), *_share(row, "certified")))
    kept = {name: sorted(points) for name, points in lines.items() if any(point[1] > 0 for point in points)}
    return Chart(title, "ε", "right, %", kept)


def attack_radii(run: str, dataset: str, norm: str, families: Sequence[str], title: str) -> Chart:
    """Robust accuracy of each row under single attacks against ε."""
    lines: dict[str, dict[float, tuple[float, float, float]]] = defaultdict(dict)
    for cell in rows_of(run, "cells"):
        family = cell["attack"].split(" ")[0]
        if (cell["dataset"], cell["norm"]) != (dataset, norm) or family not in families or not cell["robust_accuracy"]:
            continue
        told, eps = _share(cell, "robust_accuracy"), float(cell["judged_eps"])
        line = lines[f"{cell['defense']}, {family}"]
        line[eps] = min(told, line.get(eps, told))
    return Chart(
        title, "ε", "right, %", {name: sorted((e, *told) for e, told in by.items()) for name, by in lines.items()}
    )


def layers(
    run: str,
    table: str,
    value: str,
    title: str,
    up: str,
    ends: Sequence[str] = ("", ""),
    over: str = "",
    log: bool = False,
) -> Chart:
    """A column of a study's summary along the layers, a line a model."""
    rows = rows_of(run, table)
    models = sorted(dict.fromkeys(row["model"] for row in rows), key=lambda model: model != "natural")
    places = {(int(row["layer"]), row["label"]) for row in rows}
    names = [label for _, label in sorted(places)]
    lines = {
        model: [
            (names.index(row["label"]), *(_value(row, name, over) for name in (value, *ends)))
            for row in rows
            if row["model"] == model
        ]
        for model in models
    }
    return Chart(title, "layer", up, lines, names, log)


def cuts(run: str, codes: Mapping[str, str], value: str, title: str, up: str, scale: float = 1.0) -> Chart:
    """A column of partial training against the number of layers that were trained adversarially."""
    lines: dict[str, list[tuple[float, float, float, float]]] = defaultdict(list)
    for row in rows_of(run, "partial"):
        if row["code"] in codes:
            lines[codes[row["code"]]].append((float(row["adversarial_layers"]), scale * float(row[value]), NAN, NAN))
    return Chart(title, "layers trained adversarially", up, {name: sorted(points) for name, points in lines.items()})


def quantities(
    run: str, metric: str, title: str, across: str, up: str, scale: float = 1.0, only: Iterable[str] = ()
) -> Chart:
    """The quantities of a metric in their order, a line a row."""
    rows = [row for row in rows_of(run, "metrics") if row["metric"] == metric]
    chosen = set(only)
    names = list(dict.fromkeys(row["quantity"] for row in rows))
    numbers = [re.search(r"\d+(?:\.\d+)?", name) for name in names]
    at = {
        name: float(number[0]) if number else float(place)
        for place, (name, number) in enumerate(zip(names, numbers, strict=True))
    }
    lines: dict[str, list[tuple[float, float, float, float]]] = defaultdict(list)
    for row in rows:
        if row["mean"] and (not chosen or row["defense"] in chosen):
            told = (scale * float(row[end]) for end in ("mean", "low", "high"))
            lines[row["defense"]].append((at[row["quantity"]], *told))
    return Chart(title, across, up, {name: sorted(points) for name, points in lines.items()})


def groups(run: str, columns: Mapping[str, Sequence[str]], title: str, up: str, scale: float) -> Chart:
    """Points of rows that are called "GROUP, PLACE": places across, a line a column of numbers.

    Args:
        run: Name of the summary.
        columns: Name of a line → table, column, and the quantity where it is the metrics' table.
        title: What is shown.
        up: Title of the axis upwards.
        scale: What numbers are multiplied by.
    """
    names: list[str] = []
    lines: dict[str, list[tuple[float, float, float, float]]] = defaultdict(list)
    for name, (table, column, quantity) in columns.items():
        for row in rows_of(run, table):
            if quantity and row["quantity"] != quantity:
                continue
            if row["defense"] not in names:
                names.append(row["defense"])
            if not row[column]:
                continue
            known = [float(row[end]) if row[end] else NAN for end in ("low", "high")] if table == "metrics" else None
            ends = known or wilson(*_counts(row, column))
            lines[name].append((names.index(row["defense"]), *(scale * value for value in (float(row[column]), *ends))))
    return Chart(title, "", up, lines, names)


def distribution(run: str, dataset: str, title: str) -> Chart:
    """Shares of activations in bins over [−1,1]."""
    lines: dict[str, list[tuple[float, float, float, float]]] = defaultdict(list)
    for row in rows_of(run, "activations"):
        if row["dataset"] == dataset and float(row["share"]) > 0:
            lines[row["source"]].append((float(row["bin"]), 100 * float(row["share"]), NAN, NAN))
    return Chart(title, "normalized activation z", "share of the activations, %", lines, log=True)


KINDS: Mapping[str, Callable[..., Chart]] = {
    "radii": radii, "attack radii": attack_radii, "layers": layers, "cuts": cuts, "quantities": quantities,
    "groups": groups, "distribution": distribution,
}  # fmt: skip
"""How a chart is made, by its name in figures.toml."""


def _value(row: Row, name: str, over: str) -> float:
    return float(row[name]) / (float(row[over]) if over else 1) if name and row[name] else NAN


def _counts(row: Row, column: str) -> tuple[int, int]:
    n = int(row["n"])
    return round(float(row[column]) * n), n


def _share(row: Row, column: str) -> tuple[float, float, float]:
    low, high = wilson(*_counts(row, column))
    return 100 * float(row[column]), 100 * low, 100 * high


def render(chart: Chart) -> bytes:
    """A chart as SVG; the same bytes for the same numbers."""
    buffer = io.BytesIO()
    with style.context(["default", STYLE]):
        figure = Figure(figsize=SIZE, layout="constrained")
        _draw(chart, figure.add_subplot())
        figure.legend(loc="outside lower left", ncols=2, frameon=False)
        figure.savefig(buffer, format="svg", metadata=UNDATED["svg"])
    return buffer.getvalue()


def _draw(chart: Chart, axes: Axes) -> None:
    colors = palette.variables(dark=False)
    bare = list(dict.fromkeys(name.removesuffix(CERTIFIED) for name in chart.lines))
    for name, points in chart.lines.items():
        across, up, low, high = ([point[place] for point in points] for place in range(4))
        number = bare.index(name.removesuffix(CERTIFIED))
        color = colors[f"s{number % palette.SERIES}"]
        axes.plot(
            across, up, label=name, color=color, linewidth=1.2, markersize=3.5,
            marker="" if name.endswith(CERTIFIED) or len(points) > MANY else MARKERS[number % len(MARKERS)],
            linestyle=":" if name.endswith(CERTIFIED) else DASHES[number // palette.SERIES % len(DASHES)],
        )  # fmt: skip
        axes.fill_between(across, low, high, color=color, alpha=0.12, linewidth=0)
    if chart.names:
        every = -(-len(chart.names) // 31)
        axes.set_xticks(
            range(0, len(chart.names), every), chart.names[::every], rotation=45, ha="right", rotation_mode="anchor"
        )
    elif all(float(point[0]).is_integer() for points in chart.lines.values() for point in points):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if chart.log:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xlabel(chart.across)
    axes.set_ylabel(chart.up)
    axes.set_title(chart.title, loc="left", fontsize="medium")
    axes.grid(alpha=0.25, linewidth=0.6)


def tiles(run: str, dataset: str, source: str) -> bytes:
    """Filters beside each other as PNG: red positive, blue negative, each by its largest weight."""
    rows = [row for row in rows_of(run, "filters") if (row["dataset"], row["source"]) == (dataset, source)]
    side = 1 + max(int(row["row"]) for row in rows)
    weights = torch.tensor([float(row["weight"]) for row in rows]).view(-1, 1, side, side)
    picture = enlarged(montage(diverging(scaled(weights))[None], gap=0.6), ZOOM)[0]
    buffer = io.BytesIO()
    pixels = (255 * picture).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def figures() -> list[dict[str, Any]]:
    """The rows of figures.toml."""
    rows: list[dict[str, Any]] = tomllib.loads(TABLE.read_text(encoding="utf-8"))["figure"]
    return rows


def draw(figure: Mapping[str, Any]) -> bytes:
    """A row of figures.toml, drawn.

    Raises:
        SystemExit: It has more bytes than are committed.
    """
    told = {name: value for name, value in figure.items() if name not in {"file", "kind"}}
    drawn = tiles(**told) if figure["kind"] == "filters" else render(KINDS[figure["kind"]](**told))
    if len(drawn) > LARGEST:
        raise SystemExit(f"{figure['file']} has {len(drawn):,} bytes, at most {LARGEST:,} are committed")
    return drawn


def main() -> None:
    """Write every figure whose summary is there, and say which are not."""
    FOLDER.mkdir(exist_ok=True)
    missing = []
    for figure in figures():
        if folder_of(figure["run"]).exists():
            (FOLDER / figure["file"]).write_bytes(draw(figure))
        else:
            missing.append(figure["file"])
    told = f"; no summary for {', '.join(missing)}" if missing else ""
    print(f"{len(figures()) - len(missing)} figures in {FOLDER}{told}", file=sys.stderr)


if __name__ == "__main__":
    main()
