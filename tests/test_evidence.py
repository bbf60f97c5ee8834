"""What the attacks of a diagnosis break counts in the worst case of the same run."""

from __future__ import annotations

import io

import pytest
import torch
from rich.console import Console
from torch import nn

import frontdef
from frontdef.checks.masking import diagnose
from frontdef.cli.tables import print_results
from frontdef.registry import get_dataset
from tests import own_models
from tests.quiet import run_matrix

MATRIX = """
name = "evidence"
samples = 40
classifiers = ["fc2"]
libraries = ["native"]
recipe = [{ epochs = 8, lr = 0.01 }]
diagnose = ["linf"]
diagnose_samples = 24
[[attack]]
family = "noise"
eps = [0.1, 0.2]
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    out = tmp_path_factory.mktemp("evidence") / "run"
    _, summary = run_matrix(MATRIX, out)
    assert not summary.failed
    return frontdef.load_results(out)


def test_it_lowers_the_worst_case_from_its_radius_on(results):
    (diagnosis,) = results.diagnoses()
    evidence, cells = results.evidence(), results.cells().set_index("eps")["robust_accuracy"]
    by_eps = {bracket.eps: bracket for bracket in results.brackets()}
    assert set(evidence["eps"]) == {diagnosis["eps"]}
    for eps, bracket in by_eps.items():
        assert (bracket.worst_case < cells[eps] - 0.1) == (eps >= diagnosis["eps"])
    assert by_eps[0.2].strongest.library == "diagnosis"


def test_it_is_of_samples_of_the_diagnosis_that_are_right_without_attack(results):
    (diagnosis,) = results.diagnoses()
    records = results.records().drop_duplicates("sample_id").set_index("sample_id")
    fell = results.evidence()["sample_id"].unique()
    assert records.loc[fell, "clean_correct"].all()
    assert set(fell) <= set(results.samples("digits")["ids"][:24].tolist())
    broken_by_white_box = results.evidence().query("attack == 'white box'")["sample_id"].nunique()
    assert broken_by_white_box == diagnosis["n_attacked"] - diagnosis["n_survived"]


def test_terminal_python_and_report_say_the_same(results):
    worst = results.worst().set_index("eps")["robust"]
    assert worst.to_dict() == {bracket.eps: bracket.worst_case for bracket in results.brackets()}
    console = Console(file=io.StringIO(), width=200)
    print_results(console, results)
    assert all(f"{100 * share:.1f} (" in console.file.getvalue() for share in worst)
    page = results.report().read_text(encoding="utf-8")
    assert all(f'data-v="{share}"' in page for share in worst)


class PartlySharp(nn.Module):
    """A network whose logits near every twelfth image are so large that the cross-entropy is flat there."""

    def __init__(self, images):
        super().__init__()
        self.net = own_models.trained()
        self.register_buffer("known", images.flatten(1))

    def forward(self, x):
        sharp = torch.cdist(x.flatten(1), self.known).argmin(1) % 12 == 0
        return self.net(x) * torch.where(sharp, 1e4, 1.0)[:, None]


def test_what_later_looks_broke_counts_beside_what_the_first_broke(tmp_path):
    test = get_dataset("digits").load("test").first(160)
    attacks = [{"family": "noise"}]
    results = frontdef.evaluate(
        PartlySharp(test.images), test.images, test.labels, eps=0.15, attacks=attacks, out=tmp_path / "run", quiet=True
    )
    (diagnosis,) = results.diagnoses()
    assert len(diagnosis["looks"]) > 1, "the diagnosis was decided at its first look: choose a model that is not"
    broke = results.evidence().groupby("attack")["sample_id"].agg(["nunique", "size"])
    white_box = broke.loc["white box"]
    assert white_box["nunique"] == white_box["size"] == diagnosis["n_attacked"] - diagnosis["n_survived"]
    for attempt in diagnosis["attempts"]:
        if attempt["name"] in {"one step", "random search", "targets"}:
            assert broke["nunique"].get(attempt["name"], 0) == attempt["broken"]


class PartlyDark(nn.Module):
    """A network that gives no gradient on the brightest images: one in twelve."""

    def __init__(self, images):
        super().__init__()
        self.net = own_models.trained()
        self.register_buffer("bright", images.mean((1, 2, 3)).quantile(11 / 12))

    def forward(self, x):
        logits = self.net(x)
        return torch.where((x.mean((1, 2, 3)) > self.bright)[:, None], logits.detach(), logits)


def test_no_sample_is_added_to_a_proof():
    test = get_dataset("digits").load("test").first(160)
    dark = frontdef.protect(PartlyDark(test.images), image_shape=(1, 28, 28))
    diagnosis = diagnose(dark, test.images, test.labels, frontdef.ThreatModel("linf", 0.15), first=64)
    assert diagnosis.verdict == "masked"
    assert any(finding.undecided for finding in diagnosis.findings), "all was decided: choose a model that is not"
    assert diagnosis.looks == (64,)
