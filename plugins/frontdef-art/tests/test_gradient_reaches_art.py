"""The surrogate's gradient is what ART's classifier hands to its attacks; front ends chain where ART's own don't."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from art.estimators.classification import PyTorchClassifier
from frontdef_art.table import DEFENSES
from torch import nn

from frontdef.art import FrontEndPreprocessor

SURROGATES = [(d.name, surrogate.name) for d in DEFENSES for surrogate in d.front_end_class().surrogates]
LABELS = torch.tensor([3, 1, 4])


def _classifier(net, images, *front_ends):
    return PyTorchClassifier(
        net,
        nn.CrossEntropyLoss(),
        tuple(images.shape[1:]),
        10,
        clip_values=(0, 1),
        preprocessing_defences=[FrontEndPreprocessor(front_end) for front_end in front_ends],
        device_type="cpu",
    )


def _by_autograd(function, images):
    x = images.clone().requires_grad_()
    (grad,) = torch.autograd.grad(nn.functional.cross_entropy(function(x), LABELS), x)
    return grad.numpy()


@pytest.mark.parametrize(("name", "surrogate"), SURROGATES)
def test_loss_gradient(name, surrogate, build, net, gray):
    images, front_end = gray[:3], build(name, surrogate)
    model = net(front_end, images)
    classifier = _classifier(model, images, front_end)
    one_hot = np.eye(10, dtype=np.float32)[LABELS]
    front_end.reseed(0)
    through_art = classifier.loss_gradient(images.numpy(), one_hot)
    front_end.reseed(0)
    by_hand = _by_autograd(lambda x: model(front_end(x)), images)
    assert np.abs(by_hand).max() > 0
    np.testing.assert_allclose(through_art, by_hand, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("name", ["art-jpeg", "art-spatial-smoothing", "art-thermometer"])
def test_class_gradient(name, build, net, gray):
    images, front_end = gray[:3], build(name)
    model = net(front_end, images)
    through_art = _classifier(model, images, front_end).class_gradient(images.numpy())
    assert through_art.shape == (3, 10, 1, 28, 28)
    x = images.clone().requires_grad_()
    logits = model(front_end(x))
    by_hand = torch.stack([torch.autograd.grad(logits[:, k].sum(), x, retain_graph=True)[0] for k in range(10)], 1)
    np.testing.assert_allclose(through_art, by_hand.numpy(), rtol=1e-5, atol=1e-8)


def test_three_front_ends_chain(build, net, gray):
    images = gray[:3]
    chain = [build("art-spatial-smoothing"), build("art-jpeg"), build("art-thermometer")]
    model = net(nn.Sequential(*chain), images)
    through_art = _classifier(model, images, *chain).loss_gradient(images.numpy(), np.eye(10, dtype=np.float32)[LABELS])
    by_hand = _by_autograd(lambda x: model(chain[2](chain[1](chain[0](x)))), images)
    assert np.abs(by_hand).max() > 0
    np.testing.assert_allclose(through_art, by_hand, rtol=1e-5, atol=1e-9)
