"""Data sets named by where they are: files of arrays, folders brought to one size, foolbox's pictures, functions."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from frontdef import registry
from frontdef.cli import main
from frontdef.datasets import FORMS, SPLITS, as_split, memory, parse
from frontdef.errors import ConfigError, DataError, FrontdefError, UnknownNameError
from frontdef.matrix.entries import parse_matrix
from tests.forks import in_child

PAGE = (Path(__file__).parent.parent / "docs" / "datasets.md").read_text(encoding="utf-8")
X = np.random.default_rng(0).integers(0, 256, (6, 3, 8, 10), dtype=np.uint8)
Y = np.array([2, 0, 1, 1, 0, 2])


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """Relative paths start in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)


def arrays(**named):
    np.savez("a.npz", **named)
    return parse("arrays:a.npz")


class TestArrays:
    @pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
    def test_images_labels_and_ids(self, save):
        save("a.npz", x=X, y=Y)
        dataset = parse("arrays:a.npz")
        assert (dataset.image_shape, dataset.n_classes, dataset.n_train, dataset.n_test) == ((3, 8, 10), 3, 0, 6)
        assert dataset.load("test").digest() == as_split(X, Y).digest()

    def test_training_samples_are_optional(self):
        dataset = arrays(x_test=X, y_test=Y, x_train=X[::-1], y_train=Y[::-1] + 1)
        assert (dataset.n_train, dataset.n_classes) == (6, 4)
        assert dataset.load("train").labels.tolist() == (Y[::-1] + 1).tolist()
        with pytest.raises(DataError, match=r"arrays:a\.npz has no train samples"):
            arrays(x=X, y=Y).load("train")

    def test_the_layout_is_said_by_the_file_or_the_name(self):
        last = X.transpose(0, 2, 3, 1)
        with pytest.raises(DataError, match=r"look like \(N,H,W,C\).*layout='NHWC'"):
            arrays(x=last, y=Y)
        expected = as_split(X, Y).digest()
        assert parse("arrays:a.npz@layout=NHWC").load("test").digest() == expected
        assert arrays(x=last, y=Y, layout="NHWC").load("test").digest() == expected
        assert arrays(x=X[:, 0], y=Y, layout="NHW").image_shape == (1, 8, 10)

    def test_floats_are_fractions(self):
        assert torch.equal(arrays(x=X / 255, y=Y).load("test").images, as_split(X, Y).images)
        with pytest.raises(DataError, match=r"a\.npz: images are in \[0,1\], got values in \[0, 255\]; divide 0–255"):
            arrays(x=X.astype(np.float32), y=Y).load("test")

    def test_names_are_numbered_and_are_part_of_what_is_described(self):
        names = np.array(["fox", "ant", "bee", "bee", "ant", "fox"])
        dataset = arrays(x=X, y=names)
        assert dataset.describe()["classes"] == ["ant", "bee", "fox"]
        split = dataset.load("test")
        assert [split.classes[label] for label in split.labels] == names.tolist()
        ordered = arrays(x=X, y=names, classes=["fox", "cow", "bee", "ant"])
        assert ordered.describe()["classes"] == ["fox", "cow", "bee", "ant"]
        assert (ordered.n_classes, ordered.load("test").labels.tolist()) == (4, [0, 3, 2, 2, 3, 0])

    def test_names_that_differ_between_the_splits_are_not_numbered_twice(self):
        with pytest.raises(DataError, match="training and test labels have different names"):
            arrays(x=X[:2], y=["ant", "bee"], x_train=X[:2], y_train=["ant", "fox"])

    def test_classes_that_do_not_occur_are_said(self):
        assert arrays(x=X, y=Y, n_classes=1000).n_classes == 1000
        assert parse("arrays:a.npz@n_classes=7").n_classes == 7
        with pytest.raises(DataError, match=r"labels are in 0…1 for 2 classes, got 0…2"):
            parse("arrays:a.npz@n_classes=2").load("test")

    def test_the_revision_follows_the_content_and_not_the_path(self):
        first = arrays(x=X, y=Y).revision
        Path("b.npz").write_bytes(Path("a.npz").read_bytes())
        assert parse("arrays:b.npz").revision == first
        assert arrays(x=X[::-1], y=Y).revision != first

    def test_a_file_that_changes_in_use_is_not_read(self):
        dataset = arrays(x=X, y=Y)
        np.savez("a.npz", x=X[:5], y=Y[:5])
        with pytest.raises(DataError, match="was changed while it was in use"):
            dataset.load("test")

    def test_some_samples_are_those_of_the_whole(self):
        dataset = arrays(x=X, y=Y)
        assert dataset.load("test", samples=4, seed=2).digest() == dataset.load("test").take(4, 2).digest()
        with pytest.raises(ConfigError, match=r"7 samples were asked for, arrays:a\.npz test has 6"):
            dataset.load("test", samples=7)

    @pytest.mark.parametrize("key", ["x", "y", "classes"])
    def test_nothing_is_ever_unpickled(self, key):
        class Bomb:
            def __reduce__(self):
                return (Path.touch, (Path("canary"),))

        bomb = np.array([Bomb()] * 6, dtype=object)
        np.savez("a.npz", allow_pickle=True, **{"x": X, "y": Y, key: bomb})
        assert not Path("canary").exists()
        with pytest.raises(DataError, match=f"a.npz: {key} is an array of objects, which would have to be unpickled"):
            parse("arrays:a.npz").load("test")
        Path("a.npz").write_bytes(pickle.dumps(Bomb()))
        with pytest.raises(DataError, match="is no npz file"):
            parse("arrays:a.npz")
        assert not Path("canary").exists()

    def test_a_promise_that_does_not_fit_is_refused_before_it_is_read(self):
        with zipfile.ZipFile("a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
            for key, shape in (("x", (10**7, 3, 224, 224)), ("y", (10**7,))):
                with archive.open(f"{key}.npy", "w") as file:
                    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
                    np.lib.format.write_array_header_1_0(file, header)
                    file.write(bytes(10**7 if key == "y" else 100))
        with pytest.raises(DataError, match=r"10,000,000 images of shape \(3,224,224\) take 5,607\.6 GiB"):
            parse("arrays:a.npz")

    @pytest.mark.parametrize("kept", [0, 10, 300, 800, -30])
    def test_damage_is_a_data_error(self, kept):
        np.savez_compressed("a.npz", x=X, y=Y)
        data = Path("a.npz").read_bytes()
        Path("a.npz").write_bytes(data[:kept])
        with pytest.raises(DataError, match=r"a\.npz"):
            parse("arrays:a.npz").load("test")

    def test_a_flipped_byte_is_a_data_error(self):
        np.savez("a.npz", x=X, y=Y)
        data = bytearray(Path("a.npz").read_bytes())
        data[500] ^= 1
        Path("a.npz").write_bytes(data)
        with pytest.raises(DataError, match=r"a\.npz: x is .*\(Bad CRC-32"):
            parse("arrays:a.npz").load("test")

    @pytest.mark.parametrize(
        ("named", "message"),
        [
            ({"images": X, "y": Y}, "the keys are x and y .* it has images, y"),
            ({"x": X, "y": Y[:5]}, "x has 6 images, y has 5 labels"),
            ({"x": X[0], "y": Y}, r"for one image add the first axis"),
            ({"x": X, "y": Y, "layout": "NHCW"}, "unknown layout 'NHCW'"),
            ({"x": X, "y": Y, "n_classes": 2.5}, "n_classes is one integer"),
            ({"x": X, "y": np.array(["a"] * 6), "classes": ["a", "b"], "n_classes": 3}, "3 classes are said, and 2"),
            ({"x": X.astype(np.uint16), "y": Y}, "uint16, whose white is not known"),
            ({"x": X.astype("U3"), "y": Y}, "images are numbers"),
            ({"x": X[:0], "y": Y[:0]}, "has no test samples"),
            ({"x": X, "y": np.eye(3)[Y]}, "one-hot"),
        ],
    )
    def test_bad_content_is_named(self, named, message):
        with pytest.raises(DataError, match=message):
            arrays(**named).load("test")

    def test_other_files(self):
        np.save("a.npy", X)
        with pytest.raises(DataError, match="is no npz file"):
            parse("arrays:a.npy")
        Path("folder").mkdir()
        with pytest.raises(DataError, match="is a folder, a file is needed"):
            parse("arrays:folder")
        with pytest.raises(DataError, match=r"cannot read no\.npz: No such file.*a relative path starts at"):
            parse("arrays:no.npz")


def write_pictures(sizes: list[tuple[int, int]], mode: str = "RGB") -> None:
    rng = np.random.default_rng(0)
    for i, size in enumerate(sizes):
        folder = Path("pictures") / "ab"[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).convert(mode).save(
            folder / f"{i}.png"
        )


class TestImageFolder:
    sizes = ((40, 30), (30, 40), (33, 33), (64, 20))

    def test_resize_and_crop_are_torchvisions(self):
        from torchvision import transforms
        from torchvision.datasets import ImageFolder

        write_pictures(self.sizes)
        transform = transforms.Compose(
            [
                transforms.Resize(24, transforms.InterpolationMode.BICUBIC),
                transforms.CenterCrop(16),
                transforms.ToTensor(),
            ]
        )
        dataset = parse("imagefolder:pictures@resize=24,crop=16,interpolation=bicubic")
        assert dataset.image_shape == (3, 16, 16)
        reference = dict(enumerate(ImageFolder("pictures", transform)))
        for split in SPLITS:
            loaded = dataset.load(split)
            for i, image, label in zip(loaded.ids.tolist(), loaded.images, loaded.labels, strict=True):
                assert torch.equal(image, reference[i][0])
                assert label == reference[i][1]

    def test_without_them_two_sizes_are_refused_and_the_mend_works(self):
        write_pictures(self.sizes)
        with pytest.raises(DataError, match=re.escape("(imagefolder:PATH@resize=256,crop=224)")):
            parse("imagefolder:pictures").load("train")
        assert parse("imagefolder:pictures@resize=256,crop=224").image_shape == (3, 224, 224)
        assert parse("imagefolder:pictures@resize=20x30").image_shape == (3, 20, 30)

    def test_modes_are_converted_where_it_is_said(self):
        write_pictures([(10, 8)] * 4, "RGBA")
        with pytest.raises(DataError, match=r"0\.png: the image has Pillow's mode 'RGBA'.*say mode=RGB"):
            parse("imagefolder:pictures")
        assert parse("imagefolder:pictures@mode=RGB").load("train").images.shape == (2, 3, 8, 10)
        assert parse("imagefolder:pictures@mode=L").image_shape == (1, 8, 10)

    def test_other_options_are_another_data_set_of_the_same_files(self):
        write_pictures([(10, 8)] * 4)
        plain, cropped = parse("imagefolder:pictures"), parse("imagefolder:pictures@crop=8")
        assert plain.revision == cropped.revision
        assert plain.describe() != cropped.describe()

    def test_classes_are_recorded(self):
        write_pictures([(10, 8)] * 4)
        assert parse("imagefolder:pictures").describe()["classes"] == ["a", "b"]
        assert parse("imagefolder:pictures").load("test").classes == ("a", "b")

    def test_some_samples_are_those_of_the_whole_and_no_others_are_read(self):
        write_pictures([(10, 8)] * 12)
        dataset = parse("imagefolder:pictures")
        whole, some = dataset.load("train"), dataset.load("train", samples=3, seed=1)
        assert some.digest() == whole.take(3, 1).digest()
        unread = next(i for i in whole.ids.tolist() if i not in some.ids.tolist() and i)
        sorted(Path("pictures").rglob("*.png"))[unread].write_bytes(b"damaged")
        assert dataset.load("train", samples=3, seed=1).digest() == some.digest()

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ("resize=0", "greater than or equal to 1"),
            ("resize=9000", "less than or equal to 8000"),
            ("resize=1x2x3", "height x width"),
            ("resize=big", "valid integer"),
            ("size=3", "unknown key 'size', did you mean 'resize'"),
            ("resize=20,", "options read @option=value"),
            ("resize=20,crop", "'crop' is none"),
            ("resize=20,resize=30", "resize stands twice"),
            ("interpolation=cubic", "bicubic"),
        ],
    )
    def test_wrong_options_are_named(self, options, message):
        write_pictures([(10, 8)] * 4)
        with pytest.raises(ConfigError, match=rf"imagefolder:pictures@{options}.*{message}"):
            parse(f"imagefolder:pictures@{options}")

    def test_a_crop_larger_than_an_image_gets_no_black_border(self):
        write_pictures([(10, 8)] * 4)
        with pytest.raises(DataError, match=r"0\.png: crop=9x9 is larger than the image"):
            parse("imagefolder:pictures@crop=9")

    def test_an_at_sign_in_a_path_is_no_option(self):
        write_pictures([(10, 8)] * 4)
        Path("pictures").rename("me@home")
        assert parse("imagefolder:me@home").n_test == parse("imagefolder:me@home@crop=4").n_test == 2

    @pytest.mark.parametrize("form", ["imagefolder:~nouser/x", "arrays:~nouser/x.npz", "~nouser/data.py:load"])
    def test_a_home_that_there_is_not(self, form):
        with pytest.raises(DataError, match=r"there is no home folder ~nouser"):
            parse(form)

    def test_a_decompression_bomb_is_not_decoded(self):
        write_pictures([(10, 8)] * 4)
        bomb = Path("pictures/a/0.png")
        for size in ((9000, 8000), (20_000, 20_000)):
            header = Path("pictures/a/2.png").read_bytes()
            width, height = (side.to_bytes(4, "big") for side in size)
            chunk = b"IHDR" + width + height + header[24:29]
            bomb.write_bytes(header[:12] + chunk + zlib.crc32(chunk).to_bytes(4, "big") + header[33:])
            with pytest.raises(DataError, match=r"0\.png.*(was not decoded|cannot be decoded.*decompression bomb)"):
                parse("imagefolder:pictures")

    def test_more_than_the_memory_is_refused_before_it_is_read(self, monkeypatch):
        write_pictures([(10, 8)] * 12)
        monkeypatch.setattr(memory, "memory_limit", lambda: 4 * 5 * 240)
        with pytest.raises(DataError, match="take fewer samples, or smaller images"):
            parse("imagefolder:pictures").load("train")
        assert len(parse("imagefolder:pictures").load("train", samples=5)) == 5


