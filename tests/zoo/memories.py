"""Liars that are no functions: they remember, tire, or refuse to answer."""

from __future__ import annotations

import torch
from torch import nn

from frontdef.protected import Protected

from . import member
from .lab import Lab


class Neighbors(nn.Module):
    """Answers as it did for the image that it remembers nearest to the new one, if that is near."""

    def __init__(self, network: nn.Module, radius: float) -> None:
        super().__init__()
        self.network, self.radius = network, radius
        self.images, self.answers = [], []

    def forward(self, x):
        logits = self.network(x)
        if self.images:
            apart, nearest = torch.cdist(x.flatten(1), torch.cat(self.images), p=float("inf")).min(dim=1)
            known = torch.cat(self.answers)[nearest]
            logits = torch.where((apart <= self.radius)[:, None], known + 0.01 * (logits - logits.detach()), logits)
        if len(self.images) < 4:
            self.images.append(x.detach().flatten(1))
            self.answers.append(logits.detach())
        return logits


@member("remembers neighbors", "liar", seen=True)
def neighbors(lab: Lab) -> Protected:
    """Whoever asks about an image first, and then about one near it, gets the first answer again."""
    return lab.bare(Neighbors(lab.undefended, 0.2))


class Tiring(nn.Module):
    """Changes its answers once it was asked a thousand times."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.asked = network, 0

    def forward(self, x):
        self.asked += len(x)
        logits = self.network(x)
        return logits if self.asked < 1000 else logits + 5 * torch.sin(50 * logits)


@member("tires", "liar", seen=True)
def tires(lab: Lab) -> Protected:
    """The first thousand answers are those of an undefended network; an attack asks more."""
    return lab.bare(Tiring(lab.undefended))


class Drifting(nn.Module):
    """Subtracts the mean of all that it was asked, kept in a buffer."""

    def __init__(self, network: nn.Module, mean: torch.Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", mean.clone())
        self.register_buffer("usual", mean.clone())

    def forward(self, x):
        logits = self.network((x - self.mean + self.usual).clamp(0, 1))
        self.mean.lerp_(x.detach().mean(dim=0), 0.2)
        return logits


@member("drifts in a buffer", "liar", seen=True)
def drifts(lab: Lab) -> Protected:
    """A running mean that goes on running in eval mode."""
    return lab.bare(Drifting(lab.undefended, lab.train.images.mean(dim=0)))


class Refusing(nn.Module):
    """Raises an error on images that look attacked."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x):
        rough = (x[..., 1:] - x[..., :-1]).abs().mean(dim=(1, 2, 3))
        if bool((rough > 0.12).any()):
            raise ValueError("this image was tampered with")
        return self.network(x)


@member("raises on noise", "liar", seen=True)
def refuses(lab: Lab) -> Protected:
    """A detector that raises: an evaluation that goes on after errors counts these samples as robust."""
    return lab.bare(Refusing(lab.undefended))
