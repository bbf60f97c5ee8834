"""Views of a model that let an attack be watched, or change what it climbs; predictions stay the same."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Recorder(nn.Module):
    """Records what an attack sees: logits, whether each gradient can be used, the first misclassified iterate.

    It expects the whole batch in every call, as the matched mode of `frontdef.attacks.native.pgd` makes it.

    Args:
        model: Logits ``(N,K)`` of images.
        y: Labels, int64 ``(N,)``.
    """

    def __init__(self, model: nn.Module, y: Tensor) -> None:
        super().__init__()
        self.model = model
        self.y = y
        self.logits: list[Tensor] = []
        self.usable: list[Tensor] = []
        self.fallen: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the model."""
        seen = x.view_as(x)
        if seen.requires_grad:
            seen.register_hook(lambda gradient: self.usable.append(usable(gradient)))
        logits: Tensor = self.model(seen)
        self.logits.append(logits.detach())
        fell = logits.detach().argmax(dim=1) != self.y
        if self.fallen is None:
            self.fallen, self._first = fell, x.detach().clone()
        else:
            self._first = torch.where(self.fallen.view(-1, 1, 1, 1), self._first, x.detach())
            self.fallen = self.fallen | fell
        return logits

    def steps(self) -> Tensor:
        """Whether each step had a gradient to follow, bool ``(T,N)``."""
        return torch.stack(self.usable) if self.usable else self.y.new_zeros((0, len(self.y)), dtype=torch.bool)

    @property
    def best(self) -> Tensor:
        """Of each sample the first misclassified iterate, or the last one seen, ``(N,C,H,W)``."""
        return self._first


class Rescaled(nn.Module):
    """The same predictions from logits that are divided by a constant.

    Args:
        model: Logits ``(N,K)`` of images.
        scale: A positive number.
    """

    def __init__(self, model: nn.Module, scale: float) -> None:
        super().__init__()
        self.model = model
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the model, divided by the constant."""
        logits: Tensor = self.model(x)
        return logits / self.scale


def usable(gradient: Tensor) -> Tensor:
    """Which samples have a gradient to follow, finite and not zero; bool ``(N,)``."""
    flat = gradient.flatten(1)
    return flat.isfinite().all(dim=1) & (flat != 0).any(dim=1)
