"""A study: resumed equals undisturbed, keys follow what decides, the folder answers SQL, mistakes are explained."""

from __future__ import annotations

import os
import signal
import time

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from frontdef import load_results
from frontdef.analysis import analyze, layer_ratios, make_plan, parse_study
from frontdef.analysis.perturb import AttackSettings, as_bytes, craft
from frontdef.analysis.tables import TABLES, VIEWS
from frontdef.cli import main
from frontdef.config import Config
from frontdef.errors import ConfigError, StoreError, UnknownNameError
from frontdef.frontend import Identity
from frontdef.protected import Protected
from frontdef.runs.store import Store
from tests.forks import fork, wait
from tests.quiet import run_plan

STUDY = """
name = "tiny"
dataset = "digits"
classifier = "fc2"
samples = 20
train_samples = 60
what = ["psr", "weights", "partial"]

[attack]
eps = 0.1
steps = 2
relative_step = 0.5

[ratio]
p = [2, "inf"]

[weights]
linear = true

[[model]]
name = "none"
label = "natural"
recipe = [{ epochs = 3, lr = 5e-3, batch_size = 20 }]

[[model]]
name = "none"
label = "adversarial"
recipe = [{ epochs = 3, lr = 5e-3, batch_size = 20, adversarial = "linf", eps = 0.1, attack_steps = 1 }]
"""
COLUMNS = {table.name: table.columns for table in (*TABLES.values(), *VIEWS)}
CUTS = 4 * 3  # codes × cuts of two layers
MODELS = 2 * 5  # models × tables


def go(study, out, **settings):
    return run_plan(make_plan(study), out, **settings)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, cache):
    out = tmp_path_factory.mktemp("analysis") / "undisturbed"
    summary = go(parse_study(STUDY), out, cache=cache)
    assert not summary.failed
    return out, summary


def tables(out):
    analysis = load_results(out)
    return {name: analysis.table(name) for name in COLUMNS}


def same(first, second):
    for name, frame in tables(first).items():
        repeated = tables(second)[name]
        order = [column for column in frame.columns if frame[column].dtype.kind not in "f"]
        pd.testing.assert_frame_equal(
            frame.sort_values(order, ignore_index=True),
            repeated.sort_values(order, ignore_index=True),
            check_exact=True,
        )


def test_every_unit_is_run_once_and_kept(finished, cache):
    out, summary = finished
    assert len(summary.ran) == CUTS + MODELS
    again = go(parse_study(STUDY), out, cache=cache)
    assert again.ran == []
    assert len(again.cached) == CUTS + MODELS


def test_tables_have_the_documented_columns_and_types(finished):
    for name, frame in tables(finished[0]).items():
        assert list(frame.columns) == list(COLUMNS[name])
        assert len(frame) or name == "batch_norm"


def test_what_sql_says_is_what_the_functions_say(finished, cache):
    out, _ = finished
    ratios = load_results(out).sql(
        "select * from ratios where model = 'natural' and isfinite(p) order by sample_id, layer"
    )
    means = load_results(out).sql("select db from psr where model = 'natural' and p = 2 order by layer")["db"]
    per_layer = ratios.groupby("layer")["ratio"].mean()
    np.testing.assert_allclose(means, 20 * np.log10(per_layer), rtol=1e-12)
    ends = load_results(out).sql("select db_low, db_high from psr where model = 'natural' and p = 2 order by layer")
    half = 1.959964 * ratios.groupby("layer")["ratio"].std() / np.sqrt(20)
    np.testing.assert_allclose(ends["db_low"], 20 * np.log10(per_layer - half), rtol=1e-9)
    np.testing.assert_allclose(ends["db_high"], 20 * np.log10(per_layer + half), rtol=1e-9)
    assert set(ratios["layer"]) == {0, 1, 2}
    assert ratios["sample_id"].nunique() == 20


def test_the_ends_of_a_sweep_are_the_two_trainings(finished):
    """Where all layers are kept, the network is that of the first training, and so is what an attack does to it."""
    analysis = load_results(finished[0])
    whole = analysis.sql("select code, adversarial_accuracy as accuracy from partial where code = 'A1N2' and cut = 2")
    model = analysis.sql("select avg(attacked_correct::int) as accuracy from ratios where model = 'adversarial'")
    assert whole["accuracy"][0] == pytest.approx(model["accuracy"][0])
    counted = analysis.sql("select cut, adversarial_layers as n from partial where code = 'N1A2' order by cut")
    assert counted["n"].tolist() == [2, 1, 0]


