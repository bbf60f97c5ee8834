"""Usual mistakes, each told in one line that names the mend."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from click.testing import CliRunner
from torch import nn

from frontdef.checks.masking import diagnose
from frontdef.cli import main
from frontdef.errors import ConfigError, UnknownNameError
from frontdef.matrix.entries import packaged
from frontdef.registry import get_dataset
from frontdef.registry.catalog import Catalog
from frontdef.registry.kinds import DEFENSES, LOGGERS
from frontdef.threat import ThreatModel
from frontdef.toml import parse_toml

STUDY = resources.files("frontdef.analysis").joinpath("digits.toml").read_text()
PLUGINS = Path(__file__).resolve().parents[1] / "plugins"


def asked(*arguments):
    ended = CliRunner().invoke(main, list(arguments))
    return ended.exit_code, ended.output


def test_a_value_that_is_not_allowed_is_no_failure_of_every_property():
    code, told = asked("check", "art-jpeg", "quality=2000")
    assert code == 2
    assert len(told.splitlines()) == 1
    assert "quality = 2000" in told


def test_a_name_in_other_letters_is_recognized():
    with pytest.raises(UnknownNameError, match="Did you mean 'art'"):
        raise UnknownNameError("attack library", "ART", ["art", "foolbox"])
    with pytest.raises(UnknownNameError, match="Did you mean 'PGD'"):
        raise UnknownNameError("name", "pgd", ["PGD", "FGSM"])


def test_of_many_names_the_nearest_are_listed_and_of_few_all():
    many = [f"resnet{number}" for number in range(2000)] + ["vit"]
    told = str(UnknownNameError("model", "vitt", many, "`frontdef ls models` lists them."))
    assert len(told) < 300
    assert "Known: vit, " in told
    assert told.endswith("and 1,996 more. `frontdef ls models` lists them.")
    few = ["linf", "l2", "l1", "l0"]
    assert "Known: l0, l1, l2, linf." in str(UnknownNameError("norm", "l3", few))


@pytest.mark.parametrize("value", ["8/255", "[1/255, 8/255]", "8/255  # usual"])
def test_a_fraction_without_quotes_is_said_to_be_a_text(value):
    with pytest.raises(ConfigError, match=r"write \d/255 as '\d/255', in quotes"):
        parse_toml(f'[[attack]]\nfamily = "pgd"\neps = {value}\n', "m.toml")


def test_a_path_or_a_quoted_fraction_is_not_taken_for_one():
    with pytest.raises(ConfigError) as caught:
        parse_toml('eps = "8/255"\npath = a/b/c\n', "m.toml")
    assert "fraction" not in str(caught.value)


def test_an_unknown_data_set_says_how_own_data_is_named():
    with pytest.raises(UnknownNameError, match="imagefolder:PATH"):
        get_dataset("imagenet")


def test_a_bare_module_is_no_protected_model():
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    with pytest.raises(ConfigError, match=r"got Sequential. Mend: frontdef.protect"):
        diagnose(net, torch.rand(12, 1, 8, 8), torch.zeros(12).long(), ThreatModel("linf", 0.1))


def test_the_plugins_that_can_be_installed_are_those_of_this_project():
    bring = {path.name.removeprefix("frontdef-") for path in PLUGINS.iterdir()} - {"advlib", "corruptions", "zoo"}
    assert sorted(bring) == sorted((*DEFENSES.published, *LOGGERS.published))


def test_training_says_how_good_the_model_is_and_warns_at_chance(tmp_path, monkeypatch):
    monkeypatch.setenv("FRONTDEF_CACHE", str(tmp_path / "cache"))
    arguments = ["train", "none", "--classifier", "fc2", "--train-samples", "20", "--stage", "epochs=1 lr=1e-9"]
    code, told = asked(*arguments, "--out", str(tmp_path / "w.safetensors"))
    assert code == 0, told
    assert "test accuracy" in told
    assert "warning: one answer for everything gets" in told


@pytest.mark.parametrize(
    ("kind", "name", "plugin"),
    [(DEFENSES, "wavelet", "wavelet"), (DEFENSES, "sparsecode-fixed", "sparsecode"), (LOGGERS, "mlflow", "mlflow")],
)
def test_what_comes_with_a_plugin_that_is_not_installed_says_what_to_install(kind, name, plugin):
    bare = SimpleNamespace(statuses=())
    assert f"pip install frontdef-{plugin}." in Catalog._advice(bare, kind, name)
    assert "pip install" not in Catalog._advice(bare, DEFENSES, "wavelt")


@pytest.mark.parametrize(("command", "other", "file"), [("run", "analyze", "study"), ("analyze", "run", "matrix")])
def test_a_file_of_another_command_names_that_command(command, other, file, tmp_path):
    path = tmp_path / f"{file}.toml"
    path.write_text(STUDY if file == "study" else packaged())
    code, told = asked(command, str(path))
    assert code == 2
    assert f"frontdef {other} {path}" in told.replace("\n", " ")


def test_a_file_that_both_take_is_planned_as_it_is_run(tmp_path):
    path = tmp_path / "both.toml"
    path.write_text('name = "both"\nsamples = 5\n')
    code, told = asked("plan", str(path), "--out", str(tmp_path / "run"), "--defense", "none", "--library", "native")
    assert code == 0
    assert "small-cnn" in told, "the classifier that a matrix has where it names none; a study has another"


def test_a_plan_of_a_study_lists_its_jobs(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(f'what = ["partial"]\n{STUDY}[partial]\ncodes = ["A1N2"]\ncuts = [1]\n')
    code, told = asked("plan", str(path), "--out", str(tmp_path / "run"))
    assert code == 0
    assert "partial A1N2" in told
    code, told = asked("plan", str(path), "--samples", "3")
    assert code == 2
    assert "frontdef analyze" in told
