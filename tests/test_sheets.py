"""No table loses anything: not at 80 columns, not in a pipe, not in any format."""

from __future__ import annotations

import csv
import io
import json
import re
from html import escape
from html.parser import HTMLParser

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import frontdef
from frontdef.cli import main
from frontdef.cli.console import PlainConsole
from frontdef.cli.sheets import (
    FORMATS,
    LATEX,
    Sheet,
    SheetCell,
    SheetColumn,
    escaped,
    to_csv,
    to_json,
    to_terminal,
    words,
)
from frontdef.cli.webpage import to_html
from tests.stored_runs import matrix_run

NAMES = st.text("abcdefgh-", min_size=1, max_size=30)


def asked(*arguments):
    ended = CliRunner().invoke(main, ["results", *map(str, arguments)])
    assert ended.exit_code == 0, ended.output
    return ended


@st.composite
def sheets(draw):
    columns = draw(st.integers(2, 12))
    titles = [draw(NAMES) for _ in range(columns)]
    kinds = [False, *(draw(st.booleans()) for _ in range(columns - 1))]
    rows = [
        [
            SheetCell(f"{10 * row + place}.25", 10 * row + place + 0.25)
            if kind
            else words(f"w{row}x{place}" + draw(NAMES))
            for place, kind in enumerate(kinds)
        ]
        for row in range(draw(st.integers(1, 4)))
    ]
    names = [
        SheetColumn(title, f"{place}", kind) for place, (title, kind) in enumerate(zip(titles, kinds, strict=True))
    ]
    return Sheet("t", names, rows, keys=draw(st.integers(0, 2)))


@settings(deadline=None, max_examples=60)
@given(sheets(), st.integers(60, 200))
def test_a_terminal_of_any_width_shows_every_letter_and_wraps_no_number(sheet, width):
    console = PlainConsole(file=io.StringIO(), width=width)
    to_terminal(console, sheet)
    told = console.file.getvalue()
    assert max(map(len, told.splitlines())) <= width
    assert "…" not in told
    for row in sheet.rows:
        for column, cell in zip(sheet.columns, row, strict=True):
            if column.numbers:
                assert re.search(rf"(?<![\d.]){re.escape(cell.text)}(?![\d.])", told)
    shown = sorted(letter for letter in told if letter in "abcdefghwx")
    wanted = [letter for row in sheet.rows for cell in row for letter in cell.text if letter in "abcdefghwx"]
    assert len(shown) >= len(wanted)


def test_a_wide_run_is_printed_in_parts_that_hold_every_attack(tmp_path):
    cells = {f"c{i}": {"broken": range(i), "source": f"model number {i}"} for i in range(12)}
    told = asked(matrix_run(tmp_path / "run", cells)).stdout
    assert max(len(line) for line in told.splitlines() if not line.startswith("not all of it")) <= 80
    assert told.count("continued") >= 1
    for i in range(12):
        assert f"{100 - 5 * i:.1f}" in told


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "table"])
@pytest.mark.parametrize("what", ["--worst", "--agreement", "--metrics", "--failed", "--sql"])
def test_every_table_is_written_in_every_format(tmp_path, form, what):
    arguments = [what, "select * from cells"] if what == "--sql" else [what]
    ended = asked(matrix_run(tmp_path / "run"), *arguments, "--format", form)
    assert ended.stdout.strip()
    assert "not all of it: 1 of 7 jobs have not been run and 1 have failed" in ended.stderr
    if form == "json":
        json.loads(ended.stdout)


def test_programs_get_the_numbers_in_full(tmp_path):
    root = matrix_run(tmp_path / "run")
    (worst,) = frontdef.load_results(root).worst().to_dict("records")
    (table,) = json.loads(asked(root, "--worst", "--json").stdout)
    (told,) = table["rows"]
    for name in ("n", "clean", "certified", "robust", "low", "high", "strongest", "belief", "eps"):
        assert told[name] == worst[name]
    (line,) = csv.DictReader(io.StringIO(asked(root, "--worst", "--csv").stdout))
    assert float(line["low"]) == worst["low"]


