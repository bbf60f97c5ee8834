"""Models that look robust to whoever follows their gradient."""

from __future__ import annotations

import torch
from art.preprocessing.preprocessing import PreprocessorPyTorch
from torch import nn
from torch.nn import functional as F

from frontdef import bpda
from frontdef.config import Config
from frontdef.frontend import FrontEnd, Identity
from frontdef.protected import Protected

from . import member
from .lab import SHAPE, Lab


def front(forward) -> FrontEnd:
    """A front end from a function, by no rule of the house."""

    class Liar(FrontEnd[Config]):
        keeps_range = False

        def forward(self, x):
            return forward(x)

    return Liar(Config())


class Wrapped(nn.Module):
    """A classifier whose logits pass through a function."""

    def __init__(self, classifier: nn.Module, function) -> None:
        super().__init__()
        self.classifier = classifier
        self.function = function

    def forward(self, x):
        return self.function(self.classifier(x))


def before(lab: Lab, forward) -> Protected:
    return Protected(front(forward), lab.undefended, image_shape=SHAPE)


def behind(lab: Lab, function) -> Protected:
    return Protected(Identity(Config()), Wrapped(lab.undefended, function), image_shape=SHAPE)


class ArtRounding(PreprocessorPyTorch):
    """As ART's documentation has it: rounds, and gives the identity as its differentiable estimate."""

    def forward(self, x, y=None):
        return torch.round(x * 7) / 7, y

    def estimate_forward(self, x, y=None):
        return x


@member("rounding with estimate_forward only", "liar", seen=True)
def rounding(lab: Lab) -> Protected:
    """An ART preprocessor whose BPDA estimate ART 1.20.1 never calls: the gradient of rounding is zero."""
    preprocessor = ArtRounding()
    return before(lab, lambda x: preprocessor.forward(x)[0])


@member("gradient of the wrong sign", "liar", seen=True)
def wrong_sign(lab: Lab) -> Protected:
    """The gradient points downhill."""
    return before(lab, lambda x: bpda.replace_gradient(x, -x))


@member("hidden randomness", "liar", seen=True)
def hidden_randomness(lab: Lab) -> Protected:
    """Noise from the global generator, in a front end that does not declare it."""
    return before(lab, lambda x: x + 0.2 * torch.randn_like(x))


@member("temperature", "liar", seen=True)
def temperature(lab: Lab) -> Protected:
    """Logits times 10 000, as a network distilled at a high temperature has them: the softmax is exactly 0 or 1."""
    return behind(lab, lambda logits: 1e4 * logits)


@member("batch statistics", "liar", seen=True)
def batch_statistics(lab: Lab) -> Protected:
    """Normalizes with the statistics of the batch, as a layer does that was left in training mode."""
    mean, std = lab.train.images.mean(), lab.train.images.std()
    return before(lab, lambda x: (x - x.mean()) / x.std() * std + mean)


@member("random gradient", "liar", seen=True)
def random_gradient(lab: Lab) -> Protected:
    """The backward pass returns noise."""

    def forward(x):
        generator = torch.Generator().manual_seed(int(x.detach().double().sum() * 1e6) % 2**31)
        return bpda.replace_gradient(x, x * torch.randn(x.shape, generator=generator))

    return before(lab, forward)


@member("zero-gradient sign", "liar", seen=True)
def zero_gradient_sign(lab: Lab) -> Protected:
    """Binarizes pixels with the true derivative of a step, which is zero."""
    front_end = front(lambda x: bpda.step_function(x, x.new_tensor([0.5]), x.new_tensor([0.0, 1.0]), bpda.NONE))
    return Protected(front_end, lab.binary, image_shape=SHAPE)


@member("saturated sigmoid", "liar", seen=True)
def saturated_sigmoid(lab: Lab) -> Protected:
    """Binarizes pixels with a sigmoid so steep that its true derivative underflows almost everywhere."""
    return Protected(front(lambda x: torch.sigmoid(1e4 * (x - 0.5))), lab.binary, image_shape=SHAPE)


@member("NaN gradients", "liar", seen=True)
def nan_gradients(lab: Lab) -> Protected:
    """A square root of zero in the backward pass: attacks end in images of NaN, or in an error."""
    return before(lab, lambda x: x + torch.sqrt(x * 0))


@member("detached output", "liar", seen=True)
def detached_output(lab: Lab) -> Protected:
    """The graph is cut: libraries raise, or an evaluation goes on with the clean images."""
    return before(lab, lambda x: x.detach().clone())


@member("clipped logits", "liar", seen=True)
def clipped_logits(lab: Lab) -> Protected:
    """Logits are cut off at 0 and 1, where nothing has a slope."""
    return behind(lab, lambda logits: logits.clamp(0, 1))


@member("label vote", "liar", seen=True)
def label_vote(lab: Lab) -> Protected:
    """A label leaks through the batch: the mean prediction of all helps each sample, and test sets come sorted."""
    return behind(lab, lambda logits: logits + 20 * F.softmax(logits, dim=1).mean(dim=0))


@member("shattered gradient", "liar", seen=True)
def shattered_gradient(lab: Lab) -> Protected:
    """A ripple of a thousandth of a pixel's range whose slope drowns that of the image; its gradient is true."""
    return before(lab, lambda x: x + 1e-3 * torch.sin(1e5 * x))


@member("defensive distillation", "liar", seen=True)
def distillation(lab: Lab) -> Protected:
    """The published defense: trained at a temperature of 100, used at 1, so that the softmax saturates."""
    return Protected(Identity(Config()), lab.distilled, image_shape=SHAPE)


@member("saturated softmax", "liar", seen=True)
def saturated_softmax(lab: Lab) -> Protected:
    """The model ends in a softmax of its own, at a temperature that rounds it to 0 and 1."""
    return behind(lab, lambda logits: F.softmax(50 * logits, dim=1))


@member("two surrogates that lie", "liar", seen=True)
def lying_surrogates(lab: Lab) -> Protected:
    """Offers two gradients under honest names; one is zero, the other points downhill."""

    class Liar(FrontEnd[Config]):
        surrogates = (bpda.IDENTITY, bpda.SMOOTH)

        def forward(self, x):
            return bpda.replace_gradient(bpda.quantize(x, 8), {"identity": 0 * x, "smooth": -x}[self.surrogate.name])

    return Protected(Liar(Config()), lab.undefended, image_shape=SHAPE)
