"""What a corruption is: a function of images and one of five levels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Generator, Tensor

SEVERITIES = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Corruption:
    """A common corruption with its published levels.

    Args:
        name: Its id.
        group: ``noise``, ``blur``, ``weather`` or ``digital``.
        apply: ``(images, level, draws, pixel) -> images``, clipped to [0,1] by the caller. ``pixel`` is how many pixels
            a published one counts: 1, or the shorter side over 32.
        levels: The parameters of severity 1 to 5, as CIFAR-10-C has them.
    """

    name: str
    group: str
    apply: Callable[[Tensor, Any, Generator, float], Tensor]
    levels: tuple[Any, Any, Any, Any, Any]

    def __call__(self, x: Tensor, severity: int, generator: Generator, pixel: float = 1.0) -> Tensor:
        """Corrupted images.

        Args:
            x: float32 ``(N,C,H,W)`` in [0,1], on the CPU.
            severity: 1 to 5.
            generator: Source of all randomness; each image gets its own draws.
            pixel: How many pixels a published pixel counts.

        Returns:
            float32 ``(N,C,H,W)`` in [0,1].
        """
        return self.apply(x, self.levels[severity - 1], generator, pixel).to(x.dtype).clamp(0, 1)
