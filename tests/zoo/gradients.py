"""Liars whose gradient is wrong in ways that a glance does not show."""

from __future__ import annotations

import torch
from torch import nn

from frontdef import bpda
from frontdef.config import Config
from frontdef.frontend import FrontEnd
from frontdef.protected import Protected

from . import member
from .lab import Lab
from .liars import front


class WrongClasses(nn.Module):
    """The right logits with the gradients of other classes'."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x):
        logits = self.network(x)
        turned = logits.roll(3, dims=1)
        return logits.detach() + turned - turned.detach()


@member("gradients of other classes", "liar", seen=True)
def wrong_classes(lab: Lab) -> Protected:
    """Each logit has the gradient of the one three places away."""
    return lab.bare(WrongClasses(lab.undefended))


@member("blind where it counts", "liar", seen=True)
def blind(lab: Lab) -> Protected:
    """The gradient reaches the outer pixels only, where digits have nothing to say."""
    inner = torch.zeros(lab.shape)
    inner[..., 4:-4, 4:-4] = 1
    return Protected(front(lambda x: x * (1 - inner) + (x * inner).detach()), lab.undefended, image_shape=lab.shape)


class WinnersTakeAll(nn.Module):
    """k-winners-take-all (Xiao et al. 2020, arXiv:1905.10510): of all activations the k largest remain."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x):
        least = x.topk(max(1, round(self.share * x.shape[1])), dim=1).values[:, -1:]
        return torch.where(x >= least, x, torch.zeros_like(x))


def winners() -> nn.Module:
    """A dense network with k winners."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 1024), WinnersTakeAll(0.02), nn.Linear(1024, 256), WinnersTakeAll(0.02),
        nn.Linear(256, 10),
    )  # fmt: skip


@member("k winners take all", "liar", seen=True, hint=True, slow=True)
def kwta(lab: Lab) -> Protected:
    """The published defense: activations jump, so the true gradient is that of a small piece."""
    return lab.bare(lab.fit(winners))


@member("randomized rounding", "liar", seen=True, slow=True)
def randomized_rounding(lab: Lab) -> Protected:
    """Declared noise before rounding with its true derivative: all the draws of EOT have a zero gradient."""

    class Rounding(FrontEnd[Config]):
        randomized = True

        def forward(self, x):
            noise = torch.rand(x.shape, generator=self.generator(x.device), device=x.device) - 0.5
            return bpda.quantize((x + 0.2 * noise).clamp(0, 1), 6, bpda.NONE)

    return Protected(Rounding(Config()), lab.undefended, image_shape=lab.shape)


class Scaled(nn.Module):
    """Logits times a constant."""

    def __init__(self, network: nn.Module, scale: float) -> None:
        super().__init__()
        self.network, self.scale = network, scale

    def forward(self, x):
        return self.scale * self.network(x)


@member("temperature of three classes", "liar", seen=True, task="three", slow=True)
def temperature_three(lab: Lab) -> Protected:
    """Logits times 10 000 where DLR has hardly anything to divide by."""
    return lab.bare(Scaled(lab.undefended, 1e4))


@member("color quantization", "liar", seen=True, task="color", slow=True)
def color_quantization(lab: Lab) -> Protected:
    """Four levels a channel, with their true derivative."""
    front_end = front(lambda x: bpda.quantize(x, 4, bpda.NONE))
    return Protected(front_end, lab.undefended, image_shape=lab.shape)
