"""frontdef.load inside an ART pipeline written by somebody who never heard of the runner."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from art.attacks.evasion import FastGradientMethod, ProjectedGradientDescent
from art.defences.preprocessor import SpatialSmoothingPyTorch
from art.estimators.classification import PyTorchClassifier
from torch import nn

import frontdef
from frontdef.art import FrontEndPreprocessor
from frontdef.errors import ImageError
from frontdef.registry import get_dataset

SHAPE = (1, 28, 28)


class Bank(frontdef.FrontEnd):
    """A filter bank: (N,1,28,28) → (N,4,14,14), so the output has another shape than the input."""

    def __init__(self, config, **kwargs):
        super().__init__(config, **kwargs)
        weight = torch.randn(4, 1, 3, 3, generator=torch.Generator().manual_seed(0)) / 3
        self.register_buffer("weight", weight)

    def forward(self, x):
        return torch.tanh(nn.functional.conv2d(x, self.weight, stride=2, padding=1))


@pytest.fixture(scope="module")
def data():
    split = get_dataset("digits").load("train").take(400, 0)
    return split.images.numpy(), np.eye(10, dtype=np.float32)[split.labels.numpy()]


def pipeline(*defenses, inputs=784):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(inputs, 64), nn.Tanh(), nn.Linear(64, 10))
    return PyTorchClassifier(
        net,
        nn.CrossEntropyLoss(),
        SHAPE,
        10,
        optimizer=torch.optim.Adam(net.parameters(), 2e-3),
        clip_values=(0, 1),
        preprocessing_defences=list(defenses),
        device_type="cpu",
    )


def smoothing():
    return SpatialSmoothingPyTorch(window_size=3, channels_first=True, clip_values=(0, 1), device_type="cpu")


PIPELINES = {
    "alone": lambda: pipeline(frontdef.load("none")),
    "before ART's": lambda: pipeline(frontdef.load("none"), smoothing()),
    "after ART's": lambda: pipeline(smoothing(), frontdef.load("none")),
    "another shape": lambda: pipeline(FrontEndPreprocessor(Bank(frontdef.Config())), inputs=784),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_fit_predict_and_attack(name, data):
    classifier = PIPELINES[name]()
    x, y = data
    classifier.fit(x, y, nb_epochs=8, batch_size=64)
    accuracy = (classifier.predict(x).argmax(1) == y.argmax(1)).mean()
    assert accuracy > 0.9
    attack = ProjectedGradientDescent(classifier, eps=0.2, eps_step=0.05, max_iter=10, batch_size=200, verbose=False)
    x_adv = attack.generate(x[:200], y[:200])
    assert (classifier.predict(x_adv).argmax(1) == y[:200].argmax(1)).mean() < 0.5 * accuracy


@pytest.mark.parametrize("name", PIPELINES)
def test_gradients_are_those_of_finite_differences(name, data):
    classifier = PIPELINES[name]()
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0.1, 0.9, (2, *SHAPE)).astype(np.float32), data[1][:2]
    direction = rng.standard_normal(x.shape).astype(np.float32)
    h = 5e-5
    loss = [classifier.compute_loss(x + sign * h * direction, y, reduction="sum") for sign in (1, -1)]
    numeric = (loss[0] - loss[1]) / (2 * h)
    analytic = (classifier.loss_gradient(x, y) * direction).sum() * len(x)
    assert analytic == pytest.approx(float(np.sum(numeric)), rel=0.05)
    per_class = classifier.class_gradient(x)
    assert per_class.shape == (2, 10, *SHAPE)
    logits = [classifier.predict(x + sign * h * direction) for sign in (1, -1)]
    numeric = (logits[0] - logits[1]) / (2 * h)
    assert (per_class * direction[:, None]).sum((2, 3, 4)) == pytest.approx(numeric, rel=0.05, abs=0.02)


def test_estimate_gradient_for_loss_and_class_gradients_of_another_shape():
    bank = Bank(frontdef.Config())
    preprocessor = FrontEndPreprocessor(bank)
    x = np.random.default_rng(0).random((3, 1, 28, 28), dtype=np.float32)
    upstream = np.random.default_rng(1).standard_normal((3, 5, 4, 14, 14)).astype(np.float32)
    by_class = preprocessor.estimate_gradient(x, upstream)
    assert by_class.shape == (3, 5, 1, 28, 28)
    for k in range(5):
        inputs = torch.tensor(x, requires_grad=True)
        (expected,) = torch.autograd.grad(bank(inputs), inputs, torch.tensor(upstream[:, k]))
        assert np.allclose(by_class[:, k], expected.numpy(), atol=1e-6)
        assert np.array_equal(preprocessor.estimate_gradient(x, upstream[:, k].copy()), expected.numpy())
    with pytest.raises(ImageError, match=r"\(N, \*\(4, 14, 14\)\)"):
        preprocessor.estimate_gradient(x, x)


def test_the_front_end_is_in_eval_mode_and_frozen():
    preprocessor = frontdef.load("none")
    assert not preprocessor.front_end.training
    assert all(not parameter.requires_grad for parameter in preprocessor.front_end.parameters())


def test_one_preprocessor_in_two_pipelines_and_fgsm(data):
    shared = frontdef.load("none")
    x, y = data[0][:20], data[1][:20]
    first = [FastGradientMethod(pipeline(shared), eps=0.1, batch_size=20).generate(x, y) for _ in range(2)]
    assert np.array_equal(*first)
