"""Tables of the summaries under benchmarks/results, which `benchmarks/models/summarize.py` takes from a run."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from frontdef.checks.kit import markdown_table
from frontdef.threat import NORM_LABELS, check_norm, format_eps
from frontdef.verdicts.agreement import VERDICTS

RESULTS = Path(__file__).resolve().parents[1] / "benchmarks" / "results"
TITLES = {"classifier": "model", "defense": "front end"}

Row = Mapping[str, str]


def about(run: str) -> str:
    """How a run is repeated, and on what it was made."""
    said: dict[str, Any] = json.loads((RESULTS / run / "about.json").read_text(encoding="utf-8"))
    versions = ", ".join(f"{name} {version}" for name, version in said["versions"].items())
    missing = ", ".join(f"{count} of the table {table}" for table, count in said["missing"].items())
    notes = "".join(f"- {note}\n" for note in said["notes"])
    return (
        f"\n`{said['command']}`: {said['samples']} samples of {', '.join(said['datasets'])}, seed {said['seed']}, "
        f"{said['device']}, {versions}. {len(said['failures'])} jobs failed; not run: {missing or 'none'}.\n\n{notes}\n"
    )


def worst(run: str) -> str:
    """Clean accuracy and worst case of each row, with its interval, and the attack that broke most."""
    titles = ("model", "front end", "threat", "n", "clean", "worst case", "95 % interval", "strongest attack")
    return _table(titles, (_worst(row) for row in _rows(run, "worst")))


def published(run: str) -> str:
    """The rows without a front end beside what the models' authors published."""
    titles = (
        "model",
        "clean, published",
        "clean, here",
        "worst case, published",
        "worst case, here",
        "95 % interval",
        "published in it",
    )
    said = {row["classifier"]: row for row in _rows(run, "published")}
    bare = [row for row in _rows(run, "worst") if row["defense"] == "none"]
    return _table(
        titles,
        (
            (
                row["classifier"], _percent(said[row["classifier"]]["clean"], 1), _percent(row["clean"]),
                _percent(said[row["classifier"]]["robust"], 1), _percent(row["robust"]), _interval(row),
                "yes" if float(row["low"]) <= float(said[row["classifier"]]["robust"]) <= float(row["high"]) else "no",
            )
            for row in bare
        ),
    )  # fmt: skip


def overlaps(run: str) -> str:
    """Which front ends differ from none beyond their intervals, in one line a model."""
    groups = defaultdict(list)
    for row in _rows(run, "worst"):
        groups[row["classifier"]].append(row)
    lines = []
    for model, rows in groups.items():
        bare = next(row for row in rows if row["defense"] == "none")
        apart = [
            f"{row['defense']} ({'higher' if float(row['robust']) > float(bare['robust']) else 'lower'})"
            for row in rows
            if float(row["low"]) > float(bare["high"]) or float(row["high"]) < float(bare["low"])
        ]
        told = (
            f"beyond the intervals: {', '.join(apart)}"
            if apart
            else "no front end differs from none beyond the intervals"
        )
        lines.append(f"- {model}: {told}.")
    return "\n" + "\n".join(lines) + "\n\n"


def attacks(run: str) -> str:
    """Robust accuracy of each row under each attack, over the libraries that ran it."""
    cells = _rows(run, "cells")
    columns = list(dict.fromkeys(map(_column, cells)))
    rows: dict[tuple[str, str], dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for cell in cells:
        rows[cell["classifier"], cell["defense"]][_column(cell)].append(cell)
    titles = ("model", "front end", *columns)
    return _table(titles, ((*row, *(_range(found[column]) for column in columns)) for row, found in rows.items()))


def agreement(run: str) -> str:
    """Verdicts on each pair of libraries, counted over models and front ends."""
    titles = ("attack", "libraries", "verdicts over rows", "only the first broke", "only the second", "cause")
    return _table(titles, (_pair(row) for row in _rows(run, "agreement")))


def diagnoses(run: str) -> str:
    """What the masking checks said."""
    if not _rows(run, "diagnoses"):
        return "\nNo diagnosis was run.\n\n"
    titles = ("model", "front end", "verdict", "samples", "alarms", "passes a sample", "seconds")
    return _table(
        titles,
        (
            (
                row["classifier"], row["defense"], row["verdict"], row["n_attacked"], row["alarms"] or "none",
                f"{float(row['forwards']) + float(row['backwards']):.0f}", f"{float(row['seconds']):.0f}",
            )
            for row in _rows(run, "diagnoses")
        ),
    )  # fmt: skip


def costs(run: str, *by: str) -> str:
    """What a pass and a cell took.

    Args:
        run: Name of the summary.
        by: Columns of its cells that make a line of the table.
    """
    groups = defaultdict(list)
    for cell in _rows(run, "cells"):
        if cell["status"] == "ok":
            groups[tuple(cell[name] for name in by)].append(cell)
    titles = (*(TITLES.get(name, name) for name in by), "cells", "seconds a cell", "milliseconds a sample and pass")
    return _table(titles, ((*names, *_cost(cells)) for names, cells in groups.items()))


def _worst(row: Row) -> tuple[str, ...]:
    threat = f"{NORM_LABELS[check_norm(row['norm'])]}, {format_eps(float(row['eps']))}"
    return (
        row["classifier"], row["defense"], threat, row["n"], _percent(row["clean"]), _percent(row["robust"]),
        _interval(row), row["strongest"],
    )  # fmt: skip


def _column(cell: Row) -> str:
    return f"{cell['attack']}, n = {cell['n']}"


def _range(cells: Iterable[Row]) -> str:
    """``18 %``, or ``18 to 24 %`` where libraries differ."""
    values = sorted({round(100 * float(cell["robust_accuracy"])) for cell in cells if cell["robust_accuracy"]})
    return f"{' to '.join(map(str, dict.fromkeys((values[0], values[-1]))))} %" if values else "–"


def _pair(row: Row) -> tuple[str, ...]:
    verdicts = ", ".join(f"{row[name]} {name}" for name in VERDICTS if int(row.get(name) or 0))
    weaker = f" ({row['weaker']} weaker)" if row["weaker"] else ""
    libraries = f"{row['library_a']}, {row['library_b']}"
    return row["attack"], libraries, verdicts + weaker, row["only_a"], row["only_b"], row["cause"] or "–"


def _cost(cells: list[Row]) -> tuple[str, ...]:
    seconds = sum(float(cell["seconds"]) for cell in cells)
    passes = sum(float(cell["n"]) * (float(cell["forwards"]) + float(cell["backwards"])) for cell in cells)
    return str(len(cells)), f"{seconds / len(cells):.1f}", f"{1000 * seconds / passes:.0f}" if passes else "–"


def _interval(row: Row) -> str:
    return f"{_percent(row['low'])} to {_percent(row['high'])}"


def _percent(share: str, digits: int = 0) -> str:
    return f"{100 * float(share):.{digits}f} %"


def _rows(run: str, name: str) -> list[Row]:
    with (RESULTS / run / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n" + "\n".join(markdown_table(titles, rows)) + "\n\n"