def test_what_people_find_in_a_title_or_beside_a_number_programs_find_in_a_column(tmp_path):
    root = matrix_run(tmp_path / "run", {name: {"broken": [1], "library": name} for name in ("art", "foolbox")})
    (worst,) = frontdef.load_results(root).worst().to_dict("records")
    (table,) = json.loads(asked(root, "--json").stdout)
    names = ("norm", "eps", "robust", "low", "high", "belief")
    assert [table["rows"][0][name] for name in names] == [worst[name] for name in names]
    (line,) = csv.DictReader(io.StringIO(asked(root, "--agreement", "--csv").stdout))
    assert line["norm"] == worst["norm"]
    told = CliRunner().invoke(main, ["compare", str(root), str(root), "--json"]).stdout
    assert [row["norm"] for row in json.loads(told)[0]["rows"]] == [
        None,
        *["linf"] * (len(json.loads(told)[0]["rows"]) - 1),
    ]
    for form in ("table", "md", "latex", "html"):
        told = CliRunner().invoke(main, ["results", str(root), "--format", form]).stdout
        assert "linf" not in told, "people read it once, in the title"


def test_several_tables_in_one_csv_are_told_apart_and_what_is_no_number_is_empty():
    tables = [Sheet(name, [SheetColumn("a", "a", True)], [[SheetCell("–", float("nan"))]]) for name in ("one", "two")]
    assert to_csv(tables) == "table,a\none,\ntwo,\n"
    assert json.loads(to_json(tables))[0]["rows"] == [{"a": None}]


def test_latex_sets_every_sign_as_it_stands():
    assert escaped("50 % of a_b & ℓ∞, ε") == r"50 \% of a\_b \& $\ell_\infty$, $\varepsilon$"
    bare = set(r"\{}$&#%_^~")
    for sign in bare:
        assert not set(re.sub(r"\\([{}$&#%_])|\\text\w+\{\}", "", LATEX[sign])) & bare


def test_a_run_that_is_not_finished_says_so(tmp_path):
    told = " ".join(asked(matrix_run(tmp_path / "run")).stdout.split())
    assert "1 of 7 jobs have not been run and 1 have failed; `frontdef run made.toml` goes on with it" in told
    whole = matrix_run(tmp_path / "whole", {"a": {"broken": [1]}})
    assert "not all of it" not in asked(whole).output


def test_what_has_not_run_or_failed_looks_other_than_what_nobody_offers(tmp_path):
    other = {"a": {"broken": [1]}, "b": {"broken": [1], "family": "fgsm"}, "c": {"broken": [1], "family": "square"}}
    here = {"d": {"broken": [1]}, "e": {"family": "fgsm"}, "f": {"broken": "no memory", "family": "square"}}
    offered = {"g": {"broken": [1], "family": "bim"}}
    cells = {**other, **offered, **{key: {**cell, "defense": "unfinished"} for key, cell in here.items()}}
    told = asked(matrix_run(tmp_path / "run", cells)).stdout
    (line,) = [line for line in told.splitlines() if "unfinished" in line and "◌" in line]
    assert line.count("◌") == line.count("✕") == 1
    assert "✕ failed; ◌ not run yet" in " ".join(told.split())
    (table,) = json.loads(asked(tmp_path / "run", "--json").stdout)
    (row,) = [row for row in table["rows"] if row["defense"] == "unfinished"]
    assert row["fgsm"] is row["square"] is row["bim"] is None
    whole = asked(matrix_run(tmp_path / "whole", {**other, **offered})).stdout
    assert "◌" not in whole
    assert "✕" not in whole


def test_the_plan_of_a_run_is_what_was_asked_for(tmp_path):
    run = str(matrix_run(tmp_path / "run"))
    told = CliRunner().invoke(main, ["plan", run]).stdout
    for what in ("records a", "records d", "certified proof"):
        assert what in told
    assert "5 of 7 jobs are stored and took 5 s in all: `frontdef run made.toml`" in " ".join(told.split())
    refused = CliRunner().invoke(main, ["plan", run, "--samples", "3"])
    assert refused.exit_code == 2
    assert "is a run, whose plan is made: leave out samples" in refused.output


class Read(HTMLParser):
    """Cells of a page, row by row, and what else it says."""

    def __init__(self, page):
        super().__init__()
        self.rows, self.tags = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip("\n")


def test_a_web_page_holds_every_cell_as_text_and_fetches_nothing():
    hostile = "<script>alert(1)</script> & <b>"
    sheet = Sheet(
        hostile,
        [SheetColumn("defense", "d"), SheetColumn("n", "n", True)],
        [[words(hostile), SheetCell("1,000", 1000)]],
    )
    page = to_html([sheet], [hostile])
    read = Read(page)
    assert read.rows == [["defense", "n"], [hostile, "1,000"]]
    assert not {"script", "b", "img", "link", "iframe"} & set(read.tags)
    assert "http" not in page
    assert page.count(escape(hostile)) == 4
