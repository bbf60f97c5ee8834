"""A user's model: what names it, what identifies it, and one clear error for each way in which it can be wrong."""

from __future__ import annotations

import sys
import textwrap

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from frontdef.config import build
from frontdef.errors import ConfigError, ModelError
from frontdef.models.sources import ModelSource, open_model

NETS = """
    import torch
    from torch import nn
    from blocks import block

    def build(width=4):
        return nn.Sequential(block(width), nn.Flatten(), nn.Linear(width * 64, 10))

    def needs(depth, *, width=4):
        return build(width)

    def raises():
        raise ValueError("no such depth")

    def probabilities():
        return nn.Sequential(build(), nn.Softmax(1))

    def pair():
        return build(), "preprocess"

    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = build()

        def forward(self, x):
            return {"logits": self.net(x), "features": x.flatten(1), "loss": x.sum()}

    class InPlace(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = build()

        def forward(self, x):
            return self.net(x.mul_(2).sub_(1))

    ready = build()
    number = 3
"""
BLOCKS = "from torch import nn\n\ndef block(width):\n    return nn.Conv2d(3, width, 3, padding=1)\n"
IMAGE_SHAPE = (3, 8, 8)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "nets.py").write_text(textwrap.dedent(NETS), encoding="utf-8")
    (tmp_path / "blocks.py").write_text(BLOCKS, encoding="utf-8")
    return tmp_path


def opened(folder, source="nets.py:build", *, n_classes=10, **keys):
    return open_model(
        ModelSource(name="mine", source=source, **keys), base=folder, n_classes=n_classes, image_shape=IMAGE_SHAPE
    )


def add(folder, name, code):
    """A further file that builds on nets.py."""
    (folder / f"{name}.py").write_text(f"from torch import nn\nfrom nets import build\n\n{code}", encoding="utf-8")


def images(n=4):
    return torch.rand((n, *IMAGE_SHAPE), generator=torch.Generator().manual_seed(0))


def reference(folder):
    return opened(folder).module.body


# What it is


def test_a_file_gives_a_frozen_classifier_in_eval_mode(folder):
    model = opened(folder)
    assert not any(module.training for module in model.module.modules())
    assert not any(parameter.requires_grad for parameter in model.module.parameters())
    assert model.module(images()).shape == (4, 10)
    assert model.n_classes == 10
    assert model.notes == ()


def test_random_weights_are_the_same_every_time_and_leave_the_generators_alone(folder):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = opened(folder)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    again = opened(folder)
    assert first.key == again.key
    assert torch.equal(first.module(images()), again.module(images()))


