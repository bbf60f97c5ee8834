"""The zoo's tables in docs/masking.md, from what `python -m tests.zoo` wrote."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from summaries import RESULTS, Row, rows_of, table_of

from frontdef.verdicts.statistics import UNION, wilson

VERDICTS = ("trusted", "suspicious", "masked", "invalid")


def confusion(run: str = "zoo") -> str:
    """How the members were judged, what they are, whether the rules had seen them, and the rates of wrong verdicts.

    Args:
        run: Name of the folder in benchmarks/results.
    """
    said: dict[str, Any] = json.loads((RESULTS / run / "about.json").read_text(encoding="utf-8"))
    versions = ", ".join(f"{name} {version}" for name, version in said["versions"].items())
    rows = rows_of(run, "members")
    groups = [(kind, seen, _of(rows, kind, seen)) for kind in ("liar", "honest") for seen in ("True", "False")]
    table = table_of(
        ("is", "the rules", "members", *VERDICTS),
        [(kind, _seen(seen), str(len(group)), *_counts(group)) for kind, seen, group in groups],
    )
    rates = "\n".join(
        f"- {what}, {_seen(seen)}: {_rate(_of(rows, kind, seen), verdicts)}"
        for what, kind, verdicts in (
            ("honest models called masked or invalid", "honest", ("masked", "invalid")),
            ("honest models called suspicious", "honest", ("suspicious",)),
            ("liars trusted", "liar", ("trusted",)),
        )
        for seen in ("True", "False")
    )
    return (
        f"\n`{said['command']}`: {said['threat']}, {said['first']} samples at first and {said['most']} at most, "
        f"seed {', '.join(map(str, said['seeds']))}, {versions}.\n{table}{rates}\n\n"
    )


def beyond() -> str:
    """By how many points all attacks together beat the attack under suspicion: lowest, median, highest."""
    rows = [row for row in rows_of("zoo", "members") if row["beyond"]]
    lines = [
        (kind, _seen(seen), str(len(group)), *_spread(group))
        for kind in ("honest", "liar")
        for seen in ("True", "False")
        if (group := _of(rows, kind, seen))
    ]
    titles = ("is", "the rules", "members", "lowest", "median", "highest", f"at {100 * UNION:.0f} points or more")
    return table_of(titles, lines)


def wrong(run: str) -> str:
    """Each member that was not judged as it may be, and how.

    Args:
        run: Name of the folder in benchmarks/results.
    """
    rows = [row for row in rows_of(run, "members") if row["allowed"] != "True"]
    titles = ("member", "is", "the rules", "seed", "verdict", "survive PGD", "alarms")
    return table_of(
        titles,
        (
            (
                row["member"], row["kind"], _seen(row["seen"]), row["seed"], row["verdict"],
                f"{row['survived']} of {row['attacked']}" if row["survived"] else "–", row["alarms"] or "–",
            )
            for row in rows
        ),
    )  # fmt: skip


def members() -> str:
    """Each member, and why it was judged as it was."""
    titles = ("member", "is", "the rules", "images", "survive PGD", "samples", "beyond", "verdict", "alarms", "passes")
    return table_of(titles, map(_member, rows_of("zoo", "members")))


def _member(row: Row) -> tuple[str, ...]:
    mark = "✓" if row["right"] == "True" else "(✓)" if row["allowed"] == "True" else "✗"
    return (
        row["member"], row["kind"], _seen(row["seen"]), row["task"],
        f"{row['survived']} of {row['attacked']}" if row["survived"] else "–", row["looks"].replace(" ", ", ") or "–",
        f"{100 * float(row['beyond']):.1f}" if row["beyond"] else "–", f"{row['verdict']} {mark}", row["alarms"] or "–",
        f"{row['forwards']} + {row['backwards']}",
    )  # fmt: skip


def _spread(rows: Sequence[Row]) -> tuple[str, ...]:
    values = sorted(100 * float(row["beyond"]) for row in rows)
    over = sum(value >= 100 * UNION for value in values)
    return (*(f"{value:.1f}" for value in (values[0], values[len(values) // 2], values[-1])), str(over))


def _counts(rows: Sequence[Row]) -> tuple[str, ...]:
    return tuple(str(sum(row["verdict"] == verdict for row in rows)) for verdict in VERDICTS)


def _rate(rows: Sequence[Row], verdicts: tuple[str, ...]) -> str:
    wrong = sum(row["verdict"] in verdicts for row in rows)
    low, high = wilson(wrong, len(rows))
    return f"{wrong} of {len(rows)}, 95 % Wilson interval {100 * low:.1f} to {100 * high:.1f} %"


def _seen(value: str) -> str:
    return "had seen it" if value == "True" else "had not seen it"


def _of(rows: Sequence[Row], kind: str, seen: str) -> list[Row]:
    return [row for row in rows if (row["kind"], row["seen"]) == (kind, seen)]
