"""Classifiers: logits for every shape that is large enough, the published sizes, the same weights for the same seed."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from frontdef import weights
from frontdef.classifiers import CLASSIFIERS, Classifier
from frontdef.errors import ConfigError

BY_NAME = {classifier.name: classifier for classifier in CLASSIFIERS}
SHAPES = [(1, 28, 28), (3, 32, 32), (25, 28, 28), (2, 13, 17), (1, 12, 12)]


# ResNet-18 and VGG-16 are what their narrow ones are, and cost 64 times as much.
WIDE = {"resnet18", "vgg16-bn"}
CASES = [
    (name, shape)
    for name in BY_NAME
    for shape in SHAPES
    if name not in WIDE and (min(shape[1:]) >= 32 or "vgg" not in name)
]


@pytest.mark.parametrize(("name", "shape"), CASES, ids=str)
def test_logits_for_any_shape(name, shape):
    model = BY_NAME[name].build(shape, 7).eval()
    x = torch.rand(3, *shape)
    logits = model(x)
    assert logits.shape == (3, 7)
    assert logits.isfinite().all()
    torch.testing.assert_close(model(x[1:2]), logits[1:2], rtol=1e-4, atol=1e-5)


def channels_last(module: nn.Module) -> list[bool]:
    return [
        weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()
        for weight in module.parameters()
        if weight.ndim == 4 and min(weight.shape) > 1
    ]


class Views(nn.Sequential):
    def forward(self, x):
        return self[1](self[0](x).view(len(x), -1))


class TestLayout:
    def test_convolutions_are_channels_last(self):
        weights_are = channels_last(BY_NAME["resnet18-narrow"].build((3, 32, 32), 10))
        assert weights_are
        assert all(weights_are)

    def test_a_body_that_views_keeps_its_layout(self):
        body = Views(nn.Conv2d(3, 4, 3), nn.Linear(4 * 6 * 6, 5))
        expected = body(x := torch.rand(2, 3, 8, 8))
        model = Classifier("views", lambda in_shape, n_classes: body).build((3, 8, 8), 5)
        assert not any(channels_last(model))
        torch.testing.assert_close(model(x), expected)

    def test_modes_stay_as_they_are_and_nothing_is_tracked(self):
        body = BY_NAME["resnet18-narrow"].build((3, 32, 32), 10).body
        body[1].eval()
        model = Classifier("mixed", lambda in_shape, n_classes: body).build((3, 32, 32), 10)
        assert model.body.training
        assert not model.body[1].training
        assert body[1].num_batches_tracked == 0

    def test_what_is_stored_is_contiguous(self, tmp_path):
        model = BY_NAME["resnet18-narrow"].build((3, 32, 32), 10)
        weights.save(model.state_dict(), tmp_path / "w.safetensors", {})
        stored, _ = weights.load(tmp_path / "w.safetensors")
        assert all(value.is_contiguous() for value in stored.values())
        assert all(torch.equal(value, model.state_dict()[name]) for name, value in stored.items())


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_number_of_weights_small_cnn():
    # Madry et al. 2018: 5·5·1·32+32, 5·5·32·64+64, 7·7·64·1024+1024, 1024·10+10.
    assert count(BY_NAME["small-cnn"].build((1, 28, 28), 10)) == 832 + 51_264 + 3_212_288 + 10_250


def test_number_of_weights_cnn4():
    # The second convolution is not padded: 28 → 14 → 10 → 5, and 5·5·40 = 1000 values are left.
    assert count(BY_NAME["cnn4"].build((1, 28, 28), 10)) == 520 + 20_040 + 1_001_000 + 1_001_000 + 10_010


def test_number_of_weights_fc2():
    assert count(BY_NAME["fc2"].build((1, 28, 28), 2)) == 7850 + 22


def test_number_of_stored_values_resnet32():
    # Published weights of this network store 466,457 numbers, running statistics and counters included.
    body = BY_NAME["resnet32"].build((3, 32, 32), 10).body
    assert sum(tensor.numel() for tensor in body.state_dict().values()) == 466_457
    assert sum(isinstance(module, nn.Conv2d) for module in body.modules()) == 31  # and a linear layer: 32


def test_number_of_weights_resnet18():
    # He et al. 2015 with a 3x3 stem and ten classes, as the literature on CIFAR-10 counts them.
    body = BY_NAME["resnet18"].build((3, 32, 32), 10).body
    assert count(body) == 11_173_962
    assert sum(isinstance(module, nn.Conv2d) for module in body.modules()) == 17 + 3  # and three in shortcuts


def test_number_of_weights_vgg16_bn():
    body = BY_NAME["vgg16-bn"].build((3, 32, 32), 10).body
    assert count(body) == 14_728_266
    assert sum(isinstance(module, nn.Conv2d) for module in body.modules()) == 13


@pytest.mark.parametrize("name", ["resnet18", "vgg16-bn"])
def test_the_narrow_ones_have_an_eighth_of_the_channels(name):
    wide, narrow = (
        [layer.out_channels for layer in BY_NAME[each].build((3, 32, 32), 10).modules() if isinstance(layer, nn.Conv2d)]
        for each in (name, f"{name}-narrow")
    )
    assert [width // 8 for width in wide] == narrow


def test_resnet_shortcut_averages_and_pads_with_zeros():
    from frontdef.classifiers.resnet import Unit

    unit = Unit(2, 4, stride=2, activate_shortcut=False).eval()
    nn.init.zeros_(unit.conv2.weight)
    x = torch.rand(1, 2, 5, 6)
    out = unit(x)
    assert out.shape == (1, 4, 3, 3)
    assert out[:, [0, 3]].abs().max() == 0
    torch.testing.assert_close(out[0, 1, 0, 0], x[0, 0, :2, :2].mean())
    torch.testing.assert_close(out[0, 2, 2, 1], x[0, 1, 4, 2:4].mean())


def test_only_the_first_units_shortcut_is_activated():
    from frontdef.classifiers.resnet import Unit

    units = [module for module in BY_NAME["resnet32"].build((3, 32, 32), 10).modules() if isinstance(module, Unit)]
    assert [unit.activate_shortcut for unit in units] == [True] + 14 * [False]
    nn.init.zeros_(units[0].conv2.weight)
    x = torch.linspace(-1, 1, 16 * 4 * 4).view(1, 16, 4, 4)
    torch.testing.assert_close(units[0].eval()(x), torch.where(x > 0, x, 0.1 * x) / (1 + 1e-5) ** 0.5)


def test_dropout_acts_in_training_only():
    model = BY_NAME["cnn4"].build((1, 28, 28), 10)
    x = torch.rand(2, 1, 28, 28)
    assert not torch.equal(model.train()(x), model(x))
    assert torch.equal(model.eval()(x), model(x))


@pytest.mark.parametrize("name", [name for name in BY_NAME if name not in WIDE])
def test_the_seed_decides_the_weights_and_nothing_else_is_drawn(name):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    weights = [BY_NAME[name].build((1, 32, 32), 3, seed=seed).state_dict() for seed in (1, 1, 2)]
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert any(not torch.equal(weights[0][key], weights[2][key]) for key in weights[0])


class TestNormalization:
    def test_is_a_layer_of_the_classifier(self):
        plain = BY_NAME["small-cnn"].build((2, 8, 8), 3)
        model = BY_NAME["small-cnn"].build((2, 8, 8), 3, mean=[0.1, 0.2], std=[2.0, 4.0])
        x = torch.rand(2, 2, 8, 8)
        by_hand = torch.stack([(x[:, 0] - 0.1) / 2, (x[:, 1] - 0.2) / 4], dim=1)
        torch.testing.assert_close(model(x), plain(by_hand))

    def test_one_number_counts_for_all_channels(self):
        x = torch.rand(1, 3, 8, 8)
        scalar, listed = (
            BY_NAME["small-cnn"].build((3, 8, 8), 3, mean=m, std=s) for m, s in [(0.5, 0.2), ([0.5] * 3, [0.2] * 3)]
        )
        assert torch.equal(scalar(x), listed(x))

    def test_is_stored_with_the_weights(self):
        a, b = BY_NAME["fc2"].build((4,), 2, mean=0.5, std=0.25, seed=1), BY_NAME["fc2"].build((4,), 2)
        b.load_state_dict(a.state_dict())
        x = torch.rand(3, 4)
        assert torch.equal(a(x), b(x))

    @pytest.mark.parametrize(
        "statistics",
        [{"mean": [0.1, 0.2]}, {"std": 0.0}, {"std": [1.0, 1.0, -1.0]}, {"mean": float("nan")}, {"mean": []}],
        ids=str,
    )
    def test_what_does_not_fit_is_refused(self, statistics):
        with pytest.raises(ConfigError, match=r"mean|std"):
            BY_NAME["small-cnn"].build((3, 8, 8), 3, **statistics)


class TestWrongShapes:
    @pytest.mark.parametrize(
        ("name", "shape", "message"),
        [
            ("small-cnn", (1, 3, 28), "at least 1 channel and 4x4 pixels, got 1 channel.* of 3x28"),
            ("cnn4", (1, 11, 12), "12x12 pixels"),
            ("resnet32", (0, 32, 32), "at least 1 channel"),
            ("small-cnn", (784,), r"reads images \(C,H,W\), got the shape \(784,\); 'fc2' reads inputs of any shape"),
            ("fc2", (), "at least one value"),
        ],
    )
    def test_are_refused_when_it_is_built(self, name, shape, message):
        with pytest.raises(ConfigError, match=message):
            BY_NAME[name].build(shape, 10)

    def test_are_refused_when_it_is_used(self):
        model = BY_NAME["small-cnn"].build((1, 28, 28), 10)
        with pytest.raises(ConfigError, match=r"built for inputs \(N,1,28,28\), it is given \(2, 3, 28, 28\)"):
            model(torch.rand(2, 3, 28, 28))

    def test_one_class_is_no_classification(self):
        with pytest.raises(ConfigError, match="at least 2 classes"):
            BY_NAME["fc2"].build((4,), 1)


def test_a_plugin_brings_only_a_body():
    mine = Classifier("mine", lambda shape, n: nn.Sequential(nn.Flatten(), nn.Linear(shape[0], n)))
    assert mine.build((6,), 3, mean=0.5)(torch.rand(2, 6)).shape == (2, 3)
