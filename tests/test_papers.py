"""A paper's numbers beside ours: what the verdicts mean, and where the numbers of the docs come from."""

from __future__ import annotations

import json
import math
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

from frontdef.cli import main
from frontdef.config import build
from frontdef.errors import ConfigError
from frontdef.matrix.entries import load_matrix
from frontdef.matrix.summary import attack_title
from frontdef.runs.results import load_results
from frontdef.threat import parse_eps
from frontdef.verdicts.paper import Paper, PaperTable, load_paper
from frontdef.verdicts.reproduced import causes, compare, told
from frontdef.verdicts.statistics import wilson
from tests.report_sample import make_run

ROOT = Path(__file__).parent.parent
PAPERS = ROOT / "benchmarks" / "papers"
N, RIGHT = 200, 90
LOW, HIGH = (100 * end for end in wilson(RIGHT, N))

CELLS = pd.DataFrame(
    [
        {"defense": "ours", "attack": "pgd", "library": "art", "n": N, "robust_accuracy": 0.6},
        {"defense": "ours", "attack": "pgd", "library": "native", "n": N, "robust_accuracy": RIGHT / N},
        {"defense": "none", "attack": "pgd", "library": "native", "n": N, "robust_accuracy": 0.0},
        {"defense": "none", "attack": "cw", "library": "native", "n": N, "robust_accuracy": math.nan},
        {"defense": "none", "attack": "fmn", "library": "native", "n": 0, "robust_accuracy": math.nan},
        {"defense": "none", "attack": "zoo", "library": "art", "n": N, "robust_accuracy": 1.0},
    ]
).assign(status=lambda cells: np.where(cells["attack"] == "cw", "TimeLimit", "ok"), mean_l2=math.nan)


def table(values=(45.0,), defense="ours", **changes):
    """A table of one row and one column."""
    column = {"name": "PGD", "where": {"attack": "pgd"}} | changes.pop("column", {})
    row = {"name": "Ours", "where": {"defense": defense}, "same_network": changes.pop("same_network", True)}
    row["values"] = list(values)
    return build(PaperTable, {"name": "Table 1", "run": "r", "column": [column], "row": [row], **changes}, "table")


def judged(paper, **changes):
    (comparison,) = compare(table((paper,), **changes), {"cells": CELLS})
    return comparison


