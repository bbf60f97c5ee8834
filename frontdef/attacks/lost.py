"""What float32 loses of the cross-entropy at the images: the loss itself, and the whole gradient.

A library computes the loss in the type of the logits. Once the label leads by more than 17 nats, its probability is 1
in float32, the loss is exactly 0, and the gradient no longer says that the label's logit should fall; once it leads by
104, the gradient is 0 altogether.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

if TYPE_CHECKING:
    from torch import Tensor

    from frontdef.protected import Protected


@dataclass(frozen=True)
class Lost:
    """Samples on which something is exactly 0.

    Args:
        losses: The cross-entropy.
        gradients: Its gradient, in every value of the image.
    """

    losses: int
    gradients: int


def lost_in_float32(protected: Protected, x: Tensor, y: Tensor) -> Lost:
    """Look at the cross-entropy and its gradient at the images: one forward and one backward pass.

    Args:
        protected: The model that is attacked, handing out float32 logits.
        x: Images, float32 ``(N,C,H,W)`` in [0,1].
        y: Labels as `AttackLibrary.run` takes them, int64 ``(N,)``.
    """
    with torch.enable_grad():
        points = x.detach().requires_grad_()
        losses = F.cross_entropy(protected(points), y, reduction="none")
        (gradient,) = torch.autograd.grad(losses.sum(), points)
    return Lost(int((losses == 0).sum()), int((gradient.flatten(1) == 0).all(1).sum()))
