"""Brackets, agreement, the terminal and the report say the same of one run, whatever kinds of attacks it holds."""

from __future__ import annotations

import io
import json
import math

import numpy as np
import pytest
import torch
from rich.console import Console

from frontdef.cli.tables import print_results
from frontdef.matrix.tables import RECORDS
from frontdef.report import tables
from frontdef.report.collect import collect
from frontdef.report.data import Setting
from frontdef.report.payload import payload
from frontdef.runs.results import load_results
from frontdef.runs.table import Rows
from frontdef.threat import MEASURED, TOLERANCE
from frontdef.verdicts.agreement import agreement
from frontdef.verdicts.bracket import brackets
from frontdef.verdicts.broken import judged, robust_accuracy
from tests.run_writer import RunWriter

N = 40
RADII = {"linf": [0.1, 0.2], "l2": [0.5, 1.0]}
ATTACKS = (
    [(f"pgd{' next' * targeted}", "linf", eps, targeted) for eps in RADII["linf"] for targeted in (False, True)]
    + [(f"cw{' next' * targeted}", "l2", None, targeted) for targeted in (False, True)]
)  # fmt: skip
LIBRARIES = ("alpha", "beta")
MODEL = {"dataset": "d", "classifier": "c", "defense": "none"}


def random_columns(rng, clean, targeted):
    """Any example that a library might return: near and far, in the box and not, and in any class."""
    label = np.arange(N) % 3
    return {
        "sample_id": 100 + np.arange(N),
        "label": label,
        "clean_prediction": clean,
        "clean_correct": clean == label,
        "target": (label + 1) % 3 if targeted else np.full(N, -1),
        **{name: rng.integers(0, 3, N) for name in ("adversarial_prediction", "adversarial_majority")},
        "linf": rng.choice([0.05, 0.1, 0.1 + TOLERANCE / 2, 0.15, 0.2, 0.3], N),
        "l2": rng.choice([0.2, 0.5, 0.7, 1.0, 3.0], N),
        "l1": rng.uniform(0, 9, N),
        "l0": rng.integers(0, 9, N).astype(float),
        "in_box": rng.random(N) < 0.9,
        "finite": rng.random(N) < 0.9,
        **{name: np.zeros(N) for name in ("loss_clean", "loss_adv", "margin")},
    }


@pytest.fixture(scope="module", params=[0, 1, 2])
def run(request, tmp_path_factory):
    """A stored run of random examples: its cells with their columns, and its results."""
    rng, writer = np.random.default_rng(request.param), RunWriter(tmp_path_factory.mktemp("kinds") / "run")
    clean, cells = (np.arange(N) + (rng.random(N) < 0.2)) % 3, {}
    for family, norm, eps, targeted in ATTACKS:
        for library in LIBRARIES:
            key = f"{len(cells):024d}"
            columns = random_columns(rng, clean, targeted)
            asked = {"target": "next"} if targeted else {}
            cell = {
                **MODEL, "cell": key, "network": "c", "defense_id": "none", "surrogate": "", "source": "",
                "family": family, "norm": norm, "eps": eps, "judged_eps": eps or RADII[norm][-1],
                "parameters": json.dumps(asked), "library": library, "library_version": "1", "seed": 0,
            }  # fmt: skip
            cells[key] = (cell, columns)
            recorded = judged(columns, norm, math.inf if eps is None else eps, minimum_norm=eps is None)
            about = {"forwards": 1.0, "backwards": 1.0, "seconds": 0.1}
            examples = {"x_adv": torch.rand(N, 1, 2, 2)}
            writer.add(RECORDS, key, cell, Rows({**columns, **recorded}, about, examples))
    writer.clean("d", {"images": torch.rand(N, 1, 2, 2)})
    writer.finish(name="kinds", document={"name": "kinds"}, radii=RADII, samples={"d": "d"})
    return cells, load_results(writer.store.root)


def fate(cell, columns, i, norm, eps):
    """One sample, from the definitions: whether it counts for the worst case, and whether the attack succeeded."""
    near = columns[norm][i] <= eps + TOLERANCE and columns["in_box"][i] and columns["finite"][i]
    predicted, label, target = (columns[name][i] for name in ("adversarial_prediction", "label", "target"))
    return near and predicted != label, near and predicted != label and target in (-1, predicted)


def figures(cells, norm, eps):
    """Worst case of the model, and each family's share that withstood it, by a loop over the samples."""
    clean = next(columns["clean_correct"] for _, columns in cells.values())
    worst = [
        clean[i] and not any(fate(cell, columns, i, norm, eps)[0] for cell, columns in cells.values()) for i in range(N)
    ]
    families = {}
    for family in dict.fromkeys(cell["family"] for cell, _ in cells.values()):
        own = [
            (cell, columns)
            for cell, columns in cells.values()
            if (cell["family"], cell["norm"]) == (family, norm) and cell["eps"] in (None, eps)
        ]
        if own:
            stands = [clean[i] and not any(fate(*entry, i, norm, eps)[1] for entry in own) for i in range(N)]
            families[family] = np.mean(stands)
    return np.mean(worst), families


THREATS = [(norm, eps) for norm, radii in RADII.items() for eps in radii]


