"""Data sets: the samples that are promised, the same every time, and a clear error for files that are not whole."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import os
import pickle
import shutil
import struct
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from frontdef.checks.generators import global_states
from frontdef.datasets import DATASETS, SPLITS, Dataset, Split, cifar_jpeg, folder, mnist, parse
from frontdef.errors import ConfigError, DataError, UnknownNameError

LIMITS = {"mnist": "MNIST/raw", "fashion-mnist": "FashionMNIST/raw", "cifar10-jpeg": "CIFAR10-jpeg"}


def data_with(name: str) -> Path:
    """The folder of the data sets, or a skip that names what is missing."""
    root = os.environ.get("FRONTDEF_DATA")
    if not root:
        pytest.skip(f"FRONTDEF_DATA is not set: {name} is not tested")
    if not (Path(root) / LIMITS[name]).is_dir():
        pytest.skip(f"FRONTDEF_DATA has no {LIMITS[name]}")
    return Path(root)


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """A web server on this machine, for a download that leaves it alone."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def tiny_mnist(tmp_path, monkeypatch):
    """Seven random images in MNIST's layout, whose hashes stand in for the published ones."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    arrays = {
        "t10k-images-idx3-ubyte": rng.integers(0, 256, (7, 28, 28), dtype=np.uint8),
        "t10k-labels-idx1-ubyte": np.arange(7, dtype=np.uint8),
    }
    for name, array in arrays.items():
        (raw / name).write_bytes(idx(array))
    hashes = {name: hashlib.sha256(idx(array)).hexdigest() for name, array in arrays.items()}
    monkeypatch.setitem(mnist.SHA256, "MNIST", hashes)
    return tmp_path, arrays


def test_listing_data_sets_imports_no_ml_library():
    heavy = "{'torch', 'numpy', 'PIL', 'sklearn'}"
    code = f"import sys, frontdef.datasets, frontdef.classifiers; print(*{heavy}.intersection(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == []


class TestDigits:
    def test_counts_shapes_and_ranges(self):
        for split, n in (("train", 1297), ("test", 500)):
            loaded = parse("digits").load(split)
            assert loaded.images.shape == (n, 1, 28, 28)
            assert loaded.images.dtype == torch.float32
            assert loaded.images.min() == 0
            assert loaded.images.max() == 1
            assert loaded.labels.dtype == loaded.ids.dtype == torch.int64
            assert loaded.labels.unique().tolist() == list(range(10))

    def test_train_and_test_divide_the_1797_digits(self):
        train, test = (parse("digits").load(split).ids.tolist() for split in SPLITS)
        assert sorted(train + test) == list(range(1797))

    def test_pixels_and_labels_are_scikit_learns(self):
        from sklearn.datasets import load_digits

        digits, test = load_digits(), parse("digits").load("test")
        assert test.labels.tolist() == digits.target[test.ids].tolist()
        # Pixel (i,j) of the result lies at (i+½)·8/28−½ of the original: bilinear by hand, for one image.
        image, small = test.images[3, 0].numpy(), digits.images[test.ids[3]] / 16
        position = np.clip((np.arange(28) + 0.5) * 8 / 28 - 0.5, 0, None)
        low = position.astype(int)
        high, part = np.minimum(low + 1, 7), position - low
        rows = small[low] * (1 - part)[:, None] + small[high] * part[:, None]
        np.testing.assert_allclose(image, rows[:, low] * (1 - part) + rows[:, high] * part, atol=1e-6)

    def test_the_same_every_time(self):
        first, second = parse("digits").load("test"), parse("digits").load("test")
        assert torch.equal(first.images, second.images)
        assert first.ids[:5].tolist() == [3, 7, 11, 23, 24]


class TestTake:
    split = Split(torch.rand(50, 1, 2, 2), torch.arange(50) % 5, torch.arange(100, 150))

    def test_is_deterministic_without_repetition_and_keeps_rows_together(self):
        taken, again = self.split.take(20, 7), self.split.take(20, 7)
        assert torch.equal(taken.ids, again.ids)
        assert len(set(taken.ids.tolist())) == 20
        assert torch.equal(taken.images, self.split.images[taken.ids - 100])
        assert torch.equal(taken.labels, self.split.labels[taken.ids - 100])

    def test_smaller_samples_are_part_of_larger_ones(self):
        assert torch.equal(self.split.take(50, 1).ids[:20], self.split.take(20, 1).ids)

    def test_another_seed_is_another_sample(self):
        assert not torch.equal(self.split.take(20, 0).ids, self.split.take(20, 1).ids)

    def test_every_sample_is_as_likely_as_any_other(self):
        counts = torch.zeros(50)
        for seed in range(400):
            counts[self.split.take(10, seed).ids - 100] += 1
        # Binomial(400, 1/5): mean 80, standard deviation 8; 50 counts stay within 4.5 of them (p of a miss < 4e-4).
        assert (counts - 80).abs().max() < 36

    def test_global_generators_are_not_touched(self):
        before = global_states()
        self.split.take(5, 3)
        assert global_states() == before

    def test_none_takes_all(self):
        assert self.split.take(None) is self.split

    @pytest.mark.parametrize("n", [0, -1, 51])
    def test_impossible_counts_are_named(self, n):
        with pytest.raises(ConfigError, match=rf"{n} samples were asked for, this split has 50: choose 1…50"):
            self.split.take(n)

    def test_the_data_set_is_named(self):
        with pytest.raises(ConfigError, match="501 samples were asked for, digits test has 500"):
            parse("digits").load("test").take(501)


class TestIdxFiles:
    def test_pixels_labels_and_ids(self, tiny_mnist):
        root, arrays = tiny_mnist
        loaded = parse("mnist").load("test", root=root)
        np.testing.assert_array_equal((loaded.images[:, 0] * 255).round(), arrays["t10k-images-idx3-ubyte"])
        assert loaded.labels.tolist() == loaded.ids.tolist() == list(range(7))

    def test_the_environment_variable_gives_the_folder(self, tiny_mnist, monkeypatch):
        monkeypatch.setenv("FRONTDEF_DATA", str(tiny_mnist[0]))
        assert len(parse("mnist").load("test")) == 7

    def test_no_folder(self, monkeypatch):
        monkeypatch.delenv("FRONTDEF_DATA", raising=False)
        with pytest.raises(DataError, match="set FRONTDEF_DATA, or give --data, to the folder that holds MNIST/raw"):
            parse("mnist").load("test")

    def test_missing_file(self, tiny_mnist):
        with pytest.raises(DataError, match=r"train-images-idx3-ubyte: No such file.*--download"):
            parse("mnist").load("train", root=tiny_mnist[0])

    def test_truncated_file_says_how_many_bytes_are_missing(self, tiny_mnist):
        path = tiny_mnist[0] / "MNIST" / "raw" / "t10k-images-idx3-ubyte"
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(DataError, match=r"is truncated: it has 5,404 bytes, its header says 5,504"):
            parse("mnist").load("test", root=tiny_mnist[0])

    def test_trailing_bytes(self, tiny_mnist):
        path = tiny_mnist[0] / "MNIST" / "raw" / "t10k-labels-idx1-ubyte"
        path.write_bytes(path.read_bytes() + b"x")
        with pytest.raises(DataError, match="is too long: it has 16 bytes, its header says 15"):
            parse("mnist").load("test", root=tiny_mnist[0])

    def test_a_flipped_bit_is_noticed(self, tiny_mnist):
        path = tiny_mnist[0] / "MNIST" / "raw" / "t10k-images-idx3-ubyte"
        data = bytearray(path.read_bytes())
        data[1000] ^= 1
        path.write_bytes(data)
        with pytest.raises(DataError, match="is damaged or another file: its sha256 is"):
            parse("mnist").load("test", root=tiny_mnist[0])

    @pytest.mark.parametrize("data", [b"", b"\x00\x00", b"<html>", bytes([0, 0, 13, 1, 0, 0, 0, 1, 7]), bytes(8)])
    def test_other_files_are_refused(self, tiny_mnist, data):
        (tiny_mnist[0] / "MNIST" / "raw" / "t10k-images-idx3-ubyte").write_bytes(data)
        with pytest.raises(DataError, match="is not an idx file of bytes"):
            parse("mnist").load("test", root=tiny_mnist[0])

    def test_a_pickled_copy_of_an_old_torchvision_is_never_opened(self, tiny_mnist):
        root, canary = tiny_mnist[0], tiny_mnist[0] / "canary"
        (root / "MNIST" / "processed").mkdir()
        for name in ("training.pt", "test.pt"):
            (root / "MNIST" / "processed" / name).write_bytes(f"cos\nsystem\n(S'touch {canary}'\ntR.".encode())
        assert len(parse("mnist").load("test", root=root)) == 7
        assert not canary.exists()

    def test_nothing_is_fetched_without_leave(self, tmp_path, monkeypatch):
        monkeypatch.setattr(mnist, "_download", lambda *_: pytest.fail("fetched"))
        with pytest.raises(DataError):
            parse("mnist").load("test", root=tmp_path)

    def test_download_through_torchvision(self, tiny_mnist, tmp_path, monkeypatch):
        from torchvision.datasets import MNIST

        mirror = tmp_path / "mirror"
        mirror.mkdir()
        resources = []
        for name, array in tiny_mnist[1].items():
            data = gzip.compress(idx(array))
            (mirror / f"{name}.gz").write_bytes(data)
            resources.append((f"{name}.gz", hashlib.md5(data).hexdigest()))
        monkeypatch.setattr(MNIST, "resources", resources)
        with serve(mirror) as url:
            monkeypatch.setattr(MNIST, "mirrors", [url])
            assert len(parse("mnist").load("test", root=tmp_path / "new", download=True)) == 7
        assert len(parse("mnist").load("test", root=tmp_path / "new")) == 7

    def test_a_failed_download_is_a_data_error(self, tmp_path, monkeypatch):
        from torchvision.datasets import MNIST

        monkeypatch.setattr(MNIST, "mirrors", [f"{tmp_path.as_uri()}/nothing/"])
        with pytest.raises(DataError, match=r"downloading MNIST to .* failed"):
            parse("mnist").load("test", root=tmp_path, download=True)


@pytest.mark.data
class TestPublishedFiles:
    @pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
    def test_equal_to_torchvisions_own_reading(self, name):
        from torchvision import datasets

        root = data_with(name)
        reference = getattr(datasets, LIMITS[name].partition("/")[0])(str(root), train=False)
        loaded = parse(name).load("test", root=root)
        assert len(loaded) == parse(name).n_test
        assert torch.equal((loaded.images[:, 0] * 255).round().byte(), reference.data)
        assert torch.equal(loaded.labels, reference.targets)

    def test_a_cut_copy_of_the_real_file(self, tmp_path):
        raw = tmp_path / "MNIST" / "raw"
        shutil.copytree(data_with("mnist") / "MNIST" / "raw", raw, copy_function=shutil.copyfile)
        with (raw / "t10k-images-idx3-ubyte").open("r+b") as file:
            file.truncate(4_000_000)
        with pytest.raises(DataError, match="is truncated: it has 4,000,000 bytes, its header says 7,840,016"):
            parse("mnist").load("test", root=tmp_path)

    def test_cifar10_jpeg(self, tmp_path):
        from torchvision.datasets import ImageFolder

        root = data_with("cifar10-jpeg")
        loaded = parse("cifar10-jpeg").load("test", root=root)
        assert loaded.images.shape == (10_000, 3, 32, 32)
        assert loaded.labels.bincount().tolist() == [1000] * 10
        with tarfile.open(root / "CIFAR10-jpeg" / "test.tar") as archive:
            archive.extractall(tmp_path, [m for m in archive if m.name.endswith("7.jpg")], filter="data")
        reference = ImageFolder(str(tmp_path / "test"))
        ours = [i for i in range(10_000) if i % 10 == 7]
        assert [label for _, label in reference.samples] == loaded.labels[ours].tolist()
        for i, (image, _) in zip(ours[::50], [reference[j] for j in range(0, 1000, 50)], strict=True):
            np.testing.assert_array_equal((loaded.images[i] * 255).round().permute(1, 2, 0), np.asarray(image))


class TestCifar10:
    """torchvision's own code runs; only the published md5 sums are replaced."""

    @staticmethod
    def write(root: Path, monkeypatch, content: bytes) -> None:
        from torchvision.datasets import CIFAR10

        base = root / CIFAR10.base_folder
        base.mkdir()
        names = [name for name, _ in [*CIFAR10.train_list, *CIFAR10.test_list]]
        for name in [*names, CIFAR10.meta["filename"]]:
            (base / name).write_bytes(content)
        md5 = hashlib.md5(content).hexdigest()
        monkeypatch.setattr(CIFAR10, "train_list", [[name, md5] for name, _ in CIFAR10.train_list])
        monkeypatch.setattr(CIFAR10, "test_list", [[name, md5] for name, _ in CIFAR10.test_list])
        monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": md5})

    def test_pixels_and_labels(self, tmp_path, monkeypatch):
        data = np.random.default_rng(0).integers(0, 256, (4, 3072), dtype=np.uint8)
        content = pickle.dumps({"data": data, "labels": [3, 1, 0, 9], "label_names": [str(i) for i in range(10)]})
        self.write(tmp_path, monkeypatch, content)
        loaded = parse("cifar10").load("train", root=tmp_path)
        assert len(loaded) == 20
        np.testing.assert_array_equal((loaded.images[4:8] * 255).round().numpy(), data.reshape(4, 3, 32, 32))
        assert loaded.labels[:4].tolist() == [3, 1, 0, 9]

    def test_a_file_with_another_md5_is_refused_before_it_is_unpickled(self, tmp_path, monkeypatch):
        canary = tmp_path / "canary"
        self.write(tmp_path, monkeypatch, b"whole")
        for path in (tmp_path / "cifar-10-batches-py").iterdir():
            path.write_bytes(f"cos\nsystem\n(S'touch {canary}'\ntR.".encode())
        with pytest.raises(DataError, match=r"data_batch_1 \(\d+ bytes\) is truncated or damaged.*was not read"):
            parse("cifar10").load("test", root=tmp_path)
        assert not canary.exists()

    def test_missing_files_point_to_the_compressed_version_where_there_is_one(self, tmp_path):
        with pytest.raises(DataError, match=r"data_batch_1 is missing\. Run with --download") as error:
            parse("cifar10").load("test", root=tmp_path)
        assert "cifar10-jpeg" not in str(error.value)
        (tmp_path / "CIFAR10-jpeg").mkdir()
        with pytest.raises(DataError, match="the data set 'cifar10-jpeg', whose pixels are not CIFAR-10's"):
            parse("cifar10").load("test", root=tmp_path)


