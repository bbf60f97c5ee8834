"""The papers' numbers beside ours, and what came of their claims, from the summaries in benchmarks/papers/results."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import wraps
from statistics import fmean, median, stdev
from typing import Any, get_args

import numpy as np
import pandas as pd
from scipy.optimize import curve_fit
from summaries import PAPERS, Row, folder_of, percent, rows_of, spent, table_of, with_interval

from frontdef.threat import NORM_LABELS, check_norm, format_eps
from frontdef.verdicts.paper import PaperTable, load_paper
from frontdef.verdicts.reproduced import TITLES, Comparison, Verdict, causes, compare, told

NOT_RUN = "\nNot run.\n\n"


def _when_run(make: Callable[..., str]) -> Callable[..., str]:
    """A table of a summary, or that there is none."""

    @wraps(make)
    def told(run: str, *arguments: Any, **named: Any) -> str:
        return make(run, *arguments, **named) if folder_of(run).exists() else NOT_RUN

    return told


STAGES = {"first convolution": (1, 1), "block 1": (2, 11), "block 2": (12, 21), "block 3": (22, 31)}
"""Of the ResNet-32 of the run ``layers``: title → the first and the last of its convolutions, by number."""

NORMS = {"block 1": (1, 10), "block 2": (11, 20), "block 3": (21, 30), "last batch norm": (31, 31)}
"""The same of its batch norms."""


def paper(name: str) -> str:
    """A paper's numbers beside ours: a table for each of its own, with the command, and why numbers did not come back.

    Args:
        name: Of `benchmarks/papers/NAME.expected.toml`.
    """
    said = load_paper(PAPERS / f"{name}.expected.toml")
    return f"\n{said.paper}\n\n" + "".join(_paper_table(table) for table in said.table)


def paper_table(name: str, title: str) -> str:
    """One of these tables.

    Args:
        name: Of the file.
        title: What the paper calls the table.
    """
    said = load_paper(PAPERS / f"{name}.expected.toml")
    return "\n" + "".join(_paper_table(table) for table in said.table if table.name == title)


def verdicts() -> str:
    """How many numbers of each paper came back."""
    counts = {}
    for path in sorted(PAPERS.glob("*.expected.toml")):
        said = load_paper(path)
        count = Counter(each.verdict for table in said.table for each in _compared(table))
        count["not run"] += sum(len(table.row) * len(table.column) for table in said.table if not _compared(table))
        counts[path.name.partition(".")[0]] = count
    kinds = [verdict for verdict in get_args(Verdict) if any(count[verdict] for count in counts.values())]
    rows = ((name, *(str(count[kind]) for kind in kinds)) for name, count in counts.items())
    return table_of(("paper", *kinds), rows)


@_when_run
def precision(run: str) -> str:
    """What the precision of the loss does to FGSM."""
    titles = ("data set", "ε", "n", "loss", "clean", "loss is 0", "gradient is 0", "right under FGSM")
    return table_of(
        titles,
        (
            (
                row["dataset"], format_eps(float(row["eps"])), row["n"], row["loss"],
                *(percent(row[name], 2) for name in ("clean", "zero_loss", "zero_gradient", "robust_accuracy")),
            )
            for row in rows_of(run, "fgsm")
        ),
    )  # fmt: skip


@_when_run
def surrogates(run: str, attack: str, eps: float) -> str:
    """What each surrogate gradient leaves under one attack.

    Args:
        run: Name of the summary.
        attack: As its cells call it.
        eps: At which radius.
    """
    cells = [
        cell
        for cell in rows_of(run, "cells")
        if cell["attack"] == attack and abs(float(cell["judged_eps"]) - eps) < 1e-9 and cell["robust_accuracy"]
    ]
    titles = ("defense", "surrogate", "n", "left")
    return table_of(
        titles,
        (
            (cell["defense"], cell["surrogate"] or "–", cell["n"], with_interval(cell["robust_accuracy"], cell["n"]))
            for cell in cells
        ),
    )


@_when_run
def metrics(run: str, metric: str = "") -> str:
    """What the metrics measured: means with their intervals.

    Args:
        run: Name of the summary.
        metric: Of one metric; of all if absent.
    """
    titles = ("defense", "metric", "parameters", "quantity", "n", "mean", "95 % interval")
    return table_of(
        titles,
        (
            (
                row["defense"], row["metric"],
                ", ".join(f"{name} = {value}" for name, value in json.loads(row["parameters"]).items()),
                row["quantity"], row["n"], f"{float(row['mean']):.3g}",
                f"{float(row['low']):.3g} to {float(row['high']):.3g}" if row["low"] else "–",
            )
            for row in rows_of(run, "metrics")
            if metric in {"", row["metric"]} and row["mean"]
        ),
    )  # fmt: skip


@_when_run
def distances(run: str, attack: str) -> str:
    """How far what an attack broke is from the images, mean ℓ2 distance.

    Args:
        run: Name of the summary.
        attack: As its cells call it; a minimum-norm attack in one norm or several.
    """
    cells = {
        (cell["defense"], cell["norm"], cell["surrogate"]): cell
        for cell in rows_of(run, "cells")
        if cell["attack"] == attack and cell["mean_l2"]
    }
    titles = ("defense", "norm", "attacked", "broke", "mean ℓ2 distance")
    return table_of(
        titles,
        (
            (
                cell["defense"], NORM_LABELS[check_norm(cell["norm"])], cell["attacked"], cell["broke"],
                f"{float(cell['mean_l2']):.2f}",
            )
            for cell in cells.values()
        ),
    )  # fmt: skip


@_when_run
def singular_values(run: str) -> str:
    """Figure 7 by what the report leaves open: shares of right predictions against k."""
    titles = ("what is varied", "k", "clean", "transfer (the report's measure)", "again: no example found", "PGD")
    return table_of(
        titles,
        (
            (
                row["variant"], percent(row["k"]), with_interval(row["clean"], row["n"]),
                with_interval(row["transfer"], row["n_made"]), with_interval(row["again"], row["n_right"]),
                with_interval(row["pgd"], row["n"]),
            )
            for row in rows_of(run, "figure7")
        ),
    )  # fmt: skip


@_when_run
def support(run: str) -> str:
    """Which share of the kept coefficients a perturbation moves out, and how surrogates compare."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows_of(run, "support"):
        groups[row["dataset"], row["keep"]].append(row)
    radii = [row["eps"] for row in next(iter(groups.values()))]
    titles = ("data set", "ρ", "n", *(f"lost at ε = {eps}" for eps in radii), "same sign", "length")
    return table_of(
        titles,
        (
            (
                *place, rows[0]["n"], *(percent(row["lost_white"], 1) for row in rows),
                percent(rows[0]["same_sign"], 1), percent(rows[0]["length"], 1),
            )
            for place, rows in groups.items()
        ),
    )  # fmt: skip


