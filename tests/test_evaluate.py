"""``frontdef.evaluate``: any model that is at hand, left as it was, and never served another model's results."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

import frontdef
from frontdef.cli import main
from frontdef.errors import ConfigError, ImageError, ModelError, UnknownNameError
from frontdef.registry import get_dataset
from tests import own_models

FGSM = [{"family": "fgsm"}]
N = 20


@pytest.fixture(scope="module")
def net():
    return own_models.trained()


@pytest.fixture(scope="module")
def samples():
    return get_dataset("digits").load("test").take(N, 0)


@pytest.fixture
def go(samples, tmp_path):
    """One cheap call; what is not said is the same in all tests."""

    def call(model, *xy, **options):
        defaults = {"attacks": FGSM, "libraries": "native", "diagnose": False, "quiet": True, "out": tmp_path / "run"}
        return frontdef.evaluate(model, *(xy or (samples.images, samples.labels)), **{**defaults, **options})

    return call


def keys(results):
    return {job.entry.key for job in results.jobs_of("records")}


def written(results):
    return {path: path.stat().st_mtime_ns for path in results.path.glob("*/*.parquet")}


def test_what_is_left_out_is_told(net, go, capsys):
    go(net, attacks=[{"family": "mifgsm"}, *FGSM], quiet=False)
    assert "left out: mifgsm linf in native: not offered" in capsys.readouterr().err
    go(net, attacks=[{"family": "mifgsm"}, *FGSM])
    assert not capsys.readouterr().err


def test_names_that_do_not_say_which_output_is_meant_are_refused(net, go, samples):
    """Numbered as they occur they would count as wrong, without a word."""
    names = [f"digit {label}" for label in samples.labels]
    with pytest.raises(ImageError, match=r"the labels have 1 names \(cat\), the model has 10 outputs.*'classes': \["):
        go(net, samples.images, ["cat"] * len(samples))
    every = [f"digit {i}" for i in range(10)]
    told = go(net, {"x": samples.images, "y": names, "classes": every}).worst()
    assert told["clean"].item() == go(net).worst()["clean"].item()


# What it takes


def test_a_module_a_protected_and_a_function_withstand_the_same(net, go, tmp_path):
    models = {"module": net, "protected": frontdef.protect(net, "none"), "function": lambda x: net(x)}
    worst = {kind: go(model, out=tmp_path / kind, eps=0.1).worst() for kind, model in models.items()}
    of_module = worst["module"].drop(columns="classifier")
    assert of_module["clean"].item() > 0.7
    assert of_module["robust"].item() < of_module["clean"].item()
    for kind in ("protected", "function"):
        assert worst[kind].drop(columns="classifier").equals(of_module)


def test_a_function_of_a_model_elsewhere_has_no_gradient_and_says_so(net, go):
    def remote(x):
        with torch.no_grad():
            return net(x)

    assert any("no gradient" in note for note in go(remote).head.notes)


def test_attacks_that_need_a_gradient_are_left_out_where_there_is_none(net, go, capsys):
    """They would fail, and noise would be called the strongest attack there is."""

    def decide(x):
        with torch.no_grad():
            return net(x).numpy()

    few = [*FGSM, {"family": "transfer", "parameters": {"steps": 2}}, "noise"]
    results = go(decide, attacks=few, quiet=False, diagnose=True)
    assert set(results.cells()["family"]) == {"noise"}
    assert not [job for job in results.jobs if job.status == "failed"]
    assert "left out: fgsm, transfer linf on model: it needs a gradient" in capsys.readouterr().err
    assert "fgsm" in set(go(net, attacks=few).cells()["family"])


def test_a_module_that_writes_in_place_is_given_copies_even_where_the_values_stay(net, go, tmp_path):
    """Images are positive, so that ReLU leaves them as they are; autograd refuses it all the same."""
    inplace = nn.Sequential(nn.ReLU(inplace=True), net)
    for kind, model in {"module": inplace, "protected": frontdef.protect(inplace, "none")}.items():
        results = go(model, out=tmp_path / kind)
        assert not [job for job in results.jobs if job.status == "failed"]
        assert any("it is given copies" in note for note in results.head.notes)
        assert results.worst()["robust"].equals(go(net, out=tmp_path / "net").worst()["robust"])


def test_a_family_is_named_by_its_id_and_a_set_that_a_norm_does_not_have_is_refused(net, go, tmp_path):
    named = go(net, attacks=["fgsm"])
    assert keys(named) == keys(go(net, attacks=FGSM, out=tmp_path / "mapping"))
    with pytest.raises(UnknownNameError, match="fgsm"):
        go(net, attacks=["fgms"])
    with pytest.raises(ConfigError, match="attacks holds a int"):
        go(net, attacks=[3])
    with pytest.raises(ConfigError, match=r"no attack of the set 'quick' exists in l0.*sigmazero"):
        go(net, attacks="quick", norm="l0", eps=12)


@pytest.mark.parametrize("form", ["arrays", "pair", "dataset", "lists of samples"])
def test_samples_in_every_form_are_the_same_samples(net, go, samples, form):
    reference = keys(go(net))
    x, y = samples.images, samples.labels
    arguments = {
        "arrays": (x.numpy(), y.numpy()),
        "pair": ((x, y),),
        "dataset": (torch.utils.data.TensorDataset(x, y),),
        "lists of samples": (x.numpy(), y.tolist()),
    }[form]
    assert keys(go(net, *arguments)) == reference


def test_the_model_is_left_as_it_was(go):
    model = nn.Sequential(own_models.network(), nn.Dropout(0.5)).train()
    model[0][2].weight.requires_grad_(False)
    model[0][4].weight.grad = torch.ones_like(model[0][4].weight)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    go(model, defenses=["none", "wavelet"])
    assert all(module.training for module in model.modules())
    assert [parameter.requires_grad for parameter in model.parameters()] == [False, True, True, True]
    assert torch.equal(model[0][4].weight.grad, torch.ones_like(model[0][4].weight))
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_the_model_is_left_as_it_was_where_it_is_refused(go):
    model = own_models.network().train()
    with pytest.raises(ModelError, match="Nothing was attacked"):
        go(model, clean_accuracy=0.99)
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())


# Keys


def test_a_second_call_does_nothing(net, go):
    before = written(go(net))
    assert written(go(net)) == before


class Scaled(nn.Module):
    def __init__(self, net, factor):
        super().__init__()
        self.net, self.factor = net, factor

    def forward(self, x):
        return self.net(x) * self.factor


class Shifted(Scaled):
    def forward(self, x):
        return self.net(x) * self.factor + 0.0


def test_whatever_changes_the_model_changes_the_keys(net, go, samples):
    copied = own_models.network()
    copied.load_state_dict(net.state_dict())
    first = go(Scaled(copied, 1.0))
    known = {"as it is": keys(first), "code": keys(go(Shifted(copied, 1.0))), "constant": keys(go(Scaled(copied, 2.0)))}
    with torch.no_grad():
        copied[4].bias[3] += 1e-3
    known["weight"] = keys(go(Scaled(copied, 1.0)))
    known["normalization"] = keys(go(Scaled(copied, 1.0), normalize={"mean": [0.1], "std": [0.9]}))
    known["other x"] = keys(go(Scaled(copied, 1.0), samples.images.flip(0), samples.labels.flip(0)))
    for change in known:
        for another in known:
            assert change == another or not known[change] & known[another], f"{change} and {another} share a key"


def test_a_changed_model_is_never_served_old_results(net, go):
    good = go(net).worst()
    noise = own_models.network()
    assert go(noise).worst()["clean"].item() < 0.5 < good["clean"].item()
    assert go(net).worst().equals(good)


def test_a_name_is_no_part_of_the_key(net, go):
    assert keys(go(net, name="one")) == keys(go(net, name="two"))


# What it asks


def test_attack_sets_and_norms(net, go):
    results = go(net, attacks="quick", norm=["linf", "l2"], eps={"linf": ["4/255", 0.1], "l2": 0.5})
    asked = results.cells()[["family", "norm", "eps"]].itertuples(index=False)
    radii = [("linf", 4 / 255), ("linf", 0.1), ("l2", 0.5)]
    assert {tuple(row) for row in asked} == {(family, *at) for family in ("fgsm", "noise", "pgd") for at in radii}
    assert list(results.worst()["norm"]) == ["linf", "linf", "l2"] or set(results.worst()["norm"]) == {"linf", "l2"}
    assert len(results.worst()) == 3


def test_several_norms_without_radii_take_the_usual_ones(net, go):
    cells = go(net, norm=("linf", "l2", "l1")).cells()
    assert dict(zip(cells["norm"], cells["eps"], strict=True)) == {"linf": 8 / 255, "l2": 0.5, "l1": 12.0}
    with pytest.raises(ConfigError, match="something else in each norm"):
        go(net, norm=("linf", "l2"), eps=0.1)


def test_attacks_that_name_no_radius_take_the_calls(net, go):
    attacks = [{"family": "pgd", "parameters": {"steps": 2}}, {"family": "fgsm", "norm": "l2", "eps": [0.25]}]
    cells = go(net, attacks=attacks, eps="2/255").cells()
    assert set(zip(cells["family"], cells["norm"], cells["eps"], strict=True)) == {
        ("pgd", "linf", 2 / 255),
        ("fgsm", "l2", 0.25),
    }


@pytest.mark.parametrize("eps", [8 / 255, np.float64(8) / 255, "8/255", [8 / 255]])
def test_a_radius_is_printed_as_a_fraction_however_it_is_given(net, go, eps):
    results = go(net, eps=eps, defenses=["none", "wavelet"])
    assert keys(results) == keys(go(net, eps="8/255", defenses=["none", "wavelet"]))
    printed = CliRunner().invoke(main, ["results", str(results.path)]).output
    assert "8/255" in printed
    assert "0.0313" not in printed + results.jobs_of("records")[0].entry.what


def test_results_answer(net, go, tmp_path):
    results = go(
        net, attacks="quick", libraries=["native", "torchattacks"], defenses=["none", ("wavelet", {"keep": 0.5})]
    )
    worst = results.worst()
    assert list(worst["defense"].sort_values()) == ["none", "wavelet keep=0.5"]
    assert ((worst["low"] <= worst["robust"]) & (worst["robust"] <= worst["high"])).all()
    assert {bracket.defense: bracket.worst_case for bracket in results.brackets()} == dict(
        zip(worst["defense"], worst["robust"], strict=True)
    )
    assert {verdict.family for verdict in results.agreement()} >= {"fgsm", "pgd"}
    outcomes = results.outcomes()
    lost = outcomes[outcomes["success"] | ~outcomes["clean_correct"]].groupby("defense")["sample_id"].nunique()
    for defense, robust in zip(worst["defense"], worst["robust"], strict=True):
        assert 1 - lost[defense] / N == pytest.approx(robust)
    assert results.sql("select count(*) n from outcomes")["n"].item() == len(outcomes)
    assert set(outcomes["training"]) == {"as it is"}
    page = results.report()
    assert page.is_file()
    assert "wavelet keep=0.5" in page.read_text(encoding="utf-8")


def test_a_diagnosis_runs_in_each_norm(net, go):
    assert [(row["defense"], row["norm"]) for row in go(net, diagnose=True).diagnoses()] == [("none", "linf")]


def test_without_a_folder_one_is_made(net, go):
    first, second = go(net, out=None), go(net, out=None)
    assert first.path != second.path
    assert first.worst().equals(second.worst())


def test_all_defenses_name_what_does_not_fit(net, go):
    results = go(net, defenses="all", samples=8)
    rows = set(results.cells()["defense"])
    assert {"none", "wavelet", "art-jpeg"} <= rows
    skipped = "\n".join(results.head.skipped)
    assert "hah" not in rows
    assert "defense hah" in skipped
    registered = {defense.name for defense in frontdef.registry.get_defenses()}
    assert rows | {line.split()[1] for line in results.head.skipped if line.startswith("defense ")} == registered


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"defenses": ["hah"]}, ConfigError, "samples at hand.*--dataset"),
        ({"defenses": ["wavelt"]}, UnknownNameError, "wavelet"),
        ({"defenses": ["wavelet", "wavelet"]}, ConfigError, "title"),
        ({"attacks": "standart"}, UnknownNameError, "standard"),
        ({"attacks": [{"family": "pdg"}]}, UnknownNameError, "pgd"),
        ({"attacks": [{"family": "pgd", "source": {"name": "none"}}]}, ConfigError, "training images"),
        ({"libraries": ["foolbx"]}, UnknownNameError, "foolbox"),
        ({"norm": "linff"}, UnknownNameError, "linf"),
        ({"eps": 8}, ConfigError, "8/255"),
        ({"device": "tpu"}, ConfigError, "cpu"),
        ({"clean_accuracy": 0.9, "normalize": {"mean": [100.0], "std": [1.0]}}, ModelError, "no `normalize`"),
        ({"samples": 10_000}, frontdef.errors.FrontdefError, str(N)),
    ],
)
def test_what_can_not_be_run_is_told_before_anything_is_written(net, go, tmp_path, options, error, message):
    with pytest.raises(error, match=f"(?s){message}"):
        go(net, **options)
    assert not (tmp_path / "run").exists()


def test_a_model_of_any_other_kind_is_refused(go, samples):
    with pytest.raises(ModelError, match=r"nn\.Module, a Protected or a function"):
        go(own_models.network().state_dict())
    with pytest.raises(frontdef.errors.FrontdefError, match=r"labels|y"):
        go(own_models.network(), samples.images)


def test_a_folder_of_a_call_is_not_taken_for_a_matrix(net, go):
    results = go(net)
    before = (results.path / "run.json").read_bytes()
    answer = CliRunner().invoke(main, ["retry", str(results.path)])
    assert answer.exit_code == 2
    assert "the same call" in answer.output
    assert (results.path / "run.json").read_bytes() == before
    assert results.cells()["command"].str.startswith("frontdef.evaluate(").all()


def test_eval_mode_is_asked_of_hooks_and_precision(go):
    with pytest.raises(ModelError, match=r"half precision.*model\.float\(\)"):
        go(own_models.network().half())
    assert os.environ["FRONTDEF_CACHE"]