def test_normalization_range_channels_and_class_order_are_what_they_say(folder):
    body, x = reference(folder), images()
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    order = [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    model = opened(
        folder,
        normalize={"mean": mean, "std": std},
        input_range=(-1, 1),
        channels="bgr",
        class_order=order,
    )
    read = (x.flip(1) * 2 - 1 - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    logits = body(read)
    expected = torch.empty_like(logits)
    expected[:, order] = logits  # the body's logit k is of the class order[k]
    torch.testing.assert_close(model.module(x), expected)


def test_what_decides_its_outputs_is_in_its_key(folder):
    save_file(reference(folder).state_dict(), folder / "a.safetensors")
    keys = {
        "plain": opened(folder).key,
        "width": opened(folder, arguments={"width": 5}).key,
        "weights": opened(folder, weights="a.safetensors").key,
        "normalize": opened(folder, normalize={"mean": [0.5], "std": [0.5]}).key,
        "channels": opened(folder, channels="bgr").key,
        "range": opened(folder, input_range=(0, 255)).key,
        "order": opened(folder, class_order=[1, 0, *range(2, 10)]).key,
    }
    (folder / "blocks.py").write_text(BLOCKS.replace("padding=1", "padding=1, bias=True"), encoding="utf-8")
    keys["an edited module beside it"] = opened(folder).key
    assert len(set(keys.values())) == len(keys)


def test_weights_that_the_function_reads_itself_are_in_its_key(folder):
    add(
        folder, "own", "import torch\n\ndef own():\n    net = build()\n    net[2].bias.data += BIAS()\n    return net\n"
    )
    with (folder / "own.py").open("a", encoding="utf-8") as file:
        file.write("\ndef BIAS():\n    return float(open(__file__.replace('own.py', 'bias.txt')).read())\n")
    (folder / "bias.txt").write_text("0.5", encoding="utf-8")
    before = opened(folder, "own.py:own").key
    (folder / "bias.txt").write_text("0.75", encoding="utf-8")
    assert opened(folder, "own.py:own").key != before


def test_neither_the_name_nor_the_place_is_in_its_key(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for file in ("nets.py", "blocks.py"):
        (elsewhere / file).write_bytes((folder / file).read_bytes())
    renamed = ModelSource(name="yours", source=f"{elsewhere / 'nets.py'}:build")
    assert open_model(renamed, image_shape=IMAGE_SHAPE).key == opened(folder).key
    assert str(folder) not in str(opened(folder).describe())


def test_two_files_with_helpers_of_one_name_each_get_their_own(folder, tmp_path_factory):
    second = tmp_path_factory.mktemp("second")
    (second / "nets.py").write_text(textwrap.dedent(NETS), encoding="utf-8")
    (second / "blocks.py").write_text(BLOCKS.replace("padding=1", "padding=1, bias=False"), encoding="utf-8")
    assert opened(folder).module.body[0].bias is not None
    assert opened(second).module.body[0].bias is None
    assert "blocks" not in sys.modules
    assert not [path for path in sys.path if str(path) in {str(folder), str(second)}]


def test_an_output_by_key(folder):
    model = opened(folder, "nets.py:Named", output="logits")
    assert model.module(images()).shape == (4, 10)


def test_a_module_that_changes_its_input_is_given_copies(folder):
    model = opened(folder, "nets.py:InPlace")
    assert [note.about for note in model.notes] == ["input"]
    x = images()
    before = x.clone()
    model.module(x)
    assert torch.equal(x, before)


def test_half_precision_becomes_single(folder):
    add(folder, "half", "def half():\n    return build().half()\n")
    model = opened(folder, "half.py:half")
    assert {parameter.dtype for parameter in model.module.parameters()} == {torch.float32}
    assert [note.about for note in model.notes] == ["precision"]


def test_hooks_go_on_working(folder):
    hook = "    net.register_forward_hook(lambda module, x, y: y * 2)\n"
    add(folder, "hooked", f"def hooked():\n    net = build()\n{hook}    return net\n")
    model = opened(folder, "hooked.py:hooked")
    torch.testing.assert_close(model.module(images()), 2 * opened(folder).module(images()))
    assert [note.about for note in model.notes] == ["hooks"]


def test_an_eval_that_is_ignored_is_mended_and_said(folder):
    made = "    def __init__(self):\n        super().__init__(nn.Dropout(0.5), build())\n"
    ignored = "    def train(self, mode=True):\n        return super().train(True)\n"
    add(folder, "stubborn", f"class Stubborn(nn.Sequential):\n{made}{ignored}")
    model = opened(folder, "stubborn.py:Stubborn")
    assert [note.about for note in model.notes] == ["mode"]
    assert torch.equal(model.module(images()), model.module(images()))
    assert torch.equal(model.module.eval()(images()), model.module(images()))


# What is refused

REFUSED = {
    "no form": ("nets", "is no source of a model"),
    "no function": ("nets.py", "does not say which function"),
    "no file": ("nests.py:build", "Did you mean 'nets.py'"),
    "no such function": ("nets.py:biuld", "Did you mean 'build'"),
    "no function but a number": ("nets.py:number", "is a int, not a function"),
    "no package": ("surely_not_installed.nets:build", "no module 'surely_not_installed'"),
    "no such function in a package": ("torch.nn:Sequentiall", "Did you mean 'Sequential'"),
    "needs arguments": (
        "nets.py:needs",
        "{ depth = … } in [[model]], on the command line --argument depth=…",
    ),
    "raises": ("nets.py:raises", "raised ValueError: no such depth, when it was called (nets.py, line "),
    "returns a pair": ("nets.py:pair", "returns a tuple, not a torch.nn.Module"),
    "returns a mapping": ("nets.py:Named", "output = 'logits'"),
    "no zoo": ("torchvisionn:resnet18", "no module 'torchvisionn'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_source_that_is_wrong_is_refused_with_its_mend(folder, case):
    source, said = REFUSED[case]
    with pytest.raises(ModelError) as caught:
        opened(folder, source)
    assert said in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None, "no foreign traceback"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import argparse\nargparse.ArgumentParser().parse_args(['x'])", "raised SystemExit"),
        ("import surely_not_installed", "No module named 'surely_not_installed'"),
        ("def build(:\n    pass", "SyntaxError"),
    ],
)
def test_a_file_that_can_not_be_imported(folder, code, said):
    (folder / "bad.py").write_text(code, encoding="utf-8")
    with pytest.raises(ModelError, match=r"bad\.py") as caught:
        opened(folder, "bad.py:build")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"arguments": {"widht": 5}}, "Did you mean 'width'"),
        ({"output": "logits"}, "leave output = 'logits' out"),
        ({"sha256": "0" * 64}, "states a sha256 and no weights"),
        ({"input_range": (1, 0)}, "is empty"),
        ({"class_order": [0, 0]}, "holds each class from 0 to 1 once"),
        ({"class_order": [1, 0]}, "gives 10 logits, class_order has 2 entries"),
        ({"normalize": {"mean": [0.5] * 4, "std": [0.5] * 4}}, "normalize is of 4 channels, the images have 3"),
        ({"n_classes": 11}, "gives 10 logits, the data set has 11 classes"),
        ({"n_classes": 9}, "background class"),
    ],
)
def test_keys_that_do_not_fit_the_model(folder, keys, said):
    with pytest.raises(ModelError) as caught:
        opened(folder, **keys)
    assert said in str(caught.value)


def test_another_number_of_channels_is_named(folder):
    with pytest.raises(ModelError, match="reads 3 channels, the images have 1"):
        open_model(ModelSource(name="mine", source="nets.py:build"), base=folder, image_shape=(1, 8, 8))


def test_an_unknown_key_is_an_error_that_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'normalize'"):
        build(ModelSource, {"name": "x", "source": "a.py:b", "normalise": {}}, "model")
    with pytest.raises(ConfigError, match="std must be positive"):
        build(ModelSource, {"name": "x", "source": "a.py:b", "normalize": {"mean": [0], "std": [0]}}, "model")


def test_parameters_that_are_not_finite(folder):
    broken = "    net[2].bias.data[0] = float('nan')\n"
    add(folder, "broken", f"def broken():\n    net = build()\n{broken}    return net\n")
    with pytest.raises(ModelError, match=r"2\.bias holds NaN"):
        opened(folder, "broken.py:broken")


def test_a_module_that_is_there_already_is_taken(folder):
    assert isinstance(opened(folder, "nets.py:ready").module.body, nn.Module)