@pytest.mark.parametrize(("norm", "eps"), THREATS)
def test_all_say_what_a_loop_over_the_samples_says(run, norm, eps):
    cells, results = run
    worst, families = figures(cells, norm, eps)
    bracket = next(
        candidate
        for candidate in brackets(results.outcomes(), results.certified())
        if (candidate.norm, candidate.eps) == (norm, eps)
    )
    assert bracket.worst_case == pytest.approx(worst)
    data, setting = collect(results), Setting("d", "c", norm, eps)
    (row,) = tables.heat(data, setting)
    assert {data.family_names[cell.family]: cell.robust for cell in row.cells} == pytest.approx(families)
    assert all(share >= worst - 1e-12 for share in families.values())
    for cell in data.cells:
        columns = cells[cell.key][1]
        stands = [columns["clean_correct"][i] and not fate(cell, columns, i, norm, eps)[1] for i in range(N)]
        for place, share in tables.accuracies(data, cell):
            if place == setting:
                assert share == pytest.approx(np.mean(stands)) == robust_accuracy(columns, norm, eps)
                assert share >= worst


def test_the_table_of_cells_says_what_a_loop_over_the_samples_says(run):
    cells, results = run
    for cell in results.cells().itertuples():
        asked, columns = cells[cell.cell]
        lost = [fate(asked, columns, i, cell.norm, cell.judged_eps)[1] for i in range(N)]
        stands = [right and not gone for right, gone in zip(columns["clean_correct"], lost, strict=True)]
        assert cell.robust_accuracy == pytest.approx(np.mean(stands))


def test_the_terminal_prints_the_numbers_of_the_report(run):
    cells, results = run
    console = Console(file=io.StringIO(), width=200)
    print_results(console, results)
    rows = [line.split() for line in console.file.getvalue().splitlines() if line.strip().startswith("none")]
    assert [row[1] for row in rows] == [f"{eps:g}" for _, eps in THREATS]
    for row, (norm, eps) in zip(rows, THREATS, strict=True):
        worst, families = figures(cells, norm, eps)
        assert row[3] == f"{100 * worst:.1f}"
        assert row[-len(families) :] == [f"{100 * share:.1f}" for share in families.values()]


def test_of_a_randomized_model_terminal_and_heat_map_agree_on_which_samples_are_right(tmp_path):
    """Each cell saw other draws, so another clean prediction; a sample is right where its first cell says so."""
    rng, writer = np.random.default_rng(5), RunWriter(tmp_path / "run")
    for number, library in enumerate(LIBRARIES):
        clean = (np.arange(N) + (rng.random(N) < 0.3)) % 3
        columns = random_columns(rng, clean, targeted=False)
        cell = {
            **MODEL, "cell": f"{number:024d}", "network": "c", "defense_id": "none", "surrogate": "", "source": "",
            "family": "pgd", "norm": "linf", "eps": 0.1, "judged_eps": 0.1, "parameters": "{}", "library": library,
            "library_version": "1", "seed": 0,
        }  # fmt: skip
        recorded = judged(columns, "linf", 0.1, minimum_norm=False)
        about = {"forwards": 1.0, "backwards": 1.0, "seconds": 0.1}
        rows = Rows({**columns, **recorded}, about, {"x_adv": torch.rand(N, 1, 2, 2)})
        writer.add(RECORDS, cell["cell"], cell, rows)
    writer.clean("d", {"images": torch.rand(N, 1, 2, 2)})
    writer.finish(name="drawn", document={"name": "drawn"}, radii={"linf": [0.1]}, samples={"d": "d"})
    results = load_results(writer.store.root)
    rights = results.records().groupby("sample_id")["clean_correct"].nunique()
    assert (rights > 1).any(), "the draws differ"
    (row,) = tables.heat(collect(results), Setting("d", "c", "linf", 0.1))
    console = Console(file=io.StringIO(), width=200)
    print_results(console, results)
    (line,) = [line.split() for line in console.file.getvalue().splitlines() if line.strip().startswith("none")]
    assert line[-1] == f"{100 * row.cells[0].robust:.1f}"
    assert row.cells[0].robust >= row.bracket.worst_case


def test_pairs_count_the_attacks_own_successes(run):
    cells, results = run
    pairs = agreement(results.outcomes())
    assert len(pairs) == 2 * len(RADII["linf"]) + 2 * len(RADII["l2"])
    for pair in pairs:
        for library, share in ((pair.library_a, pair.success_a), (pair.library_b, pair.success_b)):
            ((cell, columns),) = [
                (cell, columns)
                for cell, columns in cells.values()
                if (cell["family"], cell["library"]) == (pair.family, library) and cell["eps"] in (None, pair.eps)
            ]
            right = np.flatnonzero(columns["clean_correct"])
            assert share == pytest.approx(np.mean([fate(cell, columns, i, pair.norm, pair.eps)[1] for i in right]))


def test_worst_cases_never_grow_with_the_radius(run):
    _, results = run
    rows = brackets(results.outcomes(), results.certified())
    for norm, radii in RADII.items():
        shares = [bracket.worst_case for eps in radii for bracket in rows if (bracket.norm, bracket.eps) == (norm, eps)]
        assert shares == sorted(shares, reverse=True)


def test_the_page_is_sent_both_only_where_they_differ(run):
    _, results = run
    data = collect(results)
    own = [sent[5] if len(sent) > 5 else None for sent in payload(data)["scores"]]  # the end of a row may be left out
    differs = [bool((score.success != score.broken).any()) for score in data.scores]
    assert [bits is not None for bits in own] == differs
    assert any(differs)
    assert not all(differs)
    for score in data.scores:
        assert (score.success <= score.broken).all()


def test_every_distance_that_is_measured_is_recorded():
    assert set(MEASURED) <= set(random_columns(np.random.default_rng(0), np.zeros(N), False))
