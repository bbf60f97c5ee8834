"""The attack on the classifier alone: what an attacker does who does not know the front end (semi-white box)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from frontdef.attacks.native.pgd import pgd
from frontdef.errors import ConfigError

if TYPE_CHECKING:
    from frontdef.protected import Protected


def transfer(protected: Protected, x: Tensor, y: Tensor, **arguments: Any) -> Tensor:
    """PGD on the classifier without its front end; the examples are then judged with it.

    A defense that falls to them and not to the attack through the front end masks its gradients (Athalye et al. 2018,
    arXiv:1802.00420, §3).

    Args:
        protected: The defended classifier.
        x: Images, float32 ``(N,C,H,W)`` in [0,1].
        y: Labels to leave, or with ``targeted`` to reach, int64 ``(N,)``.
        arguments: The other arguments of `frontdef.attacks.native.pgd.pgd`.

    Returns:
        Examples, float32 ``(N,C,H,W)`` in [0,1] and in the ball.

    Raises:
        ConfigError: The front end puts out another shape than it takes in, so the classifier cannot read the image.
    """
    return pgd(classifier_alone(protected, x), x, y, **arguments)


def classifier_alone(protected: Protected, x: Tensor) -> Protected:
    """The classifier without its front end, its passes counted with the model's.

    Args:
        protected: The defended classifier.
        x: Images, float32 ``(N,C,H,W)`` in [0,1].

    Raises:
        ConfigError: The front end puts out another shape than it takes in, so the classifier cannot read the image.
    """
    with torch.no_grad():
        output = protected.front_end(x[:1])
    if output.shape[1:] != x.shape[1:]:
        raise ConfigError(
            f"the classifier reads {tuple(output.shape[1:])}, what {type(protected.front_end).__name__} makes of "
            f"{tuple(x.shape[1:])}, so it cannot be attacked without its front end. Attack another classifier "
            "of images, with native's pgd, and judge the examples on this one; or attack through the front end "
            "(pgd, or locally-linear with knowledge='white')"
        )
    return protected.without()