def jpeg(color: tuple[int, int, int], size: tuple[int, int] = (8, 8)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, "JPEG")
    return buffer.getvalue()


def tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


class TestJpegArchive:
    def test_classes_are_alphabetical_and_ids_follow_the_names(self):
        files = {"t/zebra/0.jpg": jpeg((255, 0, 0)), "t/ant/1.jpg": jpeg((0, 255, 0)), "t/ant/0.jpg": jpeg((0, 0, 255))}
        split = cifar_jpeg.read_tar(tar(files), "test.tar")
        assert split.labels.tolist() == [0, 0, 1]
        assert split.images.mean(dim=(2, 3)).argmax(1).tolist() == [2, 1, 0]

    @pytest.mark.parametrize(
        "data",
        [
            b"no archive",
            tar({"t/a/0.jpg": jpeg((9, 9, 9)), "t/a/1.jpg": b"no picture"}),
            tar({"t/a/0.jpg": jpeg((9, 9, 9)), "t/a/1.jpg": jpeg((9, 9, 9))[:-300]}),
            tar({"t/a/0.jpg": jpeg((9, 9, 9)), "t/a/1.jpg": jpeg((9, 9, 9))})[:1700],
            tar({"t/a/0.jpg": jpeg((9, 9, 9)), "t/a/1.jpg": jpeg((9, 9, 9), (8, 9))}),
            tar({}),
        ],
        ids=["no archive", "no picture", "cut picture", "cut archive", "two sizes", "empty"],
    )
    def test_damage_is_a_data_error(self, data):
        with pytest.raises(DataError, match=r"test\.tar"):
            cifar_jpeg.read_tar(data, "test.tar")

    def test_another_archive_is_refused(self, tmp_path):
        (tmp_path / "CIFAR10-jpeg").mkdir()
        (tmp_path / "CIFAR10-jpeg" / "test.tar").write_bytes(tar({"t/a/0.jpg": jpeg((0, 0, 0))}))
        with pytest.raises(DataError, match=r"another file.*imagefolder:PATH"):
            parse("cifar10-jpeg").load("test", root=tmp_path)