def test_a_killed_sweep_leaves_whole_units_and_goes_on(finished, tmp_path, cache):
    file, out = tmp_path / "tiny.toml", tmp_path / "killed"
    file.write_text(STUDY, encoding="utf-8")
    write = Store.write

    def write_two_and_wait(store, table, *what):
        write(store, table, *what)
        time.sleep(600 if len(list(out.glob("partial/*.parquet"))) == 2 else 0)

    def work():
        Store.write = write_two_and_wait
        main(["analyze", str(file), "--out", str(out), "--what", "partial"])

    process = fork(work)
    deadline = time.monotonic() + 120
    while len(list(out.glob("partial/*.parquet"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process, signal.SIGKILL)
    assert wait(process) == -signal.SIGKILL
    kept = {path.name: path.stat().st_mtime_ns for path in out.glob("partial/*.parquet")}
    assert 2 <= len(kept) < CUTS
    summary = go(parse_study(STUDY), out, cache=cache)
    assert len(summary.cached) == len(kept)
    assert {name: (out / "partial" / name).stat().st_mtime_ns for name in kept} == kept
    same(finished[0], out)


@pytest.mark.slow
def test_units_side_by_side_in_processes_find_the_same(finished, tmp_path, cache):
    study = parse_study(STUDY).model_copy(update={"what": ("partial",)})
    summary = go(study, tmp_path / "jobs", cache=cache, jobs=2)
    assert not summary.failed
    order = "select * from partial order by code, cut"
    pd.testing.assert_frame_equal(load_results(tmp_path / "jobs").sql(order), load_results(finished[0]).sql(order))


def test_a_job_that_fails_is_recorded_and_can_be_retried(tmp_path, cache, monkeypatch):
    study = parse_study(STUDY).model_copy(update={"what": ("weights",)})
    from frontdef.analysis import measure

    with monkeypatch.context() as patched:
        patched.setattr(measure, "filters", lambda *_: 1 / 0)
        summary = go(study, tmp_path / "run", cache=cache)
    assert len(summary.failed) == 2
    failures = load_results(tmp_path / "run").failures()
    assert [failure["what"] for failure in failures] == ["filters natural", "filters adversarial"]
    assert "ZeroDivisionError" in failures[0]["error"]
    assert len(go(study, tmp_path / "run", cache=cache).failed) == 2, "a failure is not retried unasked"
    Store(tmp_path / "run").forget_failures(summary.failed)
    assert len(go(study, tmp_path / "run", cache=cache).ran) == 2
    assert load_results(tmp_path / "run").failures() == []


@pytest.mark.parametrize(
    ("change", "changes"),
    [
        ({"attack": {"eps": 0.2}}, {"ratios", "partial"}),
        ({"ratio": {"truncate": True}}, {"ratios"}),
        ({"weights": {"top": 3}}, {"singular_values"}),
        ({"samples": 19}, {"ratios", "partial"}),
        ({"name": "other"}, set()),
        ({"train_samples": 61}, set(TABLES)),
    ],
    ids=lambda value: str(sorted(value)) if isinstance(value, set) else str(value),
)
def test_keys_follow_what_decides_the_result(change, changes):
    study = parse_study(STUDY)
    values = study.model_dump()
    for name, value in change.items():
        values[name] = {**values[name], **value} if isinstance(value, dict) else value
    changed = make_plan(type(study).model_validate(values)).jobs
    different = {a.table.name for a, b in zip(make_plan(study).jobs, changed, strict=True) if a.key != b.key}
    assert different == changes


# Any classifier


def classifier():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3))


def test_models_at_hand_are_analyzed_and_given_back_as_they_were(tmp_path):
    model, x, y = classifier().train(), torch.rand(6, 1, 4, 4), torch.arange(6) % 3
    before = {name: value.clone() for name, value in model.state_dict().items()}
    analysis = analyze({"mine": model}, x, y, out=tmp_path / "mine", attack={"eps": 0.1, "steps": 2})
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert analysis.table("batch_norm")["running_variance"].tolist() == [1, 1]
    assert analysis.sql("select method, count(*) as n from singular_values group by method")["n"].tolist() == [16]
    attacked = craft(Protected(Identity(Config()), model), x, y, AttackSettings(eps=0.1, steps=2), seed=0)
    expected = layer_ratios(model.eval(), x, attacked)[2.0][3]
    measured = analysis.sql("select ratio from ratios where label = 'linear1' order by sample_id")["ratio"]
    np.testing.assert_allclose(measured, expected.numpy())
    stored = {path: path.stat().st_mtime_ns for path in (tmp_path / "mine").glob("*/*.parquet")}
    analyze({"mine": model}, x, y, out=tmp_path / "mine", attack={"eps": 0.1, "steps": 2})
    assert {path: path.stat().st_mtime_ns for path in stored} == stored


def test_what_has_no_singular_values_is_said(tmp_path):
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    analysis = analyze(
        {"mine": model}, torch.rand(2, 1, 4, 4), torch.tensor([0, 1]), out=tmp_path / "a", what=("weights",)
    )
    (note,) = analysis.notes()
    assert "singular values mine: not of any layer, there is no convolution; [weights] linear = true" in note
    assert note in " ".join(invoke(tmp_path / "a").output.split())


def test_mistakes_with_models_at_hand_are_explained(tmp_path):
    x, y = torch.rand(2, 1, 4, 4), torch.tensor([0, 1])
    with pytest.raises(ConfigError, match="no model is given"):
        analyze({}, x, y, out=tmp_path / "a")
    with pytest.raises(UnknownNameError, match="unknown analysis 'partial'"):
        analyze({"m": classifier()}, x, y, out=tmp_path / "b", what=("partial",))
    with pytest.raises(ConfigError, match="unknown key 'atack', did you mean 'attack'"):
        analyze({"m": classifier()}, x, y, out=tmp_path / "c", atack={})


