"""Two runs beside each other, sample by sample: what is known of them by construction must be said."""

from __future__ import annotations

import json
from html import escape

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy.stats import binomtest

import frontdef
from frontdef.cli import main
from frontdef.verdicts.attacked import by_model
from frontdef.verdicts.compare import CLEAN, MARGIN, WORST, Side, compare, unmatched
from frontdef.verdicts.resolution import needed, within
from tests.stored_runs import SAMPLES, matrix_run
from tests.test_verdicts import outcomes

MODEL = ("digits", "cnn", "none")
EVIDENCE = {"dataset": "digits", "classifier": "cnn", "defense": "none", "norm": "linf", "eps": 0.1, "attack": "step"}


def side(*frames, evidence=None):
    return Side(by_model(pd.concat(frames)), evidence)


def one(a, b, attack=WORST):
    (change,) = [change for change in compare(a, b, [(MODEL, MODEL)]) if change.attack == attack]
    return change


def broke(count, n=1000, start=0):
    return (np.arange(n) >= start) & (np.arange(n) < start + count)


def asked(*arguments):
    ended = CliRunner().invoke(main, ["compare", *map(str, arguments)])
    return ended.exit_code, ended.output


def test_the_pairs_are_counted_and_tested_exactly():
    change = one(side(outcomes(broke(500))), side(outcomes(broke(480, start=60))))
    assert (change.n, change.share_a, change.share_b) == (1000, 0.5, 0.52)
    assert (change.only_a, change.only_b) == (40, 60)
    assert change.p_value == pytest.approx(binomtest(40, 100).pvalue)
    assert change.low < 0.02 < change.high


def test_who_is_worse_is_said_and_the_order_of_the_sides_turns_it_round():
    a, b = side(outcomes(broke(300))), side(outcomes(broke(400)))
    there, back = one(a, b), one(b, a)
    assert (there.verdict, back.verdict) == ("worse", "better")
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))


def test_equality_is_shown_and_never_assumed():
    few, many = outcomes(broke(30, n=64)), outcomes(broke(3000, n=6000))
    assert one(side(few), side(few)).verdict == "undecided"
    assert one(side(many), side(many)).verdict == "same"
    assert one(side(many), side(many)).needed is None


def test_the_samples_that_would_settle_it_settle_it():
    change = one(side(outcomes(broke(30, n=64))), side(outcomes(broke(33, n=64, start=3))))
    discordant = (change.only_a + change.only_b + 1) / (change.n + 2)
    assert change.needed == needed(MARGIN, discordant)
    assert within(change.needed, discordant) <= MARGIN < within(change.needed - 1, discordant)


def test_p_values_are_corrected_for_every_number():
    changes = compare(side(outcomes(broke(300))), side(outcomes(broke(322))), [(MODEL, MODEL)])
    assert [change.attack for change in changes] == [CLEAN, WORST, "pgd"]
    assert changes[1].p_holm == pytest.approx(min(1, 3 * changes[1].p_value))


def test_only_samples_that_both_have_are_compared():
    whole = outcomes(broke(500))
    change = one(side(whole.iloc[:700]), side(whole.iloc[300:].iloc[::-1]))
    assert (change.n, change.only_a, change.only_b) == (400, 0, 0)
    assert change.share_a == change.share_b == 0.5
    apart = one(side(whole.iloc[:300]), side(whole.iloc[300:]))
    assert (apart.n, apart.verdict) == (0, "undecided")


def test_what_a_diagnosis_broke_counts_in_the_worst_case_as_it_does_in_the_table():
    evidence = {name: np.array([value] * 50) for name, value in EVIDENCE.items()} | {"sample_id": np.arange(900, 950)}
    a, b = side(outcomes(broke(300))), side(outcomes(broke(300)), evidence=evidence)
    assert one(a, b).only_a == 50
    assert one(a, b, "pgd").only_a == 0


def test_what_only_one_has_is_named():
    a, b = side(outcomes(broke(5))), side(outcomes(broke(5)), outcomes(broke(5), family="fgsm", eps=0.2))
    assert unmatched(a.models, b.models, [(MODEL, MODEL)]) == ["digits cnn none linf ε=0.2: only B has fgsm"]


def test_the_command_says_the_numbers_of_the_runs(tmp_path):
    first = matrix_run(tmp_path / "a", {"k": {"broken": range(2)}})
    worse = matrix_run(tmp_path / "b", {"k": {"broken": range(SAMPLES)}}, versions={"torch": "9"})
    code, told = asked(first, worse)
    assert code == 1
    assert "other versions: torch none → 9" in told
    assert "2 worse" in told
    assert asked(worse, first)[0] == 0
    code, told = asked(first, worse, "--json")
    rows = {row["attack"]: row for row in json.loads(told)[0]["rows"]}
    for run, name in ((first, "share_a"), (worse, "share_b")):
        assert rows[WORST][name] == frontdef.load_results(run).worst()["robust"].item()
    code, page = asked(first, worse, "--format", "html")
    assert code == 1
    assert all(
        said in page for said in ("other versions: torch none → 9", "2 worse", f"<td>{escape(WORST)}</td>", "</html>")
    )
    assert "<h1>What changed from A to B</h1>" in page
    assert "<li>A: a</li><li>B: b</li>" in page
    assert page.count('<strong class="worse">worse</strong>') == 2
    code, told = asked(first, first, "--only-changed")
    assert code == 0
    assert told.startswith("3 numbers: 3 undecided")


def test_two_rows_of_one_run_and_what_has_no_partner(tmp_path):
    cells = {"a": {"broken": range(2)}, "b": {"broken": range(8), "defense": "wavelet"}}
    run = matrix_run(tmp_path / "run", cells)
    code, told = asked(run, "--rows", "none", "wavelet", "--json")
    assert code == 0, "six pairs that all go one way are not enough, corrected for three"
    row = json.loads(told)[0]["rows"][1]
    assert (row["row_a"], row["row_b"], row["attack"]) == ("none", "wavelet", WORST)
    _, page = asked(run, "--rows", "none", "wavelet", "--format", "html")
    assert "<li>A: row none of run</li><li>B: row wavelet of run</li>" in page
    assert "row_a" not in page
    assert "<td>wavelet</td>" not in page, "said once"
    assert asked(run)[0] == 2
    code, told = asked(run, "--rows", "none", "wavelt")
    assert code == 2
    assert "wavelet" in told
    other = matrix_run(tmp_path / "other", {"c": {"broken": [1], "defense": "jpeg"}})
    code, told = asked(run, other)
    assert code == 2
    assert "no finished row in common" in told
