"""The front end in an ART pipeline that knows nothing of the runner."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 5, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 12 * 12, 10)
    ).requires_grad_(False)


@pytest.fixture
def pipeline(network):
    from art.estimators.classification import PyTorchClassifier

    from frontdef.art import FrontEndPreprocessor

    def build(front_end):
        return PyTorchClassifier(
            model=network,
            loss=nn.CrossEntropyLoss(),
            input_shape=(1, 28, 28),
            nb_classes=10,
            clip_values=(0.0, 1.0),
            preprocessing_defences=[FrontEndPreprocessor(front_end)],
        )

    return build


def test_predict_is_the_network_after_the_front_end(make, images, pipeline, network):
    x = images(8, 1, 28, 28)
    logits = network(make()(x)).numpy()
    np.testing.assert_allclose(pipeline(make()).predict(x.numpy()), logits, rtol=0, atol=1e-6)
    assert np.abs(logits - network(x).numpy()).max() > 1e-2


@pytest.mark.parametrize("surrogate", ["projection", "adjoint", "true", "identity"])
def test_gradients_arrive(make, images, pipeline, network, surrogate):
    x = images(8, 1, 28, 28)
    labels = torch.arange(8)
    front_end = make(surrogate)
    classifier = pipeline(front_end)
    inputs = x.clone().requires_grad_()
    logits = network(front_end(inputs))
    (expected,) = torch.autograd.grad(nn.functional.cross_entropy(logits, labels), inputs, retain_graph=True)
    own = classifier.loss_gradient(x.numpy(), np.eye(10, dtype=np.float32)[labels])
    assert np.abs(own).max() > 0
    np.testing.assert_allclose(own, expected.numpy(), rtol=1e-5, atol=1e-8)
    (of_class_3,) = torch.autograd.grad(logits[:, 3].sum(), inputs)
    np.testing.assert_allclose(
        classifier.class_gradient(x.numpy(), label=3)[:, 0], of_class_3.numpy(), rtol=1e-5, atol=1e-7
    )


def test_estimate_gradient_is_the_pull_back(make, images, reference):
    from frontdef.art import FrontEndPreprocessor

    front_end = make(keep=0.1)
    x = images(2, 1, 12, 12).numpy()
    grad = np.random.default_rng(0).standard_normal((2, 1, 12, 12)).astype(np.float32)
    own = FrontEndPreprocessor(front_end).estimate_gradient(x, grad)
    for image, upstream, pulled in zip(x, grad, own, strict=True):
        mask = reference.support(image.astype(np.float64), 14, front_end.config)
        np.testing.assert_allclose(pulled, reference.project(upstream, mask, front_end.config), rtol=0, atol=1e-5)