def test_attacked_images_are_cut_off_to_bytes_and_not_rounded():
    x = torch.tensor([0.0, 1.0, 100 / 255, 100.9 / 255])
    assert (as_bytes(x) * 255).round().tolist() == [0, 255, 100, 100]


# The command line


def invoke(*words):
    return CliRunner().invoke(main, ["analyze", *map(str, words)])


def test_the_command_shows_ratios_and_answers_sql(finished, tmp_path, cache):
    out, _ = finished
    shown = invoke(out)
    assert shown.exit_code == 0, shown.output
    assert "perturbation-to-signal ratio, dB" in shown.output
    assert "partial training, loss under attack" in shown.output
    asked = invoke(out, "--csv", "--sql", "select count(*) as n from partial")
    assert asked.output.split() == ["n", str(CUTS)]


@pytest.mark.parametrize(
    ("change", "words", "says"),
    [
        ("", ["--codes", "A1X2"], "unknown code of partial training 'A1X2'"),
        ("", ["--cuts", "9"], "cut = 9 is out of range: layers before the cut, 0…2 in this model (linear1, linear2)"),
        ("", ["--cuts", "linear3"], "unknown layer 'linear3'. Did you mean 'linear"),
        ("", ["--what", "prs"], "psr"),
        ("", ["--p", "two"], "--p is one or several positive numbers or inf"),
        ("", ["-d", "none", "--what", "partial"], "there is none labeled 'natural'"),
        ("", ["--eps", "8"], "exceeds the whole range of an image"),
        ("", ["--dataset", "mnits"], "Did you mean 'mnist'?"),
        ("", ["--samples", "99999"], "99999 samples were asked for"),
        ('adversarial = "linf", eps = 0.1, attack_steps = 1', [], "has no adversarial stage in its recipe"),
        ("steps = 2", [], "unknown key 'attack.step', did you mean 'steps'?"),
    ],
    ids=str,
)
def test_mistakes_are_explained_in_one_line(change, words, says, tmp_path):
    file = tmp_path / "study.toml"
    replaced = {"": STUDY, "steps = 2": STUDY.replace("steps = 2\n", "step = 2\n")}
    file.write_text(replaced.get(change, STUDY.replace(f", {change}", "")), encoding="utf-8")
    result = invoke(file, "--out", tmp_path / "out", *words)
    assert result.exit_code == 2, result.output
    assert len(result.output.splitlines()) == 1
    assert says in result.output.replace("\n", " ")


def test_other_folders_are_not_touched(finished, tmp_path):
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(StoreError, match=r"no run folder .* and is not empty"):
        go(parse_study(STUDY), tmp_path)
    result = invoke(finished[0], "--eps", "0.1")
    assert result.exit_code == 2
    assert "--eps can't change" in result.output


def test_its_summary_has_every_second_training(finished):
    analysis = load_results(finished[0])
    trained = analysis.summary({"partial"})["partial"]
    assert len(trained) == int(analysis.sql("select count(*) as n from partial")["n"][0])
    columns = {"code", "mode", "cut", "adversarial_layers", "n", "adversarial_loss", "adversarial_accuracy"}
    assert columns <= set(trained)


def test_a_wrong_query_names_the_tables(finished):
    with pytest.raises(StoreError, match=r"Tables: layers, ratios, filters, batch_norm, singular_values, partial, psr"):
        load_results(finished[0]).sql("select * from ratio")


def test_partial_training_needs_one_network_trained_in_two_ways():
    text = STUDY.replace('label = "natural"', 'label = "natural"\nclassifier = "cnn4"')
    with pytest.raises(ConfigError, match="one defense, one configuration and one classifier"):
        make_plan(parse_study(text))


def test_a_second_training_is_estimated_by_its_passes():
    jobs = [job for job in make_plan(parse_study(STUDY)).jobs if job.table.name == "partial"]
    passes = {job.code: job.passes for job in jobs}
    second = {code: code[code.index("2") - 1] for code in passes}
    assert set(second.values()) == {"A", "N"}
    steps = {"A": 2, "N": 1}
    assert passes == {code: 2 * (60 * 3 * steps[second[code]] + 20 * 2) for code in passes}
    assert {job.alike[2] for job in jobs} == {"A", "N"}, "a natural one says nothing of what an adversarial one takes"


@pytest.mark.parametrize("asked", ["--worst", "--agreement", "--metrics"])
def test_a_study_says_that_it_is_no_matrix(finished, asked):
    for form in ("table", "json"):
        result = CliRunner().invoke(main, ["results", str(finished[0]), asked, "--format", form])
        assert result.exit_code == 2, result.output
        assert "is a study, which has no" in result.output
        assert f"leave out {asked}" in result.output
    result = CliRunner().invoke(main, ["compare", str(finished[0]), str(finished[0])])
    assert result.exit_code == 2
    assert "is a study: two matrices are compared" in result.output