def write_images(base: Path, counts: dict[str, int], mode: str = "L", size: tuple[int, int] = (10, 8)) -> None:
    rng = np.random.default_rng(0)
    for name, n in counts.items():
        (base / name).mkdir(parents=True)
        shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], 3)
        for i in range(n):
            Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(base / name / f"{i}.png")


class TestImageFolder:
    @pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3)])
    def test_train_and_test_folders_read_as_torchvision_does(self, tmp_path, mode, channels):
        from torchvision.datasets import ImageFolder

        write_images(tmp_path / "train", {"cat": 3, "ant": 2}, mode)
        write_images(tmp_path / "test", {"cat": 1, "ant": 2}, mode)
        dataset = parse(f"imagefolder:{tmp_path}")
        assert (dataset.image_shape, dataset.n_classes) == ((channels, 8, 10), 2)
        for name in SPLITS:
            reference, loaded = ImageFolder(str(tmp_path / name)), dataset.load(name)
            assert loaded.labels.tolist() == [label for _, label in reference.samples]
            for ours, (theirs, _) in zip(loaded.images, reference, strict=True):
                pixels = torch.from_numpy(np.array(theirs)).permute(2, 0, 1)
                assert torch.equal((ours * 255).round().byte(), pixels[:channels])

    def test_a_folder_without_splits_is_divided_once_and_for_all(self, tmp_path):
        write_images(tmp_path, {"a": 11, "b": 2})
        train, test = (parse(f"imagefolder:{tmp_path}").load(name) for name in SPLITS)
        assert test.labels.bincount().tolist() == [3, 1]
        assert train.labels.bincount().tolist() == [8, 1]
        assert sorted([*train.ids.tolist(), *test.ids.tolist()]) == list(range(13))
        assert (len(train), len(test)) == (
            parse(f"imagefolder:{tmp_path}").n_train,
            parse(f"imagefolder:{tmp_path}").n_test,
        )

    def test_the_revision_follows_the_content(self, tmp_path):
        write_images(tmp_path, {"a": 2, "b": 2})
        before = parse(f"imagefolder:{tmp_path}").revision
        assert parse(f"imagefolder:{tmp_path}").revision == before
        Image.fromarray(np.zeros((8, 10), np.uint8)).save(tmp_path / "a" / "0.png")
        changed = parse(f"imagefolder:{tmp_path}").revision
        (tmp_path / "b" / "0.png").rename(tmp_path / "b" / "00.png")
        assert len({before, changed, parse(f"imagefolder:{tmp_path}").revision}) == 3

    def test_images_of_two_sizes_are_named(self, tmp_path):
        write_images(tmp_path, {"a": 2, "b": 2})
        Image.new("L", (20, 8)).save(tmp_path / "b" / "1.png")
        with pytest.raises(DataError, match=r"0\.png has 10x8 gray, .*1\.png has 20x8 gray.*Resize"):
            parse(f"imagefolder:{tmp_path}").load("train")

    def test_damaged_images_are_named(self, tmp_path):
        write_images(tmp_path, {"a": 2, "b": 2})
        path = tmp_path / "b" / "1.png"
        path.write_bytes(path.read_bytes()[:60])
        with pytest.raises(DataError, match=r"1\.png cannot be decoded"):
            parse(f"imagefolder:{tmp_path}").load("train")

    @pytest.mark.parametrize("mode", ["RGBA", "P", "I;16"])
    def test_other_modes_are_refused(self, tmp_path, mode):
        write_images(tmp_path, {"a": 2, "b": 2})
        Image.new(mode, (10, 8)).save(tmp_path / "a" / "0.png")
        with pytest.raises(DataError, match=f"mode '{mode}'"):
            parse(f"imagefolder:{tmp_path}")

    def test_wrong_folders_are_explained(self, tmp_path):
        with pytest.raises(DataError, match="there is no folder"):
            parse(f"imagefolder:{tmp_path}/nothing")
        with pytest.raises(DataError, match="imagefolder needs the folder"):
            parse("imagefolder:")
        write_images(tmp_path, {"a": 2})
        with pytest.raises(DataError, match=r"has 1 class folder\(s\)"):
            parse(f"imagefolder:{tmp_path}")
        (tmp_path / "b").mkdir()
        with pytest.raises(DataError, match="b holds no image"):
            parse(f"imagefolder:{tmp_path}")
        write_images(tmp_path / "c", {"train/a": 1, "train/b": 1, "test/a": 1})
        with pytest.raises(DataError, match="different classes: b in only one"):
            folder.list_folder(tmp_path / "c")