class TestSamples:
    @pytest.mark.parametrize("name", ["imagenet", "cifar10", "cifar100", "mnist", "fashion-mnist"])
    def test_pixels_and_labels_are_foolboxs(self, name):
        from foolbox.utils import _samples

        stem = "fashionMNIST" if name == "fashion-mnist" else name
        images, labels = _samples(stem, 0, 20, (224, 224), "channels_first", (0, 1))
        split = parse(f"samples:{name}").load("test")
        assert np.array_equal(split.images.numpy(), images)
        assert split.labels.tolist() == labels.tolist()
        assert split.ids.tolist() == list(range(20))

    def test_classes_are_those_of_the_whole_data_set(self):
        assert [parse(f"samples:{name}").n_classes for name in ("imagenet", "cifar100", "mnist")] == [1000, 100, 10]

    @pytest.mark.data
    @pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
    def test_ids_are_positions_in_the_published_test_set(self, name):
        if not os.environ.get("FRONTDEF_DATA"):
            pytest.skip("FRONTDEF_DATA is not set")
        samples, published = parse(f"samples:{name}").load("test"), parse(name).load("test").first(20)
        assert samples.digest() == published.digest()

    def test_imagenets_pictures_take_other_sizes(self):
        plain, cropped = parse("samples:imagenet"), parse("samples:imagenet@resize=256,crop=200")
        assert (plain.image_shape, cropped.image_shape) == ((3, 224, 224), (3, 200, 200))
        assert plain.revision != cropped.revision
        with pytest.raises(DataError, match="say both height and width, or a crop"):
            parse("samples:imagenet@resize=256").load("test")

    def test_foolbox_is_not_imported(self):
        def imported():
            for name in [name for name in sys.modules if name.startswith(("foolbox", "frontdef"))]:
                del sys.modules[name]
            from frontdef.datasets import parse

            parse("samples:cifar10").load("test")
            return "foolbox" in sys.modules

        assert in_child(imported) is False

    def test_there_is_nothing_to_train_on(self):
        with pytest.raises(DataError, match="samples:cifar10 has no train samples"):
            parse("samples:cifar10").load("train")

    def test_an_installation_that_lacks_pictures(self, monkeypatch):
        from frontdef.datasets import samples

        shipped = samples._folder()
        monkeypatch.setattr(samples, "_folder", lambda: Path("data"))
        with pytest.raises(DataError, match=r"foolbox's pictures are not in data: No such file.*Install foolbox again"):
            parse("samples:cifar10")
        Path("data").mkdir()
        for path in sorted(shipped.glob("cifar10_*"))[:19]:
            (Path("data") / path.name).write_bytes(path.read_bytes())
        with pytest.raises(DataError, match="data has 19 pictures of cifar10, not 20"):
            parse("samples:cifar10")


