"""`decide = true`: a comparison takes more of the same samples until it is decided, at a stated error rate."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pandas as pd
import pytest

import frontdef
from frontdef.matrix.attack import Cell
from frontdef.matrix.decide import as_grown, grown, next_look, question, tells
from frontdef.matrix.entries import Matrix, parse_matrix
from frontdef.matrix.plan import make_plan
from frontdef.registry import get_dataset
from frontdef.runs.store import Store
from frontdef.verdicts.agreement import MARGIN, agreement
from frontdef.verdicts.looks import ALPHA, Looks
from frontdef.verdicts.resolution import FINE, POWER, detectable, needed, within
from frontdef.verdicts.statistics import mcnemar, paired_difference
from tests.own_models import trained
from tests.quiet import run_plan
from tests.test_verdicts import outcomes

MATRIX = """
name = "decide"
samples = 80
decide = true
decide_samples = 20
classifiers = ["fc2"]
libraries = ["native", "art"]
recipe = [{ epochs = 4, lr = 0.01 }]
[[attack]]
family = "fgsm"
eps = [0.1]
[[attack]]
family = "pgd"
eps = [0.1]
parameters = { steps = 2, relative_step = 0.3, random_start = true }
[[attack]]
family = "noise"
eps = [0.1]
libraries = ["native"]
"""


def cells_of(plan) -> dict[tuple[str, str], Cell]:
    return {(cell.spec.family.name, cell.library): cell for cell in plan.of("records")}


def test_a_run_goes_on_with_what_is_undecided_and_with_nothing_else(tmp_path, cache, monkeypatch):
    monkeypatch.setenv("FRONTDEF_CACHE", str(cache))
    plan, sizes = make_plan(parse_matrix(MATRIX)), []
    while plan is not None and len(sizes) < 9:
        run_plan(plan, tmp_path / "run")
        sizes.append({key: cell.samples for key, cell in cells_of(plan).items()})
        last, plan = plan, next_look(plan, frontdef.load_results(tmp_path / "run"))
    assert sizes[0] == {
        ("fgsm", "native"): 20,
        ("fgsm", "art"): 20,
        ("pgd", "native"): 20,
        ("pgd", "art"): 20,
    } | {
        ("noise", "native"): 80  # nothing to compare it with
    }
    assert all(step["fgsm", "native"] == 20 for step in sizes), "identical examples are decided at the first look"
    pgd = [step["pgd", "native"] for step in sizes]
    assert pgd == [20 * 2**look for look in range(len(pgd))]
    assert len(pgd) > 1, "nothing was undecided, so the test shows nothing"
    assert all(step["pgd", "art"] == size for step, size in zip(sizes, pgd, strict=True))
    results = frontdef.load_results(tmp_path / "run")
    verdicts = {pair.family: pair for pair in results.agreement()}
    assert verdicts["fgsm"].verdict == "identical"
    assert verdicts["pgd"].verdict != "inconclusive" or pgd[-1] == 80
    assert verdicts["pgd"].level == pytest.approx(Looks.between(20, 80).levels[len(pgd) - 1])
    # The same command goes on where the run has come to, and finds what each of its cells is called.
    again = make_plan(as_grown(parse_matrix(MATRIX), Store(tmp_path / "run")))
    assert [job.key for job in again.jobs] == [job.key for job in last.jobs]
    changed = parse_matrix(MATRIX.replace("eps = [0.1]", "eps = [0.2]"))
    assert as_grown(changed, Store(tmp_path / "run")) == changed
    # A cell is what it is whoever asks for it: the same one as of a matrix with so many samples.
    plain = make_plan(parse_matrix(MATRIX.replace("decide = true", "").replace("samples = 80", f"samples = {pgd[-1]}")))
    assert cells_of(plain)["pgd", "native"].key == cells_of(last)["pgd", "native"].key


def test_a_call_on_a_model_at_hand_decides_too_and_the_same_call_does_nothing_more(tmp_path):
    samples = get_dataset("digits").load("test").take(200, 0)
    attacks = [
        {"family": "fgsm"},
        {"family": "pgd", "parameters": {"steps": 1, "relative_step": 1.0, "random_start": True}},
    ]

    def call():
        return frontdef.evaluate(
            trained(), samples.images, samples.labels,
            eps=0.12, attacks=attacks, libraries=["native", "art"], diagnose=False,
            decide=True, quiet=True, out=tmp_path / "run",
        )  # fmt: skip

    results = call()
    sizes = results.sql("select family, library, count(*) as n from records join cells using (cell) group by all")
    counted = {(row.family, row.library): row.n for row in sizes.itertuples()}
    assert counted["fgsm", "native"] == counted["fgsm", "art"] == 100
    assert counted["pgd", "native"] == counted["pgd", "art"] == 200
    written = {path: path.stat().st_mtime_ns for path in results.path.glob("records/*")}
    assert {path: path.stat().st_mtime_ns for path in call().path.glob("records/*")} == written


def test_a_comparison_stops_at_the_stated_maximum():
    matrix = parse_matrix(MATRIX)
    plan = make_plan(matrix)
    pairs = agreement(pd.concat([outcomes([1, 0] * 5, library=name) for name in ("native", "art")]))
    asked = cells_of(plan)["pgd", "native"].describe()
    names = {name: asked[name] for name in ("dataset", "classifier", "defense", "surrogate", "source", "parameters")}
    open_ = replace(pairs[0], **names)
    assert open_.verdict == "inconclusive"
    seen = []
    while matrix is not None and len(seen) < 9:
        seen.append(cells_of(make_plan(matrix))["pgd", "art"].samples)
        matrix = grown(matrix, make_plan(matrix), [open_])
    assert seen == [20, 40, 80]
    assert grown(parse_matrix(MATRIX), plan, [replace(open_, verdict="equivalent")]) is None


def test_a_minimum_norm_attack_is_one_question_at_all_radii():
    about = dict.fromkeys(("dataset", "classifier", "defense", "surrogate", "source", "parameters"), "")
    of = {**about, "norm": "l2"}
    assert question({**of, "family": "deepfool", "eps": 0.1}) == question({**of, "family": "deepfool", "eps": None})
    assert question({**of, "family": "pgd", "eps": 0.1}) != question({**of, "family": "pgd", "eps": 0.2})


def test_a_look_is_judged_at_its_own_level():
    a, b = [1] * 6 + [0] * 94, [0] * 100  # p = 0.031
    frames = pd.concat([outcomes(a, library="art"), outcomes(b, library="foolbox")])

    def told(level: float) -> pd.DataFrame:
        row = {"difference": "", "causes": [], "faults": [], "forwards": 1.0, "backwards": 0.0, "status": "ok"}
        own = [{**row, "library": name, "cell": f"{name}-pgd-linf-0.1", "level": level} for name in ("art", "foolbox")]
        return pd.DataFrame([{**each, "rounding": np.nan} for each in own])

    (whole,), (first,) = (agreement(frames, cells=told(level)) for level in (ALPHA, 0.03))
    assert (whole.verdict, first.verdict) == ("different", "inconclusive")
    assert first.high - first.low > whole.high - whole.low
    assert "97 % interval" in first.reason


def test_the_error_rates_hold_over_all_looks():
    """Two libraries that break as much, and two that differ by the margin: how often the rule says otherwise."""
    looks, random, runs = Looks.between(50, 400), np.random.default_rng(0), 600
    assert sum(looks.levels) == pytest.approx(ALPHA)

    @lru_cache(None)
    def decided(a: int, b: int, size: int, level: float) -> str:
        low, high = paired_difference(a, b, size, 1 - level)
        equivalent = low >= -MARGIN and high <= MARGIN
        return "different" if mcnemar(a, b) < level else "equivalent" if equivalent else ""

    for only_a, only_b, mistake in ((0.06, 0.06, "different"), (0.02 + MARGIN, 0.02, "equivalent")):
        outcome = random.choice(3, size=(runs, looks.sizes[-1]), p=[only_a, only_b, 1 - only_a - only_b])
        counts = [((outcome[:, :size] == 0).sum(1), (outcome[:, :size] == 1).sum(1)) for size in looks.sizes]
        wrong = 0
        for run in range(runs):
            said = (
                decided(int(a[run]), int(b[run]), size, level)
                for (a, b), size, level in zip(counts, looks.sizes, looks.levels, strict=True)
            )
            wrong += next(filter(None, said), "") == mistake
        # The rate plus three standard errors: 0.05 + 3 √(0.05 · 0.95 / 600).
        assert wrong / runs <= 0.077, mistake


def test_a_few_samples_can_tell_nothing_and_a_plan_says_so():
    for n in range(1, 21):
        for pairs in (1, 2, 44, 5000):
            most = mcnemar(n, 0) < ALPHA / pairs
            assert (detectable(n, pairs) < 1) <= most  # what even all samples can't show is not said to be seen
    told = tells(make_plan(parse_matrix(MATRIX.replace("samples = 80", "samples = 3"))))
    assert "with 3 no difference is seen" in told


def test_a_plan_says_what_it_can_tell():
    n = needed(FINE)
    assert within(n) <= FINE < within(n - 1)
    assert detectable(100) > detectable(400)
    assert detectable(100, pairs=20) > detectable(100)
    gain, random = detectable(200), np.random.default_rng(0)
    seen = np.mean([mcnemar(int(count), 0) < ALPHA for count in random.binomial(200, gain, 2000)])
    assert seen == pytest.approx(POWER, abs=0.05)
    told = tells(make_plan(parse_matrix(MATRIX)))
    assert told.startswith("2 comparisons of two libraries on 80 samples at most")
    assert f"needs {n} samples" in told
    assert (
        tells(make_plan(Matrix.model_validate({"libraries": ["native"], "attack": [{"family": "fgsm", "eps": [0.1]}]})))
        == ""
    )