class TestVerdicts:
    def test_of_several_libraries_the_strongest_counts(self):
        comparison = judged(45.0)
        assert (comparison.ours, comparison.n, comparison.how) == (45.0, N, "native")
        assert (comparison.low, comparison.high) == pytest.approx((LOW, HIGH))

    @pytest.mark.parametrize("tolerance", [0.0, 0.5])
    def test_reproduced_is_within_the_interval_and_the_tolerance(self, tolerance):
        for paper, verdict in (
            (LOW - tolerance + 0.01, "reproduced"),
            (HIGH + tolerance - 0.01, "reproduced"),
            (LOW - tolerance - 0.01, "weaker attack here"),
            (HIGH + tolerance + 0.01, "stronger attack here"),
        ):
            assert judged(paper, tolerance=tolerance).verdict == verdict, paper

    def test_of_another_network_the_attack_is_not_accused(self):
        assert judged(99.0, same_network=False).verdict == "lower here"
        assert judged(1.0, same_network=False).verdict == "higher here"
        assert judged(45.0, same_network=False).verdict == "reproduced"

    @pytest.mark.parametrize(("n_few", "left", "said"), [(50, 0.4, True), (50, 0.7, False), (N, 0.4, False)])
    def test_all_together_above_one_of_them_says_that_it_saw_fewer_samples(self, n_few, left, said):
        cells = pd.DataFrame([{"attack": "pgd", "library": "native", "n": n_few, "robust_accuracy": left}])
        worst = pd.DataFrame([{"norm": "linf", "strongest": "bim", "n": N, "robust": 0.5}])
        columns = [
            {"name": "PGD", "where": {"attack": "pgd"}},
            {"name": "together", "frame": "worst", "value": "robust", "where": {"norm": "linf"}},
        ]
        row = {"name": "Ours", "where": {}, "same_network": True, "values": ["", ""]}
        asked = build(PaperTable, {"name": "Table 1", "run": "r", "column": columns, "row": [row]}, "table")
        lines = causes(compare(asked, {"cells": cells.assign(status="ok"), "worst": worst}))
        assert [("PGD on 50 of them" in line) for line in lines] == [True] * said

    def test_a_number_that_is_no_attacks_is_higher_or_lower(self):
        level = {"kind": "level", "where": {"attack": "pgd", "library": "native"}}
        assert judged(99.0, column=level).verdict == "lower here"
        assert judged(1.0, column=level).verdict == "higher here"

    def test_a_number_that_is_no_attacks_has_one_row(self):
        with pytest.raises(ConfigError, match=r"2 rows of cells fit.*library, robust_accuracy"):
            judged(45.0, column={"kind": "level"})

    def test_what_is_refuted_cannot_be_right_even_where_it_fits(self):
        cause = {"row": "Ours", "text": "the table dropped exponents", "refuted": True}
        comparison = judged(45.0, cause=[cause])
        assert (comparison.verdict, comparison.cause) == ("cannot be right", cause["text"])

    def test_the_most_particular_cause_is_told_and_only_of_a_difference(self):
        causes = [{"text": "in general"}, {"row": "Ours", "column": "PGD", "text": "in particular"}]
        assert judged(99.0, cause=causes).cause == "in particular"
        assert judged(45.0, cause=causes).cause == ""

    def test_what_the_paper_lacks_and_what_was_not_run(self):
        assert judged("").verdict == "not in the paper"
        assert judged(45.0, column={"where": {"attack": "bim"}}).verdict == "not run"
        assert judged(45.0, defense="none", column={"where": {"attack": "cw"}}).verdict == "not run", "it failed"
        nothing = judged(45.0, defense="none", column={"where": {"attack": "fmn"}})
        assert (nothing.verdict, nothing.n) == ("nothing to measure", 0)
        none_fell = judged(0.04, defense="none", column={"where": {"attack": "zoo"}, "value": "mean_l2"})
        assert none_fell.verdict == "nothing to measure", "it ran, and no sample fell"
        assert math.isnan(judged(45.0, defense="nobody").ours)

    def test_a_stated_interval_replaces_that_of_a_share(self):
        frame = pd.DataFrame([{"model": "m", "db": -12.0, "low": -13.0, "high": -11.0}])
        column = {"frame": "psr", "value": "db", "interval": ["low", "high"], "kind": "level", "where": {"model": "m"}}
        for paper, verdict in ((-12.9, "reproduced"), (-14.0, "higher here")):
            asked = table((paper,), column=column, scale=1.0, unit="dB")
            asked = asked.model_copy(update={"row": (asked.row[0].model_copy(update={"where": {}}),)})
            (comparison,) = compare(asked, {"psr": frame})
            assert (comparison.verdict, comparison.low, comparison.high) == (verdict, -13.0, -11.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"column": {"frame": "cels"}}, "'cels' is no table of the summary of r, did you mean 'cells'"),
        ({"column": {"where": {"atack": "pgd"}}}, "'atack' is no column of cells, did you mean 'attack'"),
        ({"column": {"value": "robust"}}, "'robust' is no column of cells, did you mean 'robust_accuracy'"),
        ({"values": (1.0, 2.0)}, "has 2 values, and there are 1 columns"),
        ({"cause": [{"row": "Theirs", "text": "?"}]}, "a cause of 'Table 1' names 'Theirs', and there are Ours"),
        ({"tolerence": 1}, "did you mean 'tolerance'"),
    ],
)
def test_what_does_not_fit_is_explained(changes, message):
    with pytest.raises(ConfigError, match=message):
        compare(table(**changes), {"cells": CELLS})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("papers") / "run")


EXPECTED = """
paper = "Nobody 2020"
[[table]]
name = "Table 1"
run = "{name}"
[[table.column]]
name = "FGSM"
where = {{ attack = "fgsm" }}
[[table.row]]
name = "bare"
where = {{ defense = "none", norm = "linf" }}
values = [100.0]
[[table.cause]]
text = "nobody trained it"
"""


