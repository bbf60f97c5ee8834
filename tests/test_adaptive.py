"""What the attacker chooses (surrogate, target, draws), and what a run asks of libraries beside parameters."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from rich.console import Console
from torch import nn

import frontdef
from frontdef import bpda
from frontdef.config import Config
from frontdef.errors import ConfigError, FrontdefError, UnknownNameError
from frontdef.frontend import FrontEnd
from frontdef.matrix.entries import Matrix, parse_matrix
from frontdef.matrix.plan import make_plan
from frontdef.matrix.verify import score
from frontdef.protected import Protected
from frontdef.registry import get_defenses
from frontdef.runs.progress import PlainProgress
from frontdef.runs.run import Settings, run
from frontdef.verdicts.bracket import brackets

MATRIX = """
name = "adaptive"
samples = 40
classifiers = ["fc2"]
libraries = ["native"]
recipe = [{ epochs = 4, lr = 0.01 }]
[[defense]]
name = "wavelet"
config = { keep = 0.2 }
surrogates = ["all"]
[[attack]]
family = "pgd"
eps = [0.1]
parameters = { steps = 5, relative_step = 0.3 }
[[attack]]
family = "pgd"
eps = [0.1]
parameters = { steps = 5, relative_step = 0.3, target = "next" }
samples = 10
[[attack]]
family = "pgd"
eps = [0.1]
defaults = true
samples = 10
[[attack]]
family = "noise"
eps = [0.1]
"""
SURROGATES = ["projection", "adjoint", "true", "identity"]


def go(out: Path, text: str = MATRIX, **settings):
    plan = make_plan(parse_matrix(text))
    run(plan, Settings(out=out, **settings), PlainProgress(Console(file=open(os.devnull, "w"))))  # noqa: SIM115
    return frontdef.load_results(out)


@pytest.fixture(scope="module")
def results(tmp_path_factory, cache):
    os.environ["FRONTDEF_CACHE"] = str(cache)
    return go(tmp_path_factory.mktemp("adaptive") / "run")


def test_a_sweep_makes_a_cell_for_each_surrogate_and_one_where_no_gradient_is_used(results):
    cells = results.cells()
    assert (cells["status"] == "ok").all()
    pgd = cells[(cells["family"] == "pgd") & ~cells["parameters"].str.contains("next|defaults")]
    assert sorted(pgd["surrogate"]) == sorted(SURROGATES)
    assert list(cells.loc[cells["family"] == "noise", "surrogate"]) == [""]


def test_the_strongest_surrogate_counts_per_sample(results):
    outcomes = results.outcomes()
    (bracket,) = brackets(outcomes, results.certified())
    robust = outcomes["clean_correct"] & (outcomes["adversarial_prediction"] == outcomes["label"])
    each = robust.groupby(outcomes["cell"]).mean()
    assert bracket.worst_case == pytest.approx(robust.groupby(outcomes["sample_id"]).all().mean())
    assert bracket.worst_case <= each.min()
    assert each.nunique() > 1, "every surrogate gave the same, so the test shows nothing"


def test_what_float32_loses_is_told_of_every_attack_that_follows_the_gradient(results):
    cells = results.cells()
    gradient = cells["family"] != "noise"
    assert cells.loc[gradient, ["zero_loss", "zero_gradient"]].stack().between(0, 1).all()
    assert cells.loc[~gradient, ["zero_loss", "zero_gradient"]].isna().all().all()


def test_a_targeted_success_is_the_target(results):
    records = results.records()
    targeted = records[records["target"] >= 0]
    assert len(targeted) == 10 * len(SURROGATES)
    assert (targeted["target"] == (targeted["label"] + 1) % 10).all()
    reached = targeted["valid"] & (targeted["adversarial_prediction"] == targeted["target"])
    assert (targeted["success"] == reached).all()
    assert reached.any()


def test_fewer_samples_are_the_first_ones(results):
    records = results.records()
    sizes = records.groupby("cell")["sample_id"].apply(tuple)
    assert set(sizes.map(len)) == {10, 40}
    (whole,) = {ids for ids in sizes if len(ids) == 40}
    assert {ids for ids in sizes if len(ids) == 10} == {whole[:10]}


def test_defaults_are_recorded_as_such(results):
    cells = results.cells()
    defaults = cells[cells["parameters"] == '{"defaults": true}']
    assert len(defaults) == len(SURROGATES)
    assert (defaults["backwards"] == 20).all(), "the family's own defaults are native's"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "wavelet", "surrogates": ["projektion"]}, "Did you mean 'projection'"),
        ({"name": "wavelet", "surrogates": ["true"], "surrogate": "true"}, "give one of the two"),
    ],
)
def test_bad_sweeps_are_explained(values, message):
    matrix = Matrix.model_validate({"defense": [values], "attack": [{"family": "fgsm", "eps": [0.1]}]})
    with pytest.raises((UnknownNameError, ConfigError), match=message):
        make_plan(matrix)


def test_an_attack_names_surrogates_in_place_of_the_rows():
    rows = [{"name": "wavelet", "surrogates": ["all"]}, {"name": "none"}]

    def through(surrogates):
        attack = {"family": "fgsm", "eps": [0.1], "libraries": ["native"], "surrogates": surrogates}
        jobs = make_plan(Matrix.model_validate({"defense": rows, "attack": [attack]})).jobs
        return [(job.row.entry.name, job.surrogate) for job in jobs if job.table.name == "records"]

    every = [("wavelet", name) for name in SURROGATES]
    assert through(None) == [*every, ("none", None)], "absent: as the rows say"
    assert through([]) == [("wavelet", None), ("none", None)]
    assert through(["projection"]) == [("wavelet", "projection"), ("none", None)]
    with pytest.raises(UnknownNameError, match="Did you mean 'projection'"):
        through(["projektion"])


@pytest.mark.parametrize("settings", [{"jobs": 0}, {"time_limit": 0}])
def test_bad_settings_are_explained(settings, tmp_path):
    with pytest.raises(FrontdefError, match=r"at least 1|positive"):
        Settings(out=tmp_path, **settings)


def test_processes_give_what_one_process_gives(results, tmp_path):
    beside = go(tmp_path / "run", jobs=2, time_limit=300)
    key = ["cell", "sample_id"]
    alone, parallel = (outcome.records().sort_values(key).reset_index(drop=True) for outcome in (results, beside))
    exact = [name for name in alone.columns if not name.startswith(("loss", "margin", "l"))]
    pd.testing.assert_frame_equal(alone[exact], parallel[exact])


class Coin(FrontEnd[Config]):
    """Adds a number to the first pixel: large in one draw of four."""

    randomized = True
    surrogates = (bpda.TRUE,)

    def forward(self, x):
        draws = torch.rand(len(x), generator=self.generator(x.device), device=x.device)
        moved = x.clone()
        moved[:, 0, 0, 0] = torch.where(draws < 0.25, 1.0, 0.0)
        return moved


def test_mean_and_majority_can_differ_and_both_are_told():
    """The classifier is very sure in one draw of four and slightly of the other opinion in three."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=True))
    with torch.no_grad():
        net[1].weight.copy_(torch.tensor([[0.0] * 4, [40.0, 0, 0, 0]]))
        net[1].bias.copy_(torch.tensor([0.2, 0.0]))
    protected = Protected(Coin(Config()), net, image_shape=(1, 2, 2))
    scores = score(protected, torch.zeros(50, 1, 2, 2), torch.zeros(50, dtype=torch.int64), draws=400, seed=0)
    assert (scores.majority == 0).all()
    assert (scores.predictions == 1).all()
    # The mean probability: a quarter of 1, three quarters of 1 / (1 + e^0.2).
    expected = 0.25 + 0.75 / (1 + np.exp(0.2))
    torch.testing.assert_close(scores.logits[:, 1].exp().mean().item(), expected, atol=5e-3, rtol=0)


