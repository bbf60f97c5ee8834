"""A claim holds on the model that it is about, tells whoever has torch and numpy alone, and notices another one."""

from __future__ import annotations

import hashlib
import json
import re
import runpy
import shutil
import subprocess
import sys
import zipfile
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

import frontdef
from frontdef.claim.bundle import bundle
from frontdef.claim.read import read_claim
from frontdef.errors import ConfigError
from frontdef.registry import get_dataset
from frontdef.runs.results import load_results
from tests import own_models

N = 24

ALONE = ["frontdef", "art", "safetensors", "pandas", "scipy", "sklearn", "torchattacks", "foolbox"]


@pytest.fixture(scope="module")
def net():
    return own_models.trained()


@pytest.fixture(scope="module")
def theirs(net, tmp_path_factory):
    return own_models.write(tmp_path_factory.mktemp("theirs"), net)


@pytest.fixture(scope="module")
def results(net, tmp_path_factory):
    samples = get_dataset("digits").load("test").take(N, 0)
    attacks = [{"family": "pgd", "parameters": {"steps": 5}}, {"family": "deepfool", "norm": "l2", "eps": [1]}]
    return frontdef.evaluate(
        net, samples.images, samples.labels, eps=["2/255", "8/255", "40/255"], attacks=attacks, quiet=True,
        libraries=["native", "foolbox"], out=tmp_path_factory.mktemp("claim") / "run",
    )  # fmt: skip


@pytest.fixture
def claim(results, tmp_path):
    assert bundle(results, tmp_path / "claim.zip").lost == 0
    with zipfile.ZipFile(tmp_path / "claim.zip") as archive:
        archive.extractall(tmp_path / "claim")
    return tmp_path / "claim"


def words(claim, source, weights=None):
    """What is typed."""
    return [str(word) for word in (claim / "check.py", "--model", source, *(["--weights", weights] if weights else []))]


@pytest.fixture
def check(claim, theirs, monkeypatch, capsys):
    """Run the script of the archive; its exit code and what it printed."""

    def run(source="nets.py:build", weights="mine.pt"):
        typed = words(claim, theirs / source, weights and theirs / weights)
        monkeypatch.setattr(sys, "argv", typed)
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(typed[0], run_name="__main__")
        return ended.value.code, capsys.readouterr().out

    return run