@_when_run
def peaks(run: str) -> str:
    """How much of a filter its largest weight is: 1 for a single pixel."""
    groups: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for row in rows_of(run, "filters"):
        groups[row["dataset"], row["source"], row["filter"]].append(abs(float(row["weight"])))
    shares: dict[tuple[str, str], list[float]] = defaultdict(list)
    for (dataset, source, _), weights in groups.items():
        shares[dataset, source].append(max(weights) / sum(weights))
    titles = ("data set", "filters", "number", "largest weight over ‖w‖₁, median", "least", "largest")
    return table_of(
        titles,
        (
            (dataset, source, str(len(each)), *(f"{value:.2f}" for value in (median(each), min(each), max(each))))
            for (dataset, source), each in shares.items()
        ),
    )


@_when_run
def partial_training(run: str) -> str:
    """What each second training came to, by code and cut."""
    titles = ("code", "mode", "cut", "layers trained adversarially", "n", "clean", "attacked", "adversarial loss, nats")
    return table_of(
        titles,
        (
            (
                row["code"], row["mode"], row["label"] or "none", row["adversarial_layers"], row["n"],
                percent(row["clean_accuracy"], 1), with_interval(row["adversarial_accuracy"], row["n"]),
                f"{float(row['adversarial_loss']):.2f}",
            )
            for row in rows_of(run, "partial")
        ),
    )  # fmt: skip


@_when_run
def decays(run: str) -> str:
    """How the adversarial loss falls with the layers that were trained adversarially: as an exponential, as a line."""
    points: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for row in rows_of(run, "partial"):
        points[row["code"]].append((int(row["adversarial_layers"]), float(row["adversarial_loss"])))
    rows = []
    for code, pairs in points.items():
        layers, losses = np.array(sorted(pairs)).T
        found, _ = curve_fit(_decay, layers, losses, p0=(5, 5, 2))
        line = np.polyval(np.polyfit(layers, losses, 1), layers)
        shares = (_explained(losses, fit) for fit in (_decay(layers, *found), line))
        rows.append((code, f"{found[1]:.1f}", *(f"{share:.3f}" for share in shares)))
    return table_of(("code", "layers in which the loss falls to 1/e", "R² of the exponential", "R² of a line"), rows)


