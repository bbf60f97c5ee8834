"""Liars and honest models none of which had been judged when the last rule was changed."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

from frontdef import bpda
from frontdef.config import Config
from frontdef.frontend import FrontEnd
from frontdef.protected import Protected
from frontdef.stage import Stage

from . import member
from .architectures import normalized
from .lab import ADVERSARIAL, CLEAN, Lab, cnn
from .liars import Wrapped, front


@member("rounded logits", "liar", seen=False, slow=True)
def rounded_logits(lab: Lab) -> Protected:
    """Logits are published to the nearest integer, by a rounding whose true derivative is zero."""
    return lab.bare(Wrapped(lab.undefended, torch.round))


class Vote(nn.Module):
    """Counts the votes of several networks."""

    def __init__(self, *networks: nn.Module) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, x):
        votes = [F.one_hot(network(x).argmax(dim=1), 10) for network in self.networks]
        tie = 1e-3 * self.networks[0](x)
        return torch.stack(votes).sum(dim=0) + tie


@member("vote", "liar", seen=False, slow=True, hint=True, sure=False)
def vote(lab: Lab) -> Protected:
    """Three networks vote; the slope is that of the first alone, which breaks ties."""
    return lab.bare(Vote(*(Lab(seed).undefended for seed in (10, 11, 12))))


@member("gradient of another network", "liar", seen=False, slow=True)
def another_network(lab: Lab) -> Protected:
    """Decides as one network, and has the gradient of one that was never trained."""

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network, self.shown = lab.undefended, lab.dense()

        def forward(self, x):
            shown = self.shown(x)
            return self.network(x).detach() + shown - shown.detach()

    return lab.bare(Two())


@member("NaN on noise", "liar", seen=False, slow=True)
def nan_on_noise(lab: Lab) -> Protected:
    """A detector that answers what looks attacked with NaN, which no comparison finds larger than anything."""

    class Alarm(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = lab.undefended

        def forward(self, x):
            rough = (x[..., 1:] - x[..., :-1]).abs().mean(dim=(1, 2, 3))
            return torch.where((rough > 0.12)[:, None], torch.nan, self.network(x))

    return lab.bare(Alarm())


@member("batch norm left in training", "liar", seen=False, slow=True)
def training_norm(lab: Lab) -> Protected:
    """Normalizes with the batch at hand although it is in eval mode."""
    network = lab.fit(normalized)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.track_running_stats, layer.running_mean, layer.running_var = False, None, None
    return lab.bare(network)


@member("saturated tanh", "liar", seen=False, slow=True)
def saturated_tanh(lab: Lab) -> Protected:
    """Each logit through a tanh so steep that only the border has a slope."""
    return lab.bare(Wrapped(lab.undefended, lambda logits: torch.tanh(200 * (logits - logits.mean(1, keepdim=True)))))


@member("thermometer without a slope", "liar", seen=False, slow=True)
def thermometer(lab: Lab) -> Protected:
    """Counts the thresholds that a pixel exceeds, with the true derivative."""
    front_end = front(lambda x: sum((x > t).to(x.dtype) for t in (0.2, 0.4, 0.6, 0.8)) / 4)
    return lab.behind(front_end, lab.dense)


@member("two honeypots", "liar", seen=False, slow=True, hint=True, task="three")
def two_honeypots(lab: Lab) -> Protected:
    """Of three classes both wrong ones look as if they were about to win."""

    class Traps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = lab.undefended
            slope = torch.randn(784, 3, generator=torch.Generator().manual_seed(3)) / 28
            self.register_buffer("slope", slope)

        def forward(self, x):
            logits = self.network(x)
            top = logits.amax(dim=1, keepdim=True)
            return torch.where(logits == top, logits, top - 0.1 * (2 - torch.tanh(x.flatten(1) @ self.slope)))

    return lab.bare(Traps())


def activated(activation: type[nn.Module]) -> nn.Module:
    """A dense network of three layers."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 96), activation(), nn.Linear(96, 64), activation(), nn.Linear(64, 10)
    )