class TestRecords:
    def test_metadata_is_complete(self):
        for dataset in DATASETS:
            assert all([dataset.summary, dataset.license, dataset.citation, dataset.revision])

    def test_unknown_names_are_answered_with_the_nearest(self):
        with pytest.raises(UnknownNameError, match="Did you mean 'mnist'"):
            parse("mnst")
        with pytest.raises(UnknownNameError, match="Did you mean 'test'"):
            parse("digits").load("tset")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"labels": torch.tensor([0, 3])}, r"labels are in 0…2 for 3 classes, got 0…3"),
            ({"images": torch.full((2, 1, 4, 4), 255.0)}, r"images are in \[0,1\]"),
            ({"images": torch.rand(2, 3, 4, 4)}, r"\(N,1,4,4\)"),
            ({"images": torch.full((2, 1, 4, 4), float("nan"))}, "NaN or infinite"),
        ],
    )
    def test_a_plugins_samples_are_checked(self, change, message):
        good = {"images": torch.rand(2, 1, 4, 4), "labels": torch.tensor([0, 1]), "ids": torch.arange(2)}
        dataset = Dataset("mine", lambda split, *, root, download: Split(**{**good, **change}), (1, 4, 4), 3)
        with pytest.raises(DataError, match=rf"data set mine train: .*{message}"):
            dataset.load("train")

    def test_known_counts_are_right(self):
        for dataset in DATASETS:
            if dataset.name == "digits":
                assert [len(dataset.load(split)) for split in SPLITS] == [dataset.n_train, dataset.n_test]