def _decay(layers: Any, height: float, reach: float, floor: float) -> Any:
    return floor + height * np.exp(-layers / reach)


def _explained(losses: Any, fit: Any) -> float:
    return float(1 - ((losses - fit) ** 2).sum() / ((losses - losses.mean()) ** 2).sum())


def seeds(name: str, title: str) -> str:
    """A paper's table by training seed: the mean, the spread between seeds, and what the choice of images explains.

    A seed decides the training and which test images are drawn, so the spread between seeds contains that of the
    images; the standard deviation that the images alone would give stands beside it.

    Args:
        name: Of `benchmarks/papers/NAME.expected.toml`.
        title: What the paper calls the table. Summaries of other seeds are called RUN-seed1, RUN-seed2, …
    """
    said = load_paper(PAPERS / f"{name}.expected.toml")
    table = next(table for table in said.table if table.name == title)
    runs = [table.run, *(path.name for path in sorted((PAPERS / "results").glob(f"{table.run}-seed*")))]
    told: dict[tuple[str, str], list[Comparison]] = defaultdict(list)
    for run in runs:
        for each in _compared(table.model_copy(update={"run": run})):
            if not math.isnan(each.ours):
                told[each.row, each.column].append(each)
    rows = [_seeds(*place, each) for place, each in told.items() if len(each) > 1]
    titles = ("row", "column", "n each", "mean", "by seed", "spread between seeds", "of it by the images alone")
    return table_of(titles, rows) if rows else "\nOne seed was run.\n\n"


def _seeds(row: str, column: str, told: list[Comparison]) -> tuple[str, ...]:
    values = [each.ours for each in told]
    middle, n = fmean(values), told[0].n
    share = middle / 100
    expected = f"{100 * (share * (1 - share) / n) ** 0.5:.1f} points" if n and told[0].unit == "%" else "–"
    return (
        row, column, str(n), f"{middle:.1f} {told[0].unit}", ", ".join(f"{value:.1f}" for value in values),
        f"{stdev(values):.1f} points", expected,
    )  # fmt: skip


def _paper_table(table: PaperTable) -> str:
    about = PAPERS / "results" / table.run / "about.json"
    if not about.exists():
        return f"**{table.name}**: not run.\n\n"
    compared = _compared(table)
    noted = "".join(f"- {cause}\n" for cause in causes(compared))
    said: dict[str, Any] = json.loads(about.read_text(encoding="utf-8"))
    versions = ", ".join(f"{name} {version}" for name, version in said["versions"].items())
    how = ", ".join([f"`{said['command']}`", f"seed {said['seed']}", *spent(said), said["device"], f"{versions}."])
    return f"**{table.name}**: {how}\n{table_of(TITLES, map(told, compared))}{noted}" + ("\n" if noted else "")


def _compared(table: PaperTable) -> list[Comparison]:
    folder = PAPERS / "results" / table.run
    frames = {path.stem: pd.read_csv(path, keep_default_na=False, na_values=[""]) for path in folder.glob("*.csv")}
    return compare(table, frames) if frames else []


@_when_run
def ratios(run: str) -> str:
    """Perturbation-to-signal ratio at the input, at the end of each stage, and at the logits, dB."""
    rows = {(row["model"], row["label"]): row for row in rows_of(run, "psr")}
    places = {"input": "input"} | {name: f"conv{last}" for name, (_, last) in STAGES.items()} | {"logits": "linear1"}
    models = _models(run, "psr")
    titles = ("after", *models, f"{models[0]} minus {models[1]}")
    lines = []
    for title, label in places.items():
        here = [rows[model, label] for model in models]
        gap = float(here[0]["db"]) - float(here[1]["db"])
        told = (f"{float(r['db']):.1f} ({float(r['db_low']):.1f} to {float(r['db_high']):.1f})" for r in here)
        lines.append((title, *told, f"{gap:+.1f}"))
    return table_of(titles, lines)