def test_no_verdict_draw_is_one_that_the_attack_saw():
    """Attack and judge start their draws from different seeds, and the judge's do not depend on the attack."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    protected = Protected(Coin(Config()), net, image_shape=(1, 2, 2))
    x, y = torch.zeros(8, 1, 2, 2), torch.zeros(8, dtype=torch.int64)
    scores = score(protected, x, y, draws=5, seed=3)
    protected(x)
    assert torch.equal(scores.logits, score(protected, x, y, draws=5, seed=3).logits)
    assert not torch.equal(scores.logits, score(protected, x, y, draws=5, seed=4).logits)


def test_a_sweep_over_averages_is_made_of_what_draws_alone():
    drawing = next((defense.name for defense in get_defenses() if defense.randomized and defense.name != "none"), None)
    if drawing is None:
        pytest.skip("no installed plugin has a randomized defense")
    attacks = [{"family": family, "eps": [0.1]} for family in ("pgd", "noise", "transfer", "eotpgd")]
    rows = [{"name": "none"}, {"name": drawing}]
    asked = {"defense": rows, "attack": attacks, "libraries": ["native"], "eot_average": ["probabilities", "logits"]}
    cells = make_plan(Matrix.model_validate(asked)).of("records")
    averages = {
        (title, family): [
            cell.spec.settings().get("average")
            for cell in cells
            if (cell.row.entry.name, cell.spec.family.name) == (title, family)
        ]
        for title in ("none", drawing)
        for family in ("pgd", "noise", "transfer", "eotpgd")
    }
    assert averages["none", "pgd"] == averages["none", "noise"] == [None]
    assert averages[drawing, "pgd"] == ["probabilities", "logits"]
    once = [averages[drawing, family] for family in ("noise", "transfer", "eotpgd")]
    assert once == [["probabilities"]] * 3, "the average changes nothing of these"
    assert len({cell.key for cell in cells}) == len(cells)
    seeds = {cell.spec.seed for cell in cells if cell.spec.family.name == "pgd"}
    assert len(seeds) == 1, "what is averaged changes the draws"