FUNCTION = """
import numpy as np
import neighbor

def pair():
    return neighbor.X, neighbor.Y

def both(split):
    return (neighbor.X, neighbor.Y) if split == "test" else None

def halves(split="test"):
    rows = slice(0, 3) if split == "train" else slice(3, 6)
    return {"x": neighbor.X[rows], "y": neighbor.Y[rows], "n_classes": 9}

def drawn():
    return np.random.permutation(neighbor.X), neighbor.Y

def unseeded():
    return np.random.default_rng().permutation(neighbor.X), neighbor.Y

def wants(path):
    return path

def raises():
    return 1 / 0

def wrong():
    return neighbor.X.astype("float32"), neighbor.Y

def dataset():
    from torch.utils.data import TensorDataset
    import torch
    return TensorDataset(torch.from_numpy(neighbor.X), torch.from_numpy(neighbor.Y))
"""


class TestFunctions:
    @pytest.fixture(autouse=True)
    def file(self, monkeypatch):
        np.savez("content.npz", X=X, Y=Y)
        Path("neighbor.py").write_text(
            "import numpy as np\nfrom pathlib import Path\n"
            "with np.load(Path(__file__).parent / 'content.npz') as file:\n    X, Y = file['X'], file['Y']\n"
        )
        Path("data.py").write_text(FUNCTION)
        monkeypatch.delitem(sys.modules, "neighbor", raising=False)
        yield
        sys.modules.pop("neighbor", None)

    @pytest.mark.parametrize("function", ["pair", "both", "dataset"])
    def test_give_what_as_split_makes_of_it(self, function):
        dataset = parse(f"data.py:{function}")
        assert (dataset.image_shape, dataset.n_classes, dataset.n_train, dataset.n_test) == ((3, 8, 10), 3, 0, 6)
        assert dataset.load("test").digest() == as_split(X, Y).digest()
        with pytest.raises(DataError, match="has no train samples"):
            dataset.load("train")

    def test_may_give_training_samples_and_the_number_of_classes(self):
        dataset = parse("data.py:halves")
        assert (dataset.n_classes, dataset.n_train) == (9, 3)
        assert torch.equal(dataset.load("train").images, as_split(X[:3], Y[:3]).images)

    def test_are_identified_by_code_and_content(self):
        revisions = [parse("data.py:pair").revision]
        Path("data.py").write_text(FUNCTION + "\n# changed\n")
        revisions.append(parse("data.py:pair").revision)
        assert revisions[0].partition("content")[2] == revisions[1].partition("content")[2]
        np.savez("content.npz", X=X[::-1], Y=Y)
        code = "from frontdef.datasets import parse; print(parse('data.py:pair').revision)"
        revisions.append(subprocess.check_output([sys.executable, "-c", code], text=True).strip())
        assert revisions[1].partition("content")[0] == revisions[2].partition("content")[0]
        assert len(set(revisions)) == 3

    def test_global_generators_are_seeded_and_others_are_refused(self):
        assert parse("data.py:drawn").load("test").labels.tolist() == Y.tolist()
        with pytest.raises(DataError, match="returned other test samples when it was called again"):
            parse("data.py:unseeded")

    @pytest.mark.parametrize(
        ("name", "error", "message"),
        [
            ("data.py:par", UnknownNameError, "Did you mean 'pair'"),
            ("data.py:wants", ConfigError, "it also wants path: give a default"),
            ("data.py:raises", DataError, r"raises ZeroDivisionError in line 25: division by zero"),
            ("data.py:wrong", DataError, "divide 0–255 pixels by 255"),
            ("nothing.py:load", DataError, "cannot read nothing.py"),
            ("broken.py:load", DataError, r"broken\.py raises SyntaxError in line 2"),
        ],
    )
    def test_what_goes_wrong_is_told(self, name, error, message):
        Path("broken.py").write_text("\ndef load(:\n")
        with pytest.raises(error, match=message):
            parse(name)


