"""Views of a model that let an attack be watched, or change what it climbs; predictions stay the same."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from frontdef.errors import FrontdefError
from frontdef.memory import exhausted


class RaisesError(Exception):
    """The model raised an error on valid images, with or without a gradient: it is no classifier of them.

    Args:
        error: What it raised.
    """

    def __init__(self, error: Exception) -> None:
        words = " ".join(str(error).split())[:100]
        super().__init__(f"raises {type(error).__name__}{': ' if words else ''}{words}")


class Answering(nn.Module):
    """Tells a model that raises an error on valid images from one that only has no gradient there.

    Args:
        model: Logits ``(N,K)`` of images.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the model.

        Raises:
            RaisesError: It raised on valid images, and without a gradient, too.
            Exception: What it raised on images that are none, what it raised only where a gradient was asked for, a
                lack of memory, and what frontdef itself refuses.
        """
        try:
            logits: Tensor = self.model(x)
        except Exception as error:
            if isinstance(error, FrontdefError | RaisesError) or exhausted(error) or not _valid(x):
                raise
            if torch.is_grad_enabled() and self._answers(x):
                raise
            raise RaisesError(error) from error
        return logits

    def _answers(self, x: Tensor) -> bool:
        try:
            with torch.no_grad():
                self.model(x.detach())
        except Exception as error:
            if exhausted(error):
                raise
            return False
        return True


def _valid(x: Tensor) -> bool:
    low, high = torch.aminmax(x.detach())
    return bool(low >= 0) and bool(high <= 1)


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
