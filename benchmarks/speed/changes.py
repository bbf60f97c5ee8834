"""What measurements changed against those that are committed: the ratio of medians, and whether the spreads are apart.

    python benchmarks/speed/changes.py [--against HEAD] [--all]

Compare what one machine measured: committed figures of another one say what that machine does.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import record

Spread = Mapping[str, float]


def spreads(figures: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Spread]]:
    """Each median with its least and most, and where it stands: keys, and of a row the words that it is told by."""
    if isinstance(figures, dict):
        if {"median", "least", "most"} <= set(figures):
            yield at, figures
            return
        words = tuple(value for value in figures.values() if isinstance(value, str))
        for key, value in figures.items():
            yield from spreads(value, (*at, *words, key))
    elif isinstance(figures, list):
        for value in figures:
            size = (f"{value['batch']} images",) if isinstance(value, dict) and "batch" in value else ()
            yield from spreads(value, (*at, *size))


def committed(path: Path, revision: str) -> Any:
    """The file's content in a revision; None where it is not there."""
    shown = subprocess.run(
        ["git", "show", f"{revision}:./{path.name}"], cwd=path.parent, capture_output=True, text=True, check=False
    )
    return json.loads(shown.stdout) if shown.returncode == 0 else None


def changes(before: Any, now: Any) -> Iterator[tuple[str, float, bool]]:
    """Where, the median now ÷ the median before, and whether the spreads are apart."""
    old = dict(spreads(before))
    for at, new in spreads(now):
        if (was := old.get(at)) is None or not was["median"]:
            continue
        apart = new["least"] > was["most"] or new["most"] < was["least"]
        yield " ".join(at), new["median"] / was["median"], apart


def main() -> None:
    """Print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", default="HEAD", help="revision that holds the earlier figures")
    parser.add_argument("--all", action="store_true", help="those whose spreads overlap as well")
    options = parser.parse_args()
    print("| measured | now ÷ before | spreads |\n| --- | ---: | --- |")
    compared = 0
    for path in sorted(record.RESULTS.glob("*.json")):
        now = json.loads(path.read_text(encoding="utf-8"))
        if (before := committed(path, options.against)) is None:
            continue
        for where, ratio, apart in changes(before["figures"], now["figures"]):
            compared += 1
            if apart or options.all:
                print(f"| {path.stem} {where} | {ratio:.2f} | {'apart' if apart else 'overlap'} |")
    print(f"\n{compared} figures against {options.against}.")


if __name__ == "__main__":
    main()
