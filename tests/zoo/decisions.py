"""Models whose decision jumps: the logits of the liars among them lead elsewhere."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from frontdef.protected import Protected

from . import member
from .lab import Lab


class Decoy(nn.Module):
    """Decides as a network does, and shows the slope of a random linear function.

    Args:
        network: Decides.
        height: Logit of the class that it decides for.
        values: Values of an image.
        classes: How many.
    """

    def __init__(self, network: nn.Module, height: float, values: int, classes: int) -> None:
        super().__init__()
        self.network, self.height = network, height
        slope = torch.randn(values, classes, generator=torch.Generator().manual_seed(0)) / values**0.5
        self.register_buffer("slope", slope)

    def forward(self, x):
        decided = self.network(x.detach()).argmax(dim=1)
        return self.height * F.one_hot(decided, self.slope.shape[1]) + x.flatten(1) @ self.slope


@member("decision jump", "liar", seen=True, hint=True)
def decision_jump(lab: Lab) -> Protected:
    """The class is decided by a network that no gradient passes; the logits show the slope of something else."""
    return lab.bare(Decoy(lab.undefended, 20.0, lab.test.images[0].numel(), lab.classes))


class Gate(nn.Module):
    """Adds a constant to the leading logit."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x):
        logits = self.network(x)
        lead = F.one_hot(logits.argmax(dim=1), logits.shape[1])
        return torch.tanh(logits / 20) + 5 * lead - 0.5 * lead * torch.tanh(logits / 20)


@member("bonus for the leader", "honest", seen=True)
def bonus(lab: Lab) -> Protected:
    """The leading class gets five logits more than it earned: its margin jumps, and its slope leads there."""
    return lab.bare(Gate(lab.undefended))


class Honeypot(nn.Module):
    """Keeps one wrong class just below the leader, with a slope that promises to overtake it and never does.

    After the idea of a trapdoor (Shan et al. 2020, arXiv:1904.08554), built and not trained.
    """

    def __init__(self, network: nn.Module, values: int) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("slope", torch.randn(values, generator=torch.Generator().manual_seed(1)) / values**0.5)

    def forward(self, x):
        logits = 3 * self.network(x)
        top, leader = logits.max(dim=1)
        trap = (leader + 1) % logits.shape[1]
        height = top - 0.5 * (2 - torch.tanh(x.flatten(1) @ self.slope))
        return logits.scatter(1, trap[:, None], height[:, None])


@member("honeypot", "liar", seen=True, hint=True)
def honeypot(lab: Lab) -> Protected:
    """Whoever leaves the right class is led to a wrong one that is always just about to win."""
    return lab.bare(Honeypot(lab.undefended, lab.test.images[0].numel()))


@member("honeypot of a hundred classes", "liar", seen=True, hint=True, task="hundred", slow=True)
def honeypot_hundred(lab: Lab) -> Protected:
    """The same where most of the ninety-nine wrong classes are not worth aiming at."""
    return lab.bare(Honeypot(lab.undefended, lab.test.images[0].numel()))
