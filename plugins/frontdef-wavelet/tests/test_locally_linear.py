"""The locally linear attack through this front end is the paper's: ε·sgn(P_K(w, x₂)), computed with PyWavelets."""

from __future__ import annotations

import numpy as np
import pytest
import pywt
import torch
from torch import nn

import frontdef
from frontdef.attacks.families import FAMILIES
from frontdef.attacks.native.library import NativeLibrary
from frontdef.attacks.spec import make_spec

FAMILY = next(family for family in FAMILIES if family.name == "locally-linear")
K = 23
"""⌊0.03 · 784⌋."""


@pytest.fixture
def two_classes():
    """A linear classifier of two classes, four images away from 0 and 1, and their labels."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(784, 2))
    return network, 0.3 + 0.4 * torch.rand(4, 1, 28, 28), torch.tensor([0, 1, 0, 1])


def projected(w, x):
    """P_K(w, x): of the coefficients of w those that are among the K largest of x."""
    (of_w, slices), (of_x, _) = (
        pywt.coeffs_to_array(pywt.wavedec2(image, "bior4.4", "periodization", level=1)) for image in (w, x)
    )
    kept = np.abs(of_x) >= np.sort(np.abs(of_x).ravel())[-K]
    return pywt.waverec2(pywt.array_to_coeffs(of_w * kept, slices, "wavedec2"), "bior4.4", "periodization")


def attack(network, x, y, eps, **parameters):
    protected = frontdef.protect(network, "wavelet", image_shape=(1, 28, 28), surrogate="projection")
    return NativeLibrary().run(make_spec(FAMILY, "linf", eps, parameters), protected, x, y)


def test_one_step(two_classes):
    network, x, y = two_classes
    w = (network[1].weight[1] - network[1].weight[0]).detach().double().view(28, 28).numpy()
    examples = attack(network, x, y, 0.1)
    for image, label, example in zip(x, y, examples, strict=True):
        e = (0.1 if label == 0 else -0.1) * np.sign(projected(w, image[0].double().numpy()))
        np.testing.assert_allclose((example - image)[0].numpy(), e, atol=1e-6)


def test_the_support_of_the_clean_image_or_of_the_iterate(two_classes):
    """Several steps at x₂ = x are one long one, because w and P_K stay; at x₂ = x + e the support moves."""
    network, x, y = two_classes
    clean = attack(network, x, y, 0.2, steps=4, relative_step=0.25, x2="clean")
    torch.testing.assert_close(clean, attack(network, x, y, 0.2))
    current = attack(network, x, y, 0.2, steps=4, relative_step=0.25)
    assert not torch.allclose(current, clean, atol=1e-3)


def test_the_semi_white_attacker_knows_w_alone(two_classes):
    network, x, y = two_classes
    signs = torch.where(y == 0, 1.0, -1.0).view(-1, 1, 1, 1)
    w = (network[1].weight[1] - network[1].weight[0]).detach().view(1, 1, 28, 28)
    examples = attack(network, x, y, 0.1, knowledge="semi-white")
    torch.testing.assert_close(examples, x + 0.1 * signs * w.sign())
