"""Grad-CAM of captum against its definition: channels weighted by their mean gradient, summed, cut at 0."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from frontdef import Config, Protected
from frontdef.errors import ConfigError
from frontdef.frontend import Identity


@pytest.fixture
def protected():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(64, 3))
    return Protected(Identity(Config()), network, image_shape=(1, 8, 8))


def by_hand(protected, x, y):
    features = protected.classifier[0](x).requires_grad_()
    logits = protected.classifier[1:](features)
    (gradient,) = torch.autograd.grad(logits.gather(1, y[:, None]).sum(), features)
    heat = (gradient.mean((2, 3), keepdim=True) * features).sum(1, keepdim=True).clamp_min(0).detach()
    return heat / heat.amax((2, 3), keepdim=True).clamp_min(1e-12)


def test_the_definition(protected, images):
    pytest.importorskip("captum")
    from frontdef_hah.gradcam import grad_cam

    x = images(5, 1, 8, 8)
    y = torch.tensor([0, 1, 2, 0, 1])
    torch.testing.assert_close(grad_cam(protected, x, "classifier.0", y), by_hand(protected, x, y))
    predicted = protected.predict(x).argmax(1)
    torch.testing.assert_close(grad_cam(protected, x), by_hand(protected, x, predicted))
    assert protected.passes.forward == protected.passes.backward == 0


def test_a_smaller_layer_is_brought_to_the_images_size(protected, images):
    pytest.importorskip("captum")
    from frontdef_hah.gradcam import grad_cam

    heat = grad_cam(protected, images(2, 1, 8, 8), "classifier.2")
    assert heat.shape == (2, 1, 8, 8)
    assert heat.min() >= 0
    assert heat.max() <= 1


def test_a_block_of_the_front_end(trained, digits):
    pytest.importorskip("captum")
    from frontdef_hah.gradcam import grad_cam

    heat = grad_cam(trained(), digits.images[:4], "front_end.blocks.0")
    assert heat.shape == (4, 1, 12, 12)
    assert F.relu(heat).sum() > 0


def test_a_layer_that_does_not_exist(protected, images):
    pytest.importorskip("captum")
    from frontdef_hah.gradcam import grad_cam

    with pytest.raises(ConfigError, match=r"Did you mean 'classifier\.2'"):
        grad_cam(protected, images(1, 1, 8, 8), "clasifier.2")
