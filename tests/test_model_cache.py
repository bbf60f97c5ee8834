"""The cache of trained models: never trained twice, keyed by all that decides the weights, and honest about damage."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import resource
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from frontdef import code
from frontdef.config import Config, field
from frontdef.defense import Defense
from frontdef.errors import ConfigError, StoreError
from frontdef.frontend import FrontEnd
from frontdef.models import cache, fingerprint, request
from frontdef.models.cache import ModelCache
from frontdef.models.request import ModelRequest
from frontdef.stage import Stage

REQUEST = ModelRequest("digits", "fc2", "none", {}, (Stage(epochs=2, lr=1e-2),), 150, 0)


class Counter:
    """Counts epochs."""

    def __init__(self) -> None:
        self.epochs = 0

    def __call__(self, *_) -> None:
        self.epochs += 1


@pytest.fixture
def models_at(tmp_path):
    return ModelCache(tmp_path / "models")


def write_images(folder: Path) -> None:
    """Two classes of two gray images of 8x8."""
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        for i in range(2):
            Image.fromarray(np.full((8, 8), 40 * i, np.uint8)).save(folder / name / f"{i}.png")


def equal(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


class TestReuse:
    def test_trained_once_and_read_afterwards(self, models_at):
        count = Counter()
        first = models_at.get_or_train(REQUEST, progress=count)
        assert (count.epochs, models_at.has(REQUEST)) == (2, True)
        path = models_at.path(REQUEST)
        written = path.stat().st_mtime_ns
        second = ModelCache(models_at.root).get_or_train(REQUEST, progress=count)
        assert (count.epochs, path.stat().st_mtime_ns) == (2, written)
        assert equal(first.classifier, second.classifier)
        x = torch.rand(4, 1, 28, 28)
        assert torch.equal(first.classifier(first.front_end(x)), second.classifier(second.front_end(x)))
        assert not second.classifier.training
        assert json.loads(json.dumps(first.about)).items() <= second.about.items()

    def test_the_weights_are_those_of_any_other_training(self, tmp_path):
        first, second = (ModelCache(tmp_path / name).get_or_train(REQUEST) for name in "ab")
        assert equal(first.classifier, second.classifier)

    def test_two_at_once_train_once(self, models_at):
        counts = [Counter(), Counter()]
        threads = [
            threading.Thread(target=lambda c=count: ModelCache(models_at.root).get_or_train(REQUEST, progress=c))
            for count in counts
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(count.epochs for count in counts) == [0, 2]

    def test_the_classifier_normalizes_by_what_the_front_end_puts_out(self, models_at):
        from frontdef.datasets import parse

        model = models_at.get_or_train(REQUEST)
        images = parse("digits").load("train").take(150, 0).images.double()
        assert float(model.classifier.mean) == pytest.approx(float(images.mean()), rel=1e-6)
        assert float(model.classifier.std) == pytest.approx(float(images.std(correction=0)), rel=1e-6)

    def test_what_a_front_end_learned_is_stored(self, models_at, monkeypatch):
        class ScaleConfig(Config):
            power: float = field(1.0, description="power of the mean")

        class Scale(FrontEnd[ScaleConfig]):
            def __init__(self, *args, **kwargs):
                super().__init__(*args, **kwargs)
                self.register_buffer("scale", torch.ones(()))

            def fit(self, images):
                self.scale.fill_(images.mean() ** self.config.power)

            def forward(self, x):
                return x * self.scale

        defense = Defense("scale", Scale, ScaleConfig)
        entry = SimpleNamespace(name="scale", plugin=SimpleNamespace(pin="frontdef==0", distribution="frontdef"))
        for module in (cache, cache.saved, request):
            monkeypatch.setattr(module, "get_defense", lambda _: defense)
        monkeypatch.setattr(request, "defense_entries", lambda: [entry])
        wanted = dataclasses.replace(REQUEST, defense="scale", config={"power": 0.5})
        first, second = models_at.get_or_train(wanted), models_at.get_or_train(wanted)
        assert 0.1 < float(first.front_end.scale) < 0.9
        assert torch.equal(first.front_end.scale, second.front_end.scale)
        assert float(first.classifier.mean) == pytest.approx(float(first.front_end.scale) ** 3, rel=1e-4)


class TestKey:
    @pytest.mark.parametrize(
        "change",
        [
            {"dataset": "mnist"},
            {"classifier": "cnn4"},
            {"config": {"x": 1}},
            {"recipe": (Stage(epochs=3, lr=1e-2),)},
            {"recipe": (Stage(epochs=2, lr=1e-2, adversarial="linf", eps=0.1),)},
            {"train_samples": 151},
            {"train_samples": None},
            {"seed": 1},
        ],
        ids=str,
    )
    def test_every_part_of_the_request_counts(self, change):
        assert dataclasses.replace(REQUEST, **change).key() != REQUEST.key()

    def test_the_code_and_its_versions_count(self, monkeypatch):
        def fresh() -> str:
            return dataclasses.replace(REQUEST).key()

        keys = {REQUEST.key(), fresh()}
        assert len(keys) == 1
        with monkeypatch.context() as patch:
            patch.setattr(request, "computing", lambda *modules: "edited")
            keys.add(fresh())
        with monkeypatch.context() as patch:
            patch.setattr(request, "version_of", lambda name: "0.0")
            keys.add(fresh())
        with monkeypatch.context() as patch:
            patch.setattr(request, "code_of", lambda reference: "edited")
            keys.add(fresh())
        assert len(keys) == 4

    def test_is_the_same_in_every_process(self):
        code = (
            "from frontdef.models.request import ModelRequest\n"
            "from frontdef.stage import Stage\n"
            "print(ModelRequest('digits', 'fc2', 'none', {}, (Stage(epochs=2, lr=1e-2),), 150, 0).key())"
        )
        environment = {**os.environ, "PYTHONHASHSEED": "123"}
        assert (
            subprocess.check_output([sys.executable, "-c", code], text=True, env=environment).strip() == REQUEST.key()
        )

    def test_follows_the_images_of_a_folder(self, tmp_path):
        write_images(tmp_path)
        request = dataclasses.replace(REQUEST, dataset=f"imagefolder:{tmp_path}", train_samples=None)
        before = request.key()
        Image.fromarray(np.full((8, 8), 99, np.uint8)).save(tmp_path / "a" / "1.png")
        assert dataclasses.replace(request).key() != before

    def test_the_surrogate_of_an_attack_is_no_part_of_it(self):
        assert "surrogate" not in {part.name for part in dataclasses.fields(ModelRequest)}
        assert "surrogate" not in json.dumps(REQUEST.describe())


class TestFingerprint:
    def test_follows_every_source_file_of_a_plugin(self, tmp_path, monkeypatch):
        package = tmp_path / "frontdef_made_up"
        package.mkdir()
        (package / "__init__.py").write_text("raise RuntimeError('imported')")
        (package / "inner.py").write_text("a = 1")
        monkeypatch.syspath_prepend(tmp_path)
        hashes = [fingerprint.code_of("frontdef_made_up.inner:X")]
        for name, text in (("inner.py", "a = 2"), ("other.py", "")):
            (package / name).write_text(text)
            importlib.invalidate_caches()
            code.clear()
            hashes.append(fingerprint.code_of("frontdef_made_up.inner:X"))
        assert len({*hashes, ""}) == 4

    def test_of_frontdef_itself_counts_the_module_alone(self):
        assert fingerprint.code_of("frontdef.frontend:Identity") != fingerprint.code_of("frontdef.classifiers.cnn:cnn4")

    def test_is_empty_where_there_is_no_source(self):
        assert fingerprint.code_of("no_such_package:X") == fingerprint.code_of(3) == ""

    def test_versions_of_what_a_plugin_requires(self):
        versions = fingerprint.requirements_of("torchattacks")
        assert versions["torch"] == importlib.metadata.version("torch")
        assert fingerprint.requirements_of("frontdef") == fingerprint.requirements_of("no-such-distribution") == {}


class TestDamage:
    def test_a_flipped_bit_is_named_and_other_models_are_still_read(self, models_at):
        reseeded = dataclasses.replace(REQUEST, seed=1)
        trained, count = [models_at.get_or_train(request) for request in (REQUEST, reseeded)], Counter()
        path = models_at.path(REQUEST)
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
        with pytest.raises(StoreError, match=rf"{path.name} and its sidecar were not written together.*delete both"):
            models_at.get_or_train(REQUEST, progress=count)
        assert equal(models_at.get_or_train(reseeded, progress=count).classifier, trained[1].classifier)
        assert count.epochs == 0

    def test_the_mend_works(self, models_at):
        first = models_at.get_or_train(REQUEST)
        path = models_at.path(REQUEST)
        path.write_bytes(b"cut")
        with pytest.raises(StoreError):
            models_at.get_or_train(REQUEST)
        path.unlink()
        path.with_suffix(".json").unlink()
        assert equal(models_at.get_or_train(REQUEST).classifier, first.classifier)

    @pytest.mark.parametrize("sidecar", ["", "{", '{"sha256": "0"}'])
    def test_a_damaged_sidecar(self, models_at, sidecar):
        models_at.get_or_train(REQUEST)
        models_at.path(REQUEST).with_suffix(".json").write_text(sidecar)
        with pytest.raises(StoreError, match="sidecar"):
            models_at.get_or_train(REQUEST)

    def test_a_run_killed_between_the_two_files_trains_again(self, models_at):
        models_at.get_or_train(REQUEST)
        models_at.path(REQUEST).with_suffix(".json").unlink()
        count = Counter()
        assert not models_at.has(REQUEST)
        models_at.get_or_train(REQUEST, progress=count)
        assert count.epochs == 2

    def test_weights_of_another_classifier(self, models_at):
        models_at.get_or_train(REQUEST)
        cnn4_request = dataclasses.replace(REQUEST, classifier="cnn4")
        for suffix in (".safetensors", ".json"):
            models_at.path(REQUEST).with_suffix(suffix).rename(models_at.path(cnn4_request).with_suffix(suffix))
        with pytest.raises(StoreError, match=r"another model than 'none' with 'cnn4'.*Delete it"):
            models_at.get_or_train(cnn4_request)


class TestUnwritable:
    def test_is_found_out_before_anything_is_trained(self, tmp_path):
        """A file where the folder should be: this fails for every user, root included."""
        (tmp_path / "file").write_text("")
        count = Counter()
        with pytest.raises(
            StoreError, match=r"can't be written: .*choose another folder with FRONTDEF_CACHE or --cache"
        ):
            ModelCache(tmp_path / "file" / "models").get_or_train(REQUEST, progress=count)
        assert count.epochs == 0

    @pytest.mark.skipif(os.geteuid() == 0, reason="root ignores permissions")
    def test_read_only_folder(self, models_at):
        models_at.get_or_train(REQUEST)
        models_at.root.chmod(0o500)
        try:
            models_at.get_or_train(REQUEST)
            with pytest.raises(StoreError, match="FRONTDEF_CACHE"):
                models_at.get_or_train(dataclasses.replace(REQUEST, seed=1))
        finally:
            models_at.root.chmod(0o700)

    def test_reading_writes_nothing(self, models_at):
        models_at.get_or_train(REQUEST)
        for lock in models_at.root.glob("*.lock"):
            lock.unlink()
        before = sorted((file.name, file.stat().st_mtime_ns) for file in models_at.root.iterdir())
        models_at.get_or_train(REQUEST)
        assert sorted((file.name, file.stat().st_mtime_ns) for file in models_at.root.iterdir()) == before

    def test_a_disk_that_is_full_at_the_end_leaves_no_half_model(self, models_at):
        """The size limit of files stands in for the full disk: the write of the weights fails for real."""
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

        def fill(epoch: int, epochs: int, *_: float) -> None:
            if epoch == epochs:
                resource.setrlimit(resource.RLIMIT_FSIZE, (2048, hard))

        try:
            with pytest.raises(StoreError, match=r"File too large.*Free some space.*FRONTDEF_CACHE"):
                models_at.get_or_train(REQUEST, progress=fill)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert not models_at.has(REQUEST)
        assert [file.suffix for file in models_at.root.iterdir() if file.suffix != ".lock"] == []
        assert models_at.get_or_train(REQUEST)


class TestPlace:
    def test_the_environment_variable(self, tmp_path, monkeypatch):
        monkeypatch.setenv("FRONTDEF_CACHE", str(tmp_path / "here"))
        assert ModelCache().root == tmp_path / "here"
        assert ModelCache(tmp_path / "there").root == tmp_path / "there"

    def test_the_users_cache_folder_otherwise(self, monkeypatch, tmp_path):
        monkeypatch.delenv("FRONTDEF_CACHE")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        if sys.platform == "linux":
            assert ModelCache().root == tmp_path / "frontdef" / "models"
        assert ModelCache().root.name == "models"


class TestBadRequests:
    def test_more_samples_than_there_are(self, models_at):
        with pytest.raises(ConfigError, match="2000 samples were asked for, digits train has 1297"):
            models_at.get_or_train(dataclasses.replace(REQUEST, train_samples=2000))

    def test_a_classifier_that_cannot_read_the_images(self, models_at, tmp_path):
        write_images(tmp_path / "images")
        small = ModelRequest(f"imagefolder:{tmp_path}/images", "cnn4", "none", {}, (Stage(epochs=1),), None, 0)
        with pytest.raises(ConfigError, match=r"'cnn4' needs at least 1 channel and 12x12 pixels"):
            models_at.get_or_train(small)
        assert models_at.get_or_train(dataclasses.replace(small, classifier="fc2")).about["samples"] == 2

    def test_a_device_that_is_not_there(self, models_at):
        if torch.cuda.is_available():
            pytest.skip("a CUDA device is there")
        with pytest.raises((RuntimeError, AssertionError)):
            models_at.get_or_train(REQUEST, device="cuda")
        assert not models_at.has(REQUEST)


def test_sidecar_says_what_it_is(models_at):
    models_at.get_or_train(REQUEST)
    about = json.loads(Path(models_at.path(REQUEST)).with_suffix(".json").read_text())
    assert about["request"] == REQUEST.describe()
    assert about["request"]["dataset"]["revision"]
    assert len(about["losses"]) == len(about["accuracies"]) == 2
    assert about["samples"] == 150