def test_results_sets_a_run_beside_the_paper(run, tmp_path):
    name = load_results(run).head.name
    file = tmp_path / "nobody.expected.toml"
    file.write_text(EXPECTED.format(name=name), encoding="utf-8")
    answer = CliRunner().invoke(main, ["results", str(run), "--expected", str(file)])
    assert answer.exit_code == 0, answer.output
    (line,) = [line for line in answer.output.splitlines() if line.split()[:2] == ["bare", "FGSM"]]
    frame = load_results(run).summary()["cells"]
    fgsm = frame[(frame["attack"] == "fgsm") & (frame["norm"] == "linf") & (frame["defense"] == "none")]
    told = load_results(run).sql(
        "select count(*) filter (clean_correct and success) as broke, "
        "avg(l2) filter (clean_correct and success) as mean from records where cell in "
        "(select cell from cells where family = 'fgsm' and norm = 'linf' and defense = 'none' and library = 'native')"
    )
    native = fgsm[fgsm["library"] == "native"]
    assert native["broke"].sum() == told["broke"][0]
    assert "100.0 %" in line
    assert f"{100 * fgsm['robust_accuracy'].min():.1f} %" in line
    assert "lower here" in line
    assert "nobody trained it" in answer.output
    file.write_text(EXPECTED.format(name="another"), encoding="utf-8")
    answer = CliRunner().invoke(main, ["results", str(run), "--expected", str(file)])
    assert answer.exit_code == 2
    assert "they are about another" in answer.output


def test_the_report_shows_the_same_table(run, tmp_path):
    results = load_results(run)
    file = tmp_path / "nobody.expected.toml"
    file.write_text(EXPECTED.format(name=results.head.name), encoding="utf-8")
    answer = CliRunner().invoke(
        main, ["report", str(run), "--expected", str(file), "--out", str(tmp_path / "paper.html")]
    )
    assert answer.exit_code == 0, answer.output
    page = (tmp_path / "paper.html").read_text(encoding="utf-8")
    section = page[page.index('<section id="paper">') :].split("</section>")[0]
    (comparison,) = results.compared(load_paper(file))["Table 1"]
    assert all(text in section for text in (*told(comparison), "nobody trained it", "Nobody 2020"))
    assert '<section id="paper">' not in results.report(tmp_path / "bare.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("file", sorted(PAPERS.glob("*.expected.toml")), ids=lambda file: file.name)
def test_what_is_committed_is_whole(file):
    """Every table of a paper whose summary is there finds its numbers there, but for jobs that it says were not run."""
    paper = load_paper(file)
    assert isinstance(paper, Paper)
    for each in paper.table:
        folder = PAPERS / "results" / each.run
        frames = {path.stem: pd.read_csv(path, keep_default_na=False, na_values=[""]) for path in folder.glob("*.csv")}
        if not frames:
            continue
        missing = [f"{c.row}, {c.column}" for c in compare(each, frames) if c.verdict == "not run"]
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        assert not missing or about["missing"] or about["failures"], f"{each.name}: not run: {missing}"


def planned(run):
    """What a plan will have in its summary: titles of attacks, labels of defenses, classifiers, data sets, metrics."""
    matrix = load_matrix(PAPERS / f"{run}.toml")
    attacks = {
        attack_title(entry.family, json.dumps(entry.parameters))
        + (f" from {entry.source.title}" if entry.source else "")
        for entry in matrix.attack
    }
    return {
        "attack": attacks,
        "defense": {entry.title for entry in matrix.defense},
        "classifier": {*matrix.classifiers, *(entry.classifier for entry in matrix.defense)},
        "dataset": set(matrix.datasets),
        "metric": {entry.name for entry in matrix.metric},
        "norm": {entry.norm for entry in matrix.attack},
        "judged_eps": {parse_eps(eps) for entry in matrix.attack for eps in entry.eps},
    }


NOT_PLANNED = {("sparsecode-settings-digits", "defense", "not run")}
"""Rows of a table that no plan has yet."""


@pytest.mark.parametrize("file", sorted(PAPERS.glob("*.expected.toml")), ids=lambda file: file.name)
def test_what_is_expected_is_planned(file):
    """A number that stands beside the paper's has a cell in the plan of its run: a misspelt attack is no omission."""
    for each in load_paper(file).table:
        if not (PAPERS / f"{each.run}.toml").exists():
            continue  # a script's summary
        known = planned(each.run)
        for named in (each.where, *(part.where for part in (*each.row, *each.column))):
            for column, value in named.items():
                if column not in known or (each.run, column, value) in NOT_PLANNED:
                    continue
                near = [math.isclose(value, one) for one in known[column]] if isinstance(value, float) else []
                assert value in known[column] or any(near), (
                    f"{each.name}: {column} = {value!r} is not in {each.run}.toml"
                )


COG = re.compile(
    r"<!-- \[\[\[cog cog\.out\((?:summaries|reproduction)\.(.*?)\) \]\]\] -->(.*?)<!-- \[\[\[end\]\]\] -->", re.DOTALL
)


def measured_numbers(text):
    """Percentages, decibels and decimals of a text, which only a measurement has; not those of commands and links."""
    bare = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)|\$[^$]*\$", "", text, flags=re.DOTALL)
    return re.findall(r"-?\d+(?:\.\d+)? ?(?:%|dB|points)|\b\d+\.\d+\b(?!\d*v\d)", bare)