def test_it_holds_and_is_the_worst_case_of_the_run_with_torch_and_numpy_alone(results, claim, theirs):
    script = f"import sys, runpy; sys.modules.update(dict.fromkeys({ALONE})); sys.argv = sys.argv[1:]; "
    script += "runpy.run_path(sys.argv[0], run_name='__main__')"
    typed = words(claim, theirs / "nets.py:build", theirs / "mine.pt")
    ended = subprocess.run([sys.executable, "-c", script, *typed], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    worst = results.worst()
    said = re.findall(r"(\w+) eps=(\S+): claimed (\S+) %, here at most (\S+) %: holds", ended.stdout)
    assert len(said) == len(worst) == 4
    for (norm, eps, claimed, scored), row in zip(said, worst.itertuples(), strict=True):
        assert (norm, float(eps)) == (row.norm, pytest.approx(row.eps, rel=1e-5))
        assert float(claimed) == float(scored) == pytest.approx(100 * row.robust, abs=0.01)
    assert worst["robust"].min() < worst["robust"].max()


def test_what_a_diagnosis_broke_stands_in_it_by_itself(results, tmp_path, theirs, monkeypatch, capsys):
    """Without the examples of the cells those of the diagnoses are left, and what fell to others is said to be lost."""
    run = load_results(shutil.copytree(results.path, tmp_path / "run"))
    for path in (run.path / "records").glob("*.safetensors"):
        path.unlink()
    claim = bundle(run, tmp_path / "claim.zip")
    evidence = run.evidence()
    assert not evidence.empty
    with zipfile.ZipFile(tmp_path / "claim.zip") as archive:
        archive.extractall(tmp_path / "claim")
    (row,) = json.loads((tmp_path / "claim" / "claim.json").read_text(encoding="utf-8"))["rows"]
    kept, worst = load_file(tmp_path / "claim" / row["file"]), run.worst()
    for norm in ("linf", "l2"):
        broke = set(evidence.loc[evidence["norm"] == norm, "sample_id"])
        assert set(kept["ids"][kept[f"{norm}.images"]].tolist()) == broke
    assert claim.lost == sum(
        round((threat["robust"] - left) * N) for threat, left in zip(row["threats"], worst["robust"], strict=True)
    )
    assert claim.lost > 0
    typed = words(tmp_path / "claim", theirs / "nets.py:build", theirs / "mine.pt")
    monkeypatch.setattr(sys, "argv", typed)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(typed[0], run_name="__main__")
    assert ended.value.code == 0, "each of them breaks its sample in float64, too"


def test_a_run_in_which_nothing_falls_claims_that_all_stand(net, tmp_path):
    samples = get_dataset("digits").load("test").take(N, 0)
    run = frontdef.evaluate(
        net, samples.images, net(samples.images).argmax(1), eps=1e-6, attacks=[{"family": "noise"}], quiet=True,
        libraries=["native"], diagnose=False, out=tmp_path / "run",
    )  # fmt: skip
    assert bundle(run, tmp_path / "claim.zip") == (1, 0, 0)
    (row,) = read_claim(tmp_path / "claim.zip").rows
    assert len(row.labels) == N


def test_the_script_is_as_short_as_is_said(claim):
    assert len((claim / "check.py").read_text(encoding="utf-8").splitlines()) < 150


def test_what_fools_one_model_need_not_fool_another(claim, theirs, check):
    """No example moves a constant model: what it is right about is left."""
    labels = load_file(claim / "0.safetensors")["labels"]
    constant = own_models.network()
    with torch.no_grad():
        constant[4].weight.zero_()
        constant[4].bias.copy_(torch.nn.functional.one_hot(labels[0], 10).float())
    torch.save(constant.state_dict(), theirs / "constant.pt")
    code, said = check(weights="constant.pt")
    assert code == 1
    assert "ANOTHER MODEL than the claim's" in said
    assert "holds" not in said, "0 % of a model that is right about nothing is no proof of anything"
    right = 100 * (labels == labels[0]).double().mean().item()
    assert [float(share) for share in re.findall(r"here at most (\S+) %", said)] == [pytest.approx(right, abs=0.01)] * 4


def test_a_model_that_withstands_the_examples_is_above_the_claim(claim, theirs, check):
    """One that looks up the nearest image; the exit code says so."""
    kept = load_file(claim / "0.safetensors")
    torch.save({"images": kept["images"], "labels": kept["labels"]}, theirs / "kept.pt")
    (theirs / "lookup.py").write_text(
        "import torch\n"
        "class Nearest(torch.nn.Module):\n"
        "    def forward(self, x):\n"
        "        near = torch.cdist(x.flatten(1), self.images.flatten(1)).argmin(1)\n"
        "        return torch.nn.functional.one_hot(self.labels[near], 10).double()\n"
        "def build():\n"
        "    net = Nearest()\n"
        f"    kept = torch.load({str(theirs / 'kept.pt')!r})\n"
        "    net.images, net.labels = kept['images'].double(), kept['labels']\n"
        "    return net\n",
        encoding="utf-8",
    )
    code, said = check("lookup.py:build", None)
    assert code == 1
    assert "ABOVE WHAT IS CLAIMED" in said


def test_a_changed_file_is_refused(claim, check):
    path = claim / "0.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert "its sha256 is another" in check()[0]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda images, examples: images + (examples - images) * 1000,
        lambda images, examples: examples * float("nan"),
        lambda images, examples: images,
    ],
    ids=["far away", "NaN", "the image itself"],
)
def test_an_example_that_is_none_counts_for_nothing(claim, check, spoil):
    """An archive that was made stronger by hand proves no more than what its examples show."""
    path = claim / "0.safetensors"
    kept = load_file(path)
    kept["linf.examples"] = spoil(kept["images"][kept["linf.images"]], kept["linf.examples"])
    save_file(kept, path)
    about = json.loads((claim / "claim.json").read_text(encoding="utf-8"))
    about["rows"][0]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (claim / "claim.json").write_text(json.dumps(about), encoding="utf-8")
    code, said = check()
    clean = re.search(r"(\S+) % right without attack", said)[1]
    assert re.findall(r"linf .* here at most (\S+) %", said) == [clean] * 3
    assert code == 1


def test_the_same_run_gives_the_same_archive(results, tmp_path):
    for name in ("a.zip", "b.zip"):
        bundle(results, tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_a_study_makes_no_claim(tmp_path):
    study = SimpleNamespace(head=SimpleNamespace(kind="study"), path="runs/layers")
    with pytest.raises(ConfigError, match="runs/layers is a study"):
        bundle(study, tmp_path / "claim.zip")
