"""Do a paper's numbers come back? One verdict for each: paper, ours with its interval, what the difference means."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from frontdef.errors import ConfigError
from frontdef.verdicts.paper import PaperCause, PaperColumn, PaperRow, PaperTable, Value
from frontdef.verdicts.statistics import wilson

Verdict = Literal[
    "reproduced", "stronger attack here", "weaker attack here", "higher here", "lower here", "cannot be right",
    "not in the paper", "nothing to measure", "not run",
]  # fmt: skip

CLOSE = 1e-9
"""Numbers of a summary that are no further apart are the same."""


@dataclass(frozen=True)
class Comparison:
    """A number of a paper beside ours.

    Args:
        table: What the paper calls its table.
        row: Its row.
        column: Its column.
        unit: Unit of the numbers.
        digits: Decimals that are shown.
        paper: What it printed; NaN where it has none.
        ours: What was measured; NaN where it was not.
        low: Lower end of its 95 % interval; NaN where there is none.
        high: Its upper end.
        n: Samples; 0 where that is not known.
        verdict: What the two say of each other.
        how: Which of several attacks, libraries or surrogates the number is from.
        cause: Why they differ, where that is known.
        together: Whether it is of several attacks, each run on as many of the samples as it was given.
    """

    table: str
    row: str
    column: str
    unit: str
    digits: int
    paper: float
    ours: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    n: int = 0
    verdict: Verdict = "not run"
    how: str = ""
    cause: str = ""
    together: bool = False


TITLES = ("row", "column", "paper", "ours", "95 % interval", "n", "verdict", "by")
"""Of a table of comparisons, in the terminal and in the docs."""


def told(comparison: Comparison) -> tuple[str, ...]:
    """A comparison in the words of `TITLES`."""

    def number(value: float) -> str:
        return "–" if math.isnan(value) else f"{value:.{comparison.digits}f}{unit}"

    unit = f" {comparison.unit}" if comparison.unit else ""
    ends = (comparison.low, comparison.high)
    interval = "" if any(map(math.isnan, ends)) else " to ".join(f"{end:.{comparison.digits}f}" for end in ends)
    return (
        comparison.row, comparison.column, number(comparison.paper), number(comparison.ours), interval,
        f"{comparison.n:,}" if comparison.n else "", comparison.verdict, comparison.how,
    )  # fmt: skip


def causes(comparisons: Iterable[Comparison]) -> list[str]:
    """Why numbers did not come back, a line a row and cause; and which attacks saw fewer samples than all together."""
    comparisons = list(comparisons)
    columns: dict[tuple[str, str], list[str]] = {}
    for each in comparisons:
        if each.cause:
            columns.setdefault((each.row, each.cause), []).append(each.column)
    differ = [f"{row} ({', '.join(names)}): {cause}" for (row, cause), names in columns.items()]
    return [*differ, *_on_fewer(comparisons)]


def _on_fewer(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """What stands above an attack that is a part of it, because that attack was run on some of the samples only."""
    fewer: dict[tuple[str, int, str, int], list[str]] = {}
    for all_of_them in (each for each in comparisons if each.together):
        for part in comparisons:
            if part.row == all_of_them.row and part.n < all_of_them.n and part.ours < all_of_them.ours:
                key = (all_of_them.column, all_of_them.n, part.column, part.n)
                fewer.setdefault(key, []).append(part.row)
    for (column, n, part_name, run_on), rows in fewer.items():
        yield (
            f"{', '.join(rows)} ({column}): on {n:,} samples, {part_name} on {run_on:,} of them; "
            "what it would break of the others is not counted"
        )


def compare(table: PaperTable, frames: Mapping[str, pd.DataFrame]) -> list[Comparison]:
    """Each number of a paper's table beside ours, row by row.

    A number is *reproduced* where the paper's lies in the 95 % interval of ours, widened by the tolerance of reading
    it. Otherwise it is higher or lower here; of accuracy under an attack on the paper's own network that says that the
    *attack is weaker* or *stronger here*. What the file calls refuted *cannot be right*.

    Args:
        table: What the paper printed.
        frames: Tables of a run's summary by their names (`frontdef.runs.results.Results.summary`).

    Raises:
        ConfigError: A table or a column that the summary lacks; the nearest is named. Several rows for one number.
    """
    return [
        _compare(table, row, column, math.nan if value == "" else float(value), frames)
        for row in table.row
        for column, value in zip(table.column, row.values, strict=True)
    ]


def _compare(
    table: PaperTable, row: PaperRow, column: PaperColumn, paper: float, frames: Mapping[str, pd.DataFrame]
) -> Comparison:
    cause = next(_causes(table, row, column), None)
    common = (table.name, row.name, column.name, table.unit, table.digits, paper)
    told = "" if cause is None else cause.text
    measured = _row(table, row, column, frames)
    if measured is None:
        return Comparison(*common, verdict="cannot be right" if cause and cause.refuted else "not run", cause=told)
    ours = float(measured[column.value]) * table.scale
    if math.isnan(ours):
        return Comparison(*common, verdict="nothing to measure", cause=told)
    low, high = (end * table.scale for end in _interval(measured, column))
    verdict = _verdict(table, row, column, paper, (ours, low, high))
    if cause is not None and cause.refuted:
        verdict = "cannot be right"
    n = measured.get("n", 0)
    return Comparison(
        *common, ours, low, high, 0 if pd.isna(n) else int(n), verdict, _how(measured, column),
        told if verdict not in {"reproduced", "not in the paper"} else "",
        column.kind == "attack" and "strongest" in measured,
    )  # fmt: skip


def _verdict(
    table: PaperTable, row: PaperRow, column: PaperColumn, paper: float, measured: tuple[float, float, float]
) -> Verdict:
    if math.isnan(paper):
        return "not in the paper"
    ours, low, high = measured
    least, most = (ours if math.isnan(end) else end for end in (low, high))
    if least - table.tolerance - CLOSE <= paper <= most + table.tolerance + CLOSE:
        return "reproduced"
    if column.kind == "attack" and row.same_network:
        return "stronger attack here" if ours < paper else "weaker attack here"
    return "lower here" if ours < paper else "higher here"


def _ended(frame: pd.DataFrame) -> pd.Series:
    """Rows whose job ended well, though it left nothing to average: no sample fell, or none could be measured."""
    ended = pd.Series(False, index=frame.index)
    if "n" in frame:
        ended |= frame["n"] == 0
    if "status" in frame:
        ended |= frame["status"] == "ok"
    return ended


def _causes(table: PaperTable, row: PaperRow, column: PaperColumn) -> Iterator[PaperCause]:
    """What is known of a number, the most particular first."""
    fitting = (each for each in table.cause if each.row in {"", row.name} and each.column in {"", column.name})
    return iter(sorted(fitting, key=lambda each: (each.row == "") + (each.column == "")))


def _row(
    table: PaperTable, row: PaperRow, column: PaperColumn, frames: Mapping[str, pd.DataFrame]
) -> Mapping[str, Value] | None:
    """The row of the summary that has our number, NaN where no sample has any; None where it was not run."""
    frame = frames.get(column.frame)
    if frame is None:
        raise _unknown("table", column.frame, list(frames), table)
    if frame.empty:
        return None
    chosen = np.ones(len(frame), dtype=bool)
    for name, value in {**table.where, **row.where, **column.where}.items():
        if name not in frame:
            raise _unknown("column", name, [str(each) for each in frame], table, column.frame)
        chosen &= _equals(frame[name], value)
    if column.value not in frame:
        raise _unknown("column", column.value, [str(each) for each in frame], table, column.frame)
    fitting = frame[chosen]
    rows = fitting[fitting[column.value].notna()]
    if rows.empty:
        rows = fitting[_ended(fitting)]
    if rows.empty:
        return None
    if column.kind == "level" and len(rows) > 1:
        raise ConfigError(
            f"{table.name}, {row.name}, {column.name}: {len(rows)} rows of {column.frame} fit, and a number has one: "
            f"add to its where a column in which they differ ({', '.join(_differing(rows))})"
        )
    lowest = rows.sort_values(column.value, kind="stable").iloc[0]
    return {str(name): value for name, value in lowest.items()}


def _equals(values: pd.Series, wanted: Value) -> np.ndarray:
    if isinstance(wanted, str):
        return np.asarray(values.fillna("").astype(str) == wanted)
    return np.asarray((pd.to_numeric(values, errors="coerce") - wanted).abs() <= CLOSE)


def _differing(rows: pd.DataFrame) -> list[str]:
    return [str(name) for name in rows if rows[name].nunique(dropna=False) > 1]


def _interval(measured: Mapping[str, Value], column: PaperColumn) -> tuple[float, float]:
    if column.interval is not None:
        low, high = (float(measured[name]) for name in column.interval)
        return low, high
    n, share = measured.get("n"), float(measured[column.value])
    if n is None or pd.isna(n) or not 0 <= share <= 1:
        return math.nan, math.nan
    return wilson(round(share * int(n)), int(n))


def _how(measured: Mapping[str, Value], column: PaperColumn) -> str:
    """What made a number under attack, as far as the summary says it."""
    if column.kind != "attack":
        return ""
    if "strongest" in measured:
        return "" if pd.isna(measured["strongest"]) else str(measured["strongest"])
    named = [measured.get(name, "") for name in ("library", "surrogate")]
    return ", ".join(str(name) for name in named if not pd.isna(name) and name != "")


def _unknown(what: str, name: str, known: list[str], table: PaperTable, frame: str = "") -> ConfigError:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f", did you mean {near[0]!r}?" if near else "."
    where = f"{what} of {frame}" if frame else f"{what} of the summary of {table.run}"
    return ConfigError(f"{table.name}: {name!r} is no {where}{hint} It has {', '.join(known) or 'none'}")