def test_the_bases_of_section_3_are_what_the_theory_needs(monkeypatch):
    """Each is inverted by its synthesis, and the attack of the white box goes along the adjoint of the projection."""
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
    import sparsification_theory as theory

    draws = torch.Generator().manual_seed(0)
    images, w, e = (torch.rand(3, 784, generator=draws, dtype=torch.float64) for _ in range(3))
    for basis in theory.bases():
        masks = basis.masks(images)
        assert masks.sum(1).tolist() == [theory.KEPT] * 3
        whole = torch.ones_like(masks)
        torch.testing.assert_close(basis.project(images, whole), images, atol=1e-9, rtol=0)
        moved, pulled = basis.project(e, masks), basis.pull_back(w, masks)
        torch.testing.assert_close((w * moved).sum(1), (pulled * e).sum(1))
        orthonormal = torch.allclose(basis.project(w, masks), pulled)
        assert orthonormal == (basis.name != "9/7"), "9/7 is biorthogonal, which the paper calls orthonormal"


def test_no_number_of_the_results_is_typed():
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    assert COG.search(page)
    assert measured_numbers(COG.sub("", page)) == []


def test_every_number_comes_from_a_summary(tmp_path, monkeypatch):
    """Changed summaries change what is generated: nothing is remembered elsewhere."""
    monkeypatch.setattr(sys, "path", [str(ROOT / "docs"), *sys.path])
    import reproduction

    written = reproduction.paper("sparsification")
    folder = tmp_path / "papers"
    for path in PAPERS.glob("*.expected.toml"):
        folder.mkdir(exist_ok=True)
        (folder / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(reproduction, "PAPERS", folder)
    without = reproduction.paper("sparsification")
    assert without.count("not run") == len(load_paper(PAPERS / "sparsification.expected.toml").table)
    assert "| " in written
    assert "| " not in without, "a table without a summary"


def test_seeds_tell_their_spread_from_that_of_the_images(tmp_path, monkeypatch):
    """Three runs of one table: the mean and the standard deviation by hand, and that of 1,000 images beside it."""
    monkeypatch.setattr(sys, "path", [str(ROOT / "docs"), *sys.path])
    import reproduction

    shares = {"r": 0.40, "r-seed1": 0.50, "r-seed2": 0.60}
    for run, value in shares.items():
        folder = tmp_path / "results" / run
        folder.mkdir(parents=True)
        cells = pd.DataFrame([{"defense": "ours", "attack": "pgd", "library": "", "n": 1000, "robust_accuracy": value}])
        cells.to_csv(folder / "cells.csv", index=False)
    (tmp_path / "nobody.expected.toml").write_text(
        EXPECTED.format(name="r").replace('defense = "none", norm = "linf"', 'defense = "ours"').replace("fgsm", "pgd"),
        encoding="utf-8",
    )
    monkeypatch.setattr(reproduction, "PAPERS", tmp_path)
    (line,) = [line for line in reproduction.seeds("nobody", "Table 1").splitlines() if line.startswith("| bare")]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[2:] == ["1000", "50.0 %", "40.0, 50.0, 60.0", "10.0 points", "1.6 points"]
