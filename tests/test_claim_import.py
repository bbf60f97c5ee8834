"""Somebody's examples count in a run as far as its own model and its own rule say, and a hostile archive is refused."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.numpy import load, save

import frontdef
from frontdef.claim.bundle import bundle
from frontdef.claim.read import read_claim
from frontdef.cli import main
from frontdef.errors import ConfigError, StoreError
from frontdef.registry import get_dataset
from frontdef.testing import Readme
from tests import own_models

MATRIX = """
name = "{name}"
samples = 16
datasets = ["digits"]
libraries = ["native"]
[[model]]
name = "mine"
source = "nets.py:build"
weights = "mine.pt"
[[defense]]
name = "none"
[[attack]]
family = "{family}"
eps = [{eps}]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return own_models.write(tmp_path_factory.mktemp("theirs"), own_models.trained())


def frontdef_(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def run(folder, out, name, family, eps):
    path = folder / f"{name}.toml"
    path.write_text(MATRIX.format(name=name, family=family, eps=eps), encoding="utf-8")
    answer = frontdef_("run", path, "--out", out)
    assert answer.exit_code == 0, answer.output
    return path


@pytest.fixture(scope="module")
def weak(folder, tmp_path_factory):
    """Noise breaks next to nothing."""
    out = tmp_path_factory.mktemp("weak") / "run"
    return run(folder, out, "weak", "noise", '"8/255", "24/255"'), out


@pytest.fixture(scope="module")
def strong(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("strong") / "run"
    run(folder, out, "strong", "pgd", '"8/255", "24/255"')
    return frontdef.load_results(out)


@pytest.fixture(scope="module")
def claim(strong, tmp_path_factory):
    path = tmp_path_factory.mktemp("claim") / "claim.zip"
    assert bundle(strong, path).examples > 3
    return path


@pytest.fixture
def own(weak, tmp_path):
    return shutil.copytree(weak[1], tmp_path / "run")


def worst(path):
    table = frontdef.load_results(path).worst()
    return dict(zip(table["eps"].round(4), table["robust"], strict=True)), table


def test_it_lowers_the_worst_case_to_that_of_both(own, weak, strong, claim):
    before, theirs = worst(own)[0], worst(strong.path)[0]
    answer = frontdef_("bundle", "--import", claim, "--into", own, "--by", "a reviewer")
    assert answer.exit_code == 0, answer.output
    assert "said to be of linf" in answer.output
    after, table = worst(own)
    assert all(after[eps] <= min(before[eps], theirs[eps]) for eps in after)
    assert after != before
    assert set(table["strongest"]) == {"imported linf @ a reviewer"}
    again = frontdef_("run", weak[0], "--out", own)
    assert again.exit_code == 0, again.output
    assert worst(own)[0] == after, "the same matrix, run again, keeps what was brought in"
    results = frontdef.load_results(own)
    assert results.report().stat().st_size > 10_000
    assert all(len(frame) for frame in results.summary({"cells", "worst"}).values())
    assert frontdef_("verify", own).exit_code == 0


def rewritten(claim, path, change=lambda head, files: None, compression=zipfile.ZIP_DEFLATED):
    """The claim with another content, its checksums made right again."""
    with zipfile.ZipFile(claim) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    head = json.loads(files.pop("claim.json"))
    change(head, files)
    for row in head.get("rows", ()):
        row["sha256"] = hashlib.sha256(files.get(row["file"], b"")).hexdigest()
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in {"claim.json": json.dumps(head).encode(), **files}.items():
            archive.writestr(name, data)
    return path


def edited(edit):
    """A change of the tensors of the first row."""

    def change(head, files):
        tensors = dict(load(files["0.safetensors"]))
        edit(tensors)
        files["0.safetensors"] = save({name: np.ascontiguousarray(values) for name, values in tensors.items()})

    return change


def farther(tensors):
    tensors["linf.examples"] = np.full_like(tensors["linf.examples"], 0.5)


def not_finite(tensors):
    tensors["linf.examples"] = np.full_like(tensors["linf.examples"], np.nan)


def outside(tensors):
    tensors["linf.examples"] = tensors["linf.examples"] + 2


@pytest.mark.parametrize("edit", [farther, not_finite, outside])
def test_what_leaves_the_threat_model_lowers_nothing(own, claim, tmp_path, edit):
    before = worst(own)[0]
    answer = frontdef_("bundle", "--import", rewritten(claim, tmp_path / "lie.zip", edited(edit)), "--into", own)
    assert answer.exit_code == 0, answer.output
    assert "no worst case is lower" in answer.output
    assert worst(own)[0] == before


def test_images_that_the_run_has_not_are_told_of(own, claim, tmp_path):
    def others(tensors):
        tensors["images"] = 1 - tensors["images"]

    answer = frontdef_("bundle", "--import", rewritten(claim, tmp_path / "other.zip", edited(others)), "--into", own)
    assert answer.exit_code == 2
    assert "has no example of an image" in answer.output


def bomb(head, files):
    files["0.safetensors"] = bytes(4 << 20)


def elsewhere(head, files):
    head["rows"][0]["file"] = "../../etc/passwd"


def absent(head, files):
    del files["0.safetensors"]


def text(head, files):
    files["0.safetensors"] = b"cos\nsystem\n(S'echo'\ntR."


def headless(head, files):
    del head["rows"]


def places(tensors):
    tensors["linf.images"] = tensors["linf.images"] + 10**6


def shapes(tensors):
    tensors["linf.examples"] = tensors["linf.examples"][:, :, :3]


def types(tensors):
    tensors["images"] = tensors["images"].astype(np.float64)


@pytest.mark.parametrize(
    "change",
    [elsewhere, absent, text, headless, *map(edited, (places, shapes, types))],
    ids=lambda change: change.__name__,
)
def test_what_is_no_claim_is_refused_with_our_own_error(claim, tmp_path, change):
    with pytest.raises(StoreError, match="is no claim that can be read"):
        read_claim(rewritten(claim, tmp_path / "bad.zip", change))


def test_what_unpacks_to_more_than_any_claim_is_not_unpacked(claim, tmp_path, monkeypatch):
    path = rewritten(claim, tmp_path / "bomb.zip", bomb)
    assert path.stat().st_size < 1 << 20
    monkeypatch.setattr("frontdef.claim.read.LARGEST_ROW", 2 << 20)
    with pytest.raises(StoreError, match="unpacks to more than 2 MiB"):
        read_claim(path)


def test_many_rows_of_one_file_are_not_unpacked_each_anew(claim, tmp_path, monkeypatch):
    def repeated(head, files):
        head["rows"] = head["rows"] * 100

    path = rewritten(claim, tmp_path / "many.zip", repeated)
    (row,) = read_claim(claim).rows
    monkeypatch.setattr("frontdef.claim.read.LARGEST", 10 * row.images.nbytes + (1 << 20))
    with pytest.raises(StoreError, match="of its rows unpack to more than"):
        read_claim(path)


def test_another_compression_an_encrypted_file_and_a_changed_one_are_refused(claim, tmp_path):
    with pytest.raises(StoreError, match="neither stored nor deflated"):
        read_claim(rewritten(claim, tmp_path / "lzma.zip", compression=zipfile.ZIP_LZMA))
    data = bytearray(claim.read_bytes())
    for mark, place in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        start = 0
        while (start := data.find(mark, start)) >= 0:
            data[start + place] |= 1
            start += 4
    (tmp_path / "locked.zip").write_bytes(data)
    with pytest.raises(StoreError, match="no claim that can be read"):
        read_claim(tmp_path / "locked.zip")
    (tmp_path / "pipe").mkdir()
    with pytest.raises(StoreError, match="a folder"):
        read_claim(tmp_path / "pipe")


@pytest.mark.parametrize("seed", range(4))
def test_bytes_spoiled_by_chance_are_read_or_refused(claim, tmp_path, seed):
    random, data = np.random.default_rng(seed), claim.read_bytes()
    for number in range(25):
        spoiled = bytearray(data)
        for place in random.integers(0, len(data), random.integers(1, 8)):
            spoiled[place] = random.integers(256)
        path = tmp_path / f"{number}.zip"
        path.write_bytes(spoiled[: random.integers(1, len(data))] if random.random() < 0.2 else spoiled)
        with contextlib.suppress(StoreError):  # anything else is a fault of ours
            assert read_claim(path).rows


# A run of live objects: the model is given with the claim, the samples are those that the run kept.

RADII = {"eps": ["8/255", "24/255"], "libraries": ["native"], "quiet": True}
FRONT_ENDS = {"defenses": ["none", ("art-feature-squeezing", {"bit_depth": 5})], "diagnose": False}


@pytest.fixture(scope="module")
def net():
    return own_models.trained()


@pytest.fixture(scope="module")
def samples():
    return get_dataset("digits").load("test").take(16, 0)


@pytest.fixture(scope="module")
def live_claim(net, samples, tmp_path_factory):
    folder = tmp_path_factory.mktemp("live")
    attacks = [{"family": "pgd", "parameters": {"steps": 5}}]
    run = frontdef.evaluate(
        net, samples.images, samples.labels, attacks=attacks, out=folder / "run", **RADII, **FRONT_ENDS
    )
    assert bundle(run, folder / "claim.zip").examples > 3
    return folder / "claim.zip"


@pytest.fixture
def evaluated(net, samples, tmp_path):
    """A run by noise, of a model and samples that a test may choose."""

    def run(model=net, images=samples.images, labels=samples.labels, family="noise", out="live", **options):
        attacks = [{"family": family}]
        return frontdef.evaluate(
            model, images, labels, attacks=attacks, out=tmp_path / out, **{**RADII, **FRONT_ENDS, **options}
        )

    return run


def left(results):
    table = results.worst()
    return dict(zip(zip(table["defense"], table["eps"].round(4), strict=True), table["robust"], strict=True))


def test_a_live_run_takes_it_with_the_object_and_keeps_it(evaluated, live_claim, net, samples):
    before, mode = left(evaluated()), net.train().training
    after = frontdef.import_claim(live_claim, evaluated(), net, by="a reviewer")
    assert len(after.worst()) == len(before) == 4
    assert all(left(after)[row] <= before[row] for row in before)
    assert left(after)["none", 0.0941] < before["none", 0.0941]
    lowered = after.worst()[after.worst()["robust"] < list(before.values())]
    assert set(lowered["strongest"]) == {"imported linf @ a reviewer"}
    assert net.training is mode
    assert all(parameter.requires_grad for parameter in net.parameters())
    again = evaluated()
    assert left(again) == left(after), "the same call keeps what was brought in"
    other = evaluated(family="fgsm")
    assert all(left(other)[row] <= left(after)[row] for row in before), "and so does one with other attacks"
    assert after.report().stat().st_size > 10_000


def test_a_function_and_a_protected_model_take_it_too(evaluated, live_claim, net):
    for number, model in enumerate((frontdef.protect(net, "none"), lambda x: net(x))):
        run = evaluated(model, out=f"run-{number}", defenses=["none"])
        after = frontdef.import_claim(live_claim, run.path, model, row="none")
        assert left(after)["none", 0.0941] < left(run)["none", 0.0941]


def test_another_model_is_refused_and_nothing_is_changed(evaluated, live_claim, net):
    run = evaluated()
    head = (run.path / "run.json").read_bytes()
    for model, options in ((own_models.network(), {}), (net, {"normalize": {"mean": [0.5], "std": [0.5]}})):
        with pytest.raises(frontdef.ModelError, match=r"not the one that .* is of.*normalize"):
            frontdef.import_claim(live_claim, run, model, **options)
    with pytest.raises(ConfigError, match=r"frontdef\.import_claim\("):
        frontdef.import_claim(live_claim, run)
    assert (run.path / "run.json").read_bytes() == head


def test_other_images_and_other_labels_are_refused(evaluated, live_claim, net, samples):
    for number, options in enumerate(({"images": 1 - samples.images}, {"labels": (samples.labels + 1) % 10})):
        run = evaluated(out=f"run-{number}", **options)
        with pytest.raises(ConfigError, match=r"no example of an image of .* under the same label"):
            frontdef.import_claim(live_claim, run, net)


def test_what_was_judged_by_another_model_or_on_other_images_counts_no_more(
    evaluated, live_claim, net, samples, capsys
):
    """The same folder, and another model: its worst case is that of a folder of its own."""
    changed = copy.deepcopy(net)
    with torch.no_grad():
        changed[4].bias += 1 - torch.nn.functional.one_hot(torch.tensor(0), 10)
    half = {"images": torch.cat([samples.images[:8], 1 - samples.images[8:]])}  # a model is known by its first images
    for number, options in enumerate(({"model": changed}, half)):
        run = evaluated(out=f"run-{number}")
        frontdef.import_claim(live_claim, run, net)
        assert left(evaluated(out=f"run-{number}", **options, quiet=False)) == left(evaluated(out="own", **options))
        assert "import them again" in capsys.readouterr().err


def test_a_run_of_files_takes_no_object_and_one_of_other_code_is_repeated_first(own, claim, net, monkeypatch):
    with pytest.raises(ConfigError, match="leave it out"):
        frontdef.import_claim(claim, own, net)
    before = worst(own)[0]
    with monkeypatch.context() as other:
        other.setattr("frontdef.matrix.row.computing", lambda *modules: ("other code",))
        with pytest.raises(ConfigError, match=r"was not made by what is here now.*Repeat it, frontdef run"):
            frontdef.import_claim(claim, own)
    assert worst(own)[0] == before
    assert left(frontdef.import_claim(claim, own, by="a reviewer")) != {
        ("none", eps): share for eps, share in before.items()
    }


def test_the_call_of_the_docs_runs_as_it_stands(evaluated, live_claim, net, tmp_path, monkeypatch):
    run = evaluated(out="runs/mine")
    shutil.copy(live_claim, tmp_path / "claim.zip")
    monkeypatch.chdir(tmp_path)
    page = Path(__file__).parent.parent / "docs" / "claim.md"
    names = Readme(page).run(frontdef=frontdef, net=net)
    assert left(names["results"])["none", 0.0941] < left(run)["none", 0.0941]
