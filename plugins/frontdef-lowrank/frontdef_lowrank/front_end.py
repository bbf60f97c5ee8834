"""The front end: a network up to its last linear layer, reduced when its training is over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from frontdef import FrontEnd
from frontdef.bpda import Surrogate
from frontdef_lowrank import pictures
from frontdef_lowrank.config import LowRankConfig
from frontdef_lowrank.networks import body
from frontdef_lowrank.reduction import reduce_in_place


class LowRankFrontEnd(FrontEnd[LowRankConfig]):
    """All layers of a network but the last; behind it stands that one, the classifier ``linear``.

    Both are trained together as any network is. Then `finish` multiplies the bottom singular values of every weight
    matrix by the configured factor, or zeroes them: the method of Cocola and Rabindranath, "Making Neural Nets Robust
    Again", section 2.2. The gradient is the true one; nothing about this defense hides it.

    Args:
        config: Network and reduction.
        image_shape: ``(C,H,W)`` of the images.
        surrogate: ``true``.

    Raises:
        ConfigError: No image shape, or a network that can't be divided or can't read these images.
        UnknownNameError: No such network, or another surrogate.
    """

    learns: ClassVar[bool] = True
    needs_image_shape: ClassVar[bool] = True
    keeps_range: ClassVar[bool] = False

    def __init__(
        self,
        config: LowRankConfig,
        *,
        image_shape: Sequence[int] | None = None,
        surrogate: str | Surrogate | None = None,
    ) -> None:
        super().__init__(config, image_shape=image_shape, surrogate=surrogate)
        assert self.image_shape is not None
        self.body = body(config.network, self.image_shape, config.width)

    def forward(self, x: Tensor) -> Tensor:
        """What the last layer reads.

        Args:
            x: float32 ``(N,C,H,W)`` in [0,1].

        Returns:
            ``(N,…)``: vectors, for every network that frontdef brings.
        """
        return cast(Tensor, self.body(x))

    def finish(self, classifier: nn.Module) -> None:
        """Reduce the layers, and the last one behind them if the configuration says so.

        Args:
            classifier: What was trained behind the front end; its weights are changed.

        Raises:
            ConfigError: Weights that are not finite.
        """
        config = self.config
        for network in (self.body, classifier) if config.last_layer else (self.body,):
            reduce_in_place(network, share=config.share, how=config.how, factor=config.factor, layers=config.layers)

    def figures(self, images: Tensor) -> Mapping[str, Tensor]:
        """The first layer's weights, what they see of the images, and the spectrum of every layer.

        Args:
            images: float32 ``(N,C,H,W)`` in [0,1].

        Returns:
            Title → pictures in [0,1]. Where the network has but one layer, there is nothing to show.
        """
        with torch.no_grad():
            return dict(pictures.all_of(self.body, images, self.config.share))
