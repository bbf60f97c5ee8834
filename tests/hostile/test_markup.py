"""Names and messages are text wherever they are shown: no markup, no emoji, no escape sequence."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
import torch
from rich.table import Table
from rich.text import Text

from frontdef.cli.console import PlainConsole
from frontdef.cli.tables import print_failures, print_frame, print_results
from frontdef.matrix.tables import CERTIFIED, RECORDS
from frontdef.runs.results import load_results
from tests.run_writer import RunWriter
from tests.test_store import N, cell

NAMES = [
    "[/x]", "[bold]b", "[link=file:///etc/passwd]l", ":skull:", "\x1b]0;title\x07", "\x1b[2J", "a\u202eb", "[", "\\[x]",
    "[@click=app.quit]q",
]  # fmt: skip


def shown(action) -> str:
    console = PlainConsole(file=io.StringIO(), width=200, force_terminal=True)
    action(console)
    return re.sub(r"\x1b\[[\d;]*m", "", console.file.getvalue())  # colors are ours


@pytest.mark.parametrize("name", NAMES)
def test_every_way_to_print_shows_what_is_written(name):
    def show(console):
        table = Table(title=name)
        table.add_column(name)
        table.add_row(name)
        table.add_row(Text(name))
        console.print(table)
        console.print(name)
        console.print(f"ERROR: {name}", style="bold red")

    told = shown(show)
    written = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in name)
    # a column is as wide as the name was: what stands for a character of no width may be cut off at its end
    assert told.count(written[:2]) >= 6
    assert "\x1b]" not in told
    assert "\x1b[2J" not in told
    assert "\u202e" not in told


@pytest.mark.parametrize("name", NAMES)
def test_a_violated_certificate_is_shown_whatever_the_defense_is_called(tmp_path, name):
    writer = RunWriter(tmp_path / "run")
    about, rows = cell("a", prediction=1)
    about = {**about, "defense": name, "dataset": name, "classifier": name, "source": name}
    writer.add(RECORDS, "a", about, rows)
    proved = {"sample_id": np.arange(N), "certified": np.ones(N, bool)}
    named = {key: about[key] for key in ("dataset", "classifier", "defense", "norm", "eps")}
    writer.add(CERTIFIED, "b", named, type(rows)(proved, {"statement": name}))
    writer.add(RECORDS, "c", {**about, "cell": "c"}, failure=name)
    writer.clean("d", {"images": torch.zeros(N, 1, 2, 2)})
    writer.finish(radii={"linf": [0.1]}, samples={"d": "d"}, name="x")
    results = load_results(tmp_path / "run")
    stood = []
    told = shown(lambda console: stood.append(print_results(console, results)))
    assert stood == [False]
    assert "were broken" in told
    assert shown(lambda console: print_failures(console, results))
    assert shown(lambda console: print_frame(console, results.sql("select * from outcomes")))