class TestNames:
    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("imagfolder:x", "unknown kind of data set 'imagfolder'. Did you mean 'imagefolder'"),
            ("array:x.npz", "Did you mean 'arrays'"),
            ("sample:imagenet", "Did you mean 'samples'"),
            ("samples:imgnet", "Did you mean 'imagenet'"),
            ("pandas:x", "A data set is an id or one of imagefolder:PATH, arrays:FILE.npz"),
        ],
    )
    def test_the_nearest_is_named(self, name, message):
        for look_up in (parse, registry.get_dataset):
            with pytest.raises(UnknownNameError, match=message):
                look_up(name)

    def test_every_form_is_listed(self):
        table = CliRunner().invoke(main, ["ls", "datasets"]).stdout
        assert all(form.usage in table for form in FORMS)

    @pytest.mark.parametrize(
        "name", ["imagefolder:", "arrays:", "samples:", ".py:", "x.py:", ":", "a:b:c", "arrays:\0"]
    )
    def test_no_name_ends_in_a_foreign_error(self, name):
        with pytest.raises(FrontdefError):
            parse(name)


class TestPage:
    """What docs/datasets.md shows runs as it stands, in one folder, from top to bottom."""

    def test_examples_run(self):
        write_pictures([(300, 280), (260, 300)] * 3)
        Path("data.py").write_text(re.search(r"```python\n# data\.py\n(.*?)```", PAGE, flags=re.DOTALL)[1])
        snippets = re.findall(r"```python\n(.*?)```", PAGE.partition("## Classifiers")[0], flags=re.DOTALL)
        namespace: dict[str, object] = {"__name__": "page"}
        for snippet in snippets:
            exec(compile(snippet, "datasets.md", "exec"), namespace)
        (text,) = re.findall(r"```toml\n(datasets = .*?)```", PAGE, flags=re.DOTALL)
        names = parse_matrix(text).datasets
        for form in FORMS:
            assert any(form.matches(name.partition(":")[0]) for name in names), form.usage
        for name in names:
            assert len(registry.get_dataset(name).load("test", samples=1)) == 1
