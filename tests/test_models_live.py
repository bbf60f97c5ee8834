"""A live model is left as it was, and a changed one is never taken for the one before."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from torch import nn

import frontdef
from frontdef.errors import ModelError
from frontdef.models.digest import code_digest
from frontdef.models.live import adopt, borrowed
from frontdef.models.wrapped import Reading
from tests.forks import python

SHAPE = (1, 8, 8)


class Net(nn.Module):
    def __init__(self, scale=1.0):
        super().__init__()
        self.conv, self.norm, self.linear = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Linear(144, 3)
        self.dropout = nn.Dropout(0.5)
        self.scale = scale
        self.shift = torch.zeros(1)

    def forward(self, x):
        return self.scale * self.linear(self.dropout(self.norm(self.conv(x))).flatten(1)) + self.shift


class Other(Net):
    def forward(self, x):
        return super().forward(x) + 0.0 * x.sum()


def net(seed=0, kind=Net, **keys):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return kind(**keys)


@pytest.fixture
def images():
    return torch.rand((12, *SHAPE), generator=torch.Generator().manual_seed(0))


def test_a_module_is_left_as_it_was(images):
    model = net().train()
    model.norm.eval()
    model.linear.weight.requires_grad_(False)
    model.conv.bias.grad = torch.ones(4)
    modes = [module.training for module in model.modules()]
    flags = [parameter.requires_grad for parameter in model.parameters()]
    values = {name: value.clone() for name, value in model.state_dict().items()}
    generator = torch.get_rng_state()
    user = adopt(model, images)
    with borrowed(user.module) as protected:
        assert not any(module.training for module in model.modules())
        assert not any(parameter.requires_grad for parameter in model.parameters())
        torch.testing.assert_close(protected(images), model(images))
    assert [module.training for module in model.modules()] == modes
    assert [parameter.requires_grad for parameter in model.parameters()] == flags
    assert torch.equal(model.conv.bias.grad, torch.ones(4))
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in values.items())
    assert torch.equal(torch.get_rng_state(), generator)


def test_flags_come_back_where_an_attack_raises():
    model = net().train()
    with pytest.raises(RuntimeError, match="attack"), borrowed(model):
        raise RuntimeError("attack")
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())


HOLDER = {"factor": 1.0}


def changed(kind):
    model = net()
    if kind == "a weight":
        model.linear.bias.data[0] += 1e-4
    elif kind == "a statistic":
        model.norm.running_mean += 1e-4
    elif kind == "a number":
        model.scale = 1.5
    elif kind == "a plain tensor":
        model.shift = torch.ones(1)
    elif kind == "its class":
        model = net(kind=Other)
    elif kind == "its forward":
        model.forward = lambda x: Net.forward(model, x) + 1e-3
    elif kind == "a hook":
        model.register_forward_hook(lambda module, x, y: y * 1.001)
    elif kind == "a layer's setting":
        model.norm.eps = 1e-2
    return model


KINDS = (
    "a weight",
    "a statistic",
    "a number",
    "a plain tensor",
    "its class",
    "its forward",
    "a hook",
    "a layer's setting",
)


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_changes_a_model_changes_its_key(images, kind):
    assert adopt(net(), images).key == adopt(net(), images).key
    assert adopt(changed(kind), images).key != adopt(net(), images).key


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in {"a weight", "a statistic"}])
def test_code_settings_and_hooks_are_told_apart_without_a_pass(kind):
    assert code_digest(net()) == code_digest(net(seed=1))
    assert code_digest(changed(kind)) != code_digest(net())


def test_what_no_inspection_sees_the_pass_over_inputs_does(images):
    class Hidden(Net):
        def forward(self, x):
            return super().forward(x) * HOLDER["factor"]

    before = adopt(net(kind=Hidden), images).key
    HOLDER["factor"] = 2.0
    try:
        assert adopt(net(kind=Hidden), images).key != before
    finally:
        HOLDER["factor"] = 1.0


def test_the_key_is_the_same_in_every_process():
    """Sets have no order of their own, and addresses change: neither may decide."""
    code = textwrap.dedent("""
        import torch
        from torch import nn
        from frontdef.models.live import adopt

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                torch.manual_seed(0)
                self.linear, self.kinds = nn.Linear(4, 3), {"a", "b", "c", "d"}
            def forward(self, x):
                assert "a" in {"a", "b", "c", "d", "e"}
                return self.linear(x.flatten(1))
        net = Net()
        x = torch.rand((4, 1, 2, 2), generator=torch.Generator().manual_seed(0))
        print(adopt(net, x).key, adopt(lambda x: net(x), x).key)
    """)
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    command, environment = [sys.executable, "-c", code], {"PYTHONHASHSEED": seed}
    there = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    here = python("-c", code)
    assert here.code == 0, here.err
    assert here.out == there.stdout


def test_a_function_is_a_model_and_what_it_closes_over_counts(images):
    model = net().eval()
    user = adopt(lambda x: model(x), images)
    torch.testing.assert_close(user.module(images), model(images))
    assert user.differentiable
    model.linear.bias.data += 1e-7
    assert adopt(lambda x: model(x), images).key != user.key
    assert adopt(lambda x: model(x) + 0.0, images).key != adopt(lambda x: model(x), images).key


def test_a_function_without_a_gradient_says_so(images):
    def decide(x):
        scores = x.detach().numpy().mean((1, 2, 3))
        return np.stack([scores, 1 - scores], axis=1)

    user = adopt(decide, images)
    assert user.module(images).shape == (12, 2)
    assert user.module(images).dtype == torch.float32
    assert not user.differentiable
    assert [(note.about, note.severity) for note in user.notes] == [("gradient", "warning")]


def test_a_protected_is_taken_whole(images):
    protected = frontdef.protect(net(), image_shape=SHAPE)
    user = adopt(protected, images)
    assert user.module is protected
    with borrowed(user.module) as same:
        assert same is protected


def test_a_reading_goes_in_front(images):
    model = net().eval()
    user = adopt(model, images, reading=Reading(input_range=(0, 255)))
    with borrowed(user.module) as protected:
        torch.testing.assert_close(protected(images), model(images * 255))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: net().half(), "half precision (conv.bias is float16)"),
        (lambda: net().bfloat16(), "half precision (conv.bias is bfloat16)"),
        (lambda: net().double(), "float64"),
        (lambda: net().to("meta"), "meta"),
        (lambda: "net.pt", "is a str"),
        (lambda: lambda x: x.flatten(1).argmax(1), "shape (8,)"),
        (lambda: lambda x: [1, 2], "not a tensor of logits"),
        (lambda: nn.Conv2d(3, 2, 3), "reads 3 channels, the images have 1"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 1)), "a single logit"),
    ],
)
def test_what_can_not_be_attacked_is_refused_with_its_mend(images, make, said):
    with pytest.raises(ModelError) as caught:
        adopt(make(), images)
    assert said in str(caught.value)


def test_a_module_on_another_device_is_refused(images):
    with pytest.raises(ModelError, match=r"is on cpu, cuda is asked for\. Mend: device='cpu'"):
        adopt(net(), images, device="cuda")