@member("GELU", "honest", seen=False, slow=True)
def gelu(lab: Lab) -> Protected:
    """A smooth activation."""
    return lab.bare(lab.fit(lambda: activated(nn.GELU)))


@member("sigmoid", "honest", seen=False, slow=True)
def sigmoid(lab: Lab) -> Protected:
    """Activations that saturate a little, as networks had them once."""
    return lab.bare(lab.fit(lambda: activated(nn.Sigmoid)))


@member("max pooling", "honest", seen=False, slow=True)
def pooling(lab: Lab) -> Protected:
    """The gradient reaches one of four activations."""
    build = lambda: nn.Sequential(  # noqa: E731
        nn.PixelUnshuffle(4), nn.Conv2d(16, 24, 1), nn.ReLU(), nn.Conv2d(24, 24, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(24 * 9, 10),
    )  # fmt: skip
    return lab.bare(lab.fit(build))


class Residual(nn.Module):
    """A layer around which its input passes."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = nn.Linear(width, width)

    def forward(self, x):
        return x + F.relu(self.layer(x))


@member("residual", "honest", seen=False, slow=True)
def residual(lab: Lab) -> Protected:
    """Six residual layers."""
    return lab.bare(
        lab.fit(lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 64), *map(Residual, [64] * 6), nn.Linear(64, 10)))
    )


@member("linear", "honest", seen=False, slow=True)
def linear(lab: Lab) -> Protected:
    """Softmax regression: the gradient is the same everywhere."""
    return lab.bare(lab.fit(lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10))))


@member("mean probability of three networks", "honest", seen=False, slow=True)
def ensemble(lab: Lab) -> Protected:
    """Logits are logarithms of the mean probability."""

    class Mean(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.networks = nn.ModuleList([Lab(seed).undefended for seed in (10, 11, 12)])

        def forward(self, x):
            return torch.stack([network(x).log_softmax(1) for network in self.networks]).logsumexp(0) - math.log(3)

    return lab.bare(Mean())


@member("PGD-trained on color", "honest", seen=False, slow=True, task="color")
def color_robust(lab: Lab) -> Protected:
    """Adversarially trained with three channels and batch norm."""
    return lab.bare(lab.fit(lambda: normalized(3), None, CLEAN, ADVERSARIAL))


@member("blur", "honest", seen=False, slow=True)
def blur(lab: Lab) -> Protected:
    """A linear front end: the mean of three by three pixels."""
    return lab.behind(front(lambda x: F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)), lab.dense)


@member("strong noise under EOT", "honest", seen=False, slow=True, task="three")
def strong_noise(lab: Lab) -> Protected:
    """Declared Gaussian noise of σ = 0.5 on three classes."""

    class Noise(FrontEnd[Config]):
        randomized = True
        keeps_range = False

        def forward(self, x):
            return x + 0.5 * torch.randn(x.shape, generator=self.generator(x.device), device=x.device)

    return lab.behind(Noise(Config()), lab.dense)


@member("fine quantizer with its surrogate", "honest", seen=False, slow=True, task="color")
def fine_quantizer(lab: Lab) -> Protected:
    """Sixteen levels a channel, with the identity as the gradient."""

    class Quantizer(FrontEnd[Config]):
        surrogates = (bpda.IDENTITY, bpda.SMOOTH)

        def forward(self, x):
            return bpda.quantize(x, 16, self.surrogate)

    return Protected(Quantizer(Config()), lab.undefended, image_shape=lab.shape)


@member("long trained and robust", "honest", seen=False, slow=True)
def long_robust(lab: Lab) -> Protected:
    """The CNN, adversarially trained for longer."""
    stages = (CLEAN, Stage(epochs=10, lr=2e-3, batch_size=64, adversarial="linf", eps=0.15, attack_steps=5))
    return lab.bare(lab.fit(cnn, None, *stages))