@_when_run
def layer_means(run: str, name: str, value: str, over: str = "", digits: int = 3) -> str:
    """Mean of a column over the layers of each stage, and in how many of them the second model is above the first.

    Args:
        run: Name of the summary.
        name: Its table.
        value: The column.
        over: A column by which it is divided.
        digits: Significant digits.
    """
    rows = rows_of(run, name)
    if not rows:
        return NOT_RUN
    models = _models(run, name)
    stages, kind = (NORMS, "bn") if name == "batch_norm" else (STAGES, "conv")
    lines = []
    for title, (first, last) in stages.items():
        values = {
            model: {
                row["label"]: float(row[value]) / (float(row[over]) if over else 1)
                for row in rows
                if row["model"] == model and first <= _number(row["label"], kind) <= last
            }
            for model in models
        }
        natural = values[models[0]]
        above = (sum(values[model][label] > natural[label] for label in natural) for model in models[1:])
        means = (f"{sum(each.values()) / len(each):.{digits}g}" for each in values.values())
        lines.append((title, *means, *(f"{count} of {len(natural)}" for count in above)))
    return table_of(("layers", *models, *(f"{model} above {models[0]}" for model in models[1:])), lines)


@_when_run
def accuracies(run: str) -> str:
    """Clean accuracy, and accuracy under the attack that the ratios are of."""
    rows = (
        (r["model"], r["n"], with_interval(r["clean"], r["n"]), with_interval(r["attacked"], r["n"]))
        for r in rows_of(run, "accuracy")
    )
    return table_of(("model", "n", "clean", "attacked"), rows)


def _models(run: str, name: str) -> list[str]:
    """The models of a study, the naturally trained one first."""
    names = dict.fromkeys(row["model"] for row in rows_of(run, name))
    return sorted(names, key=lambda model: model != "natural")


def _number(label: str, kind: str) -> int:
    """The how-manieth of its kind a layer is; 0 of another kind."""
    number = label.removeprefix(kind)
    return int(number) if number.isdigit() else 0


@_when_run
def attenuation(run: str, dataset: str) -> str:
    """Section 3.1: distortion behind the front end over that without, by basis and attack.

    Args:
        run: Name of the summary.
        dataset: Id of the data set.
    """
    rows = [row for row in rows_of(run, "attenuation") if row["dataset"] == dataset]
    attacks = list(dict.fromkeys(row["attack"] for row in rows))
    grid: dict[str, dict[str, Row]] = defaultdict(dict)
    for row in rows:
        grid[row["basis"]][row["attack"]] = row
    titles = ("basis", "ℓ1 norm of a basis function", "‖x − x̂‖/‖x‖", "K/N", *attacks)
    return table_of(
        titles,
        (
            (
                basis, f"{float(first['l1_of_basis']):.1f}", f"{float(first['error']):.2f}",
                f"{float(first['kept']):.3f}",
                *(f"{float(by[attack]['mean']):.3f} ({float(by[attack]['low']):.3f} to {float(by[attack]['high']):.3f})"
                  for attack in attacks),
            )
            for basis, by in grid.items()
            for first in [next(iter(by.values()))]
        ),
    )  # fmt: skip


@_when_run
def equation_terms(run: str) -> str:
    """Equation (1): what a perturbation changes along the slope where it ends, and by the switches that it flips."""
    titles = ("data set", "defense", "attack", "right", "change", "first term", "second term", "switches flipped",
              "no gradient at the end", "FGSM broke, it did not", "of these no gradient")  # fmt: skip
    return table_of(
        titles,
        (
            (
                row["dataset"], row["defense"], row["attack"], with_interval(row["robust_accuracy"], row["n"]),
                *(f"{float(row[name]):.1f}" for name in ("change", "linear", "flips")), percent(row["flipped"]),
                percent(row["no_gradient"]), percent(row["lost"], 1),
                percent(row["lost_no_gradient"]) if row["lost_no_gradient"] else "–",
            )
            for row in rows_of(run, "terms")
        ),
    )  # fmt: skip


@_when_run
def switches(run: str) -> str:
    """Section 3.4: switches that no perturbation of a budget can flip, and neurons that meet its assumption 2."""
    titles = (
        "data set",
        "defense",
        "budget",
        "switches out of reach",
        "neurons that meet assumption 2",
        "largest bias over ‖w‖₁",
    )
    return table_of(
        titles,
        (
            (
                row["dataset"], row["defense"], f"{float(row['budget']):g}", percent(row["out_of_reach"]),
                percent(row["assumption"]), f"{float(row['largest_ratio']):.3f}",
            )
            for row in rows_of(run, "switches")
        ),
    )  # fmt: skip


@_when_run
def lemma(run: str) -> str:
    """Lemma 1: the largest distance of two distribution functions, that of w·x and the normal one."""
    titles = ("weights", "N", "draws", "distance", "p")
    return table_of(
        titles,
        (
            (
                row["weights"],
                row["N"],
                f"{int(row['draws']):,}",
                f"{float(row['distance']):.4f}",
                f"{float(row['p']):.2g}",
            )
            for row in rows_of(run, "lemma")
        ),
    )
