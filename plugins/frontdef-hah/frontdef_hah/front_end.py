"""The first blocks of the network, which the defense owns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from frontdef import FrontEnd
from frontdef.bpda import IDENTITY, TRUE, Surrogate
from frontdef.errors import ConfigError
from frontdef_hah.blocks import Block, DivisiveNormalization, Threshold
from frontdef_hah.config import HahConfig
from frontdef_hah.networks import POOL, layout_of
from frontdef_hah.objective import hah_objective

Penalty = Callable[[Tensor, nn.Module], Tensor]


class HahFrontEnd(FrontEnd[HahConfig]):
    """Hebbian/anti-Hebbian blocks: convolution, ReLU, divisive normalization, threshold (sections 5.2 and 5.3).

    Nothing in a HaH block depends on other images of the batch. The filters are trained with the classifier behind
    them, by cross-entropy and the `penalties` of eq. 5.5.

    Args:
        config: Layout, competition and loss.
        image_shape: ``(C,H,W)`` of the images; needed.
        surrogate: ``true`` (the default: through the survivors of the threshold) or ``identity`` (the threshold passes
            every gradient).

    Raises:
        ConfigError: No image shape, images that are too small, or more HaH blocks than the layout has.
        UnknownNameError: Another surrogate.
    """

    surrogates: ClassVar[tuple[Surrogate, ...]] = (TRUE, IDENTITY)
    needs_image_shape: ClassVar[bool] = True
    keeps_range: ClassVar[bool] = False
    learns: ClassVar[bool] = True
    pairs_lone_images: ClassVar[bool] = True

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        config: HahConfig,
        *,
        image_shape: Sequence[int] | None = None,
        surrogate: str | Surrogate | None = None,
    ) -> None:
        super().__init__(config, image_shape=image_shape, surrogate=surrogate)
        assert self.image_shape is not None
        layout = layout_of(config.size, self.image_shape).front
        self._check(layout)
        self.register_buffer("mean", torch.zeros(self.image_shape[0], 1, 1))
        self.register_buffer("std", torch.ones(self.image_shape[0], 1, 1))
        widths = [n_filters for n_filters in layout if n_filters != POOL]
        pooled = [following == POOL for n_filters, following in pairwise((*layout, None)) if n_filters != POOL]
        self.pooled = tuple(pooled)
        self.n_hah = len(widths) if config.hah_blocks is None else config.hah_blocks
        self.blocks = nn.ModuleList(
            _hah_block(n_in, n_out, config) if index < self.n_hah else Block(n_in, n_out, nn.BatchNorm2d(n_out))
            for index, (n_in, n_out) in enumerate(pairwise((self.image_shape[0], *widths)))
        )

    def _check(self, layout: Sequence[int]) -> None:
        assert self.image_shape is not None
        n_blocks, smallest = len(layout) - layout.count(POOL), 2 ** layout.count(POOL)
        if self.config.hah_blocks is not None and self.config.hah_blocks > n_blocks:
            raise ConfigError(
                f"hah_blocks = {self.config.hah_blocks}, but the front end of this size has {n_blocks} blocks: 0 to "
                f"{n_blocks}"
            )
        if min(self.image_shape[1:]) < smallest:
            raise ConfigError(
                f"the front end of this size pools {smallest}x{smallest} pixels into one value, images of shape "
                f"{self.image_shape} are smaller"
            )

    def forward(self, x: Tensor) -> Tensor:
        """The output of the last block.

        Args:
            x: float32 ``(N,C,H,W)`` in [0,1].

        Returns:
            ``(N,256,H/4,W/4)`` for VGG-16, ``(N,64,H/2,W/2)`` for the small layout, at least 0.
        """
        h = self._standardized(x)
        for index in range(len(self.blocks)):
            h = self._pool(index, self.block(index)(h, self.surrogate))
        return h

    def block(self, index: int) -> Block:
        """A block, counted from 0."""
        block = self.blocks[index]
        assert isinstance(block, Block)
        return block

    def fit(self, images: Tensor) -> None:
        """Take the channels' mean and standard deviation, with which the first block's input is standardized.

        Args:
            images: Training images, float32 ``(N,C,H,W)`` in [0,1].
        """
        if self.config.standardize:
            std, mean = torch.std_mean(images.transpose(0, 1).flatten(1).double(), dim=1, correction=0)
            self.mean.copy_(mean.view(-1, 1, 1))
            self.std.copy_(torch.where(std > 1e-6, std, 1.0).view(-1, 1, 1))

    def penalties(self) -> Mapping[str, Penalty]:
        """``hah``: minus the sum of α·L_block over the HaH blocks (eq. 5.5)."""
        return {"hah": self._hah_penalty}

    def _hah_penalty(self, images: Tensor, classifier: nn.Module) -> Tensor:
        """Each block's term reaches this block's filters only, the remedy for "cheating": its input is detached.

        With ``propagate`` it reaches the earlier ones as well.
        """
        config = self.config
        total = images.new_zeros(())
        h = self._standardized(images.detach())
        for index, alpha in zip(range(self.n_hah), config.alphas, strict=False):
            y = self.block(index).activations(h)
            total = total - alpha * hah_objective(y, config.top_share, config.anti_hebbian)
            with torch.set_grad_enabled(config.propagate and torch.is_grad_enabled()):
                h = self._pool(index, self.block(index).compete(y))
        return total

    def figures(self, images: Tensor) -> Mapping[str, Tensor]:
        """Where each block is active: the mean over its channels, each image scaled to [0,1].

        Args:
            images: float32 ``(N,C,H,W)`` in [0,1].

        Returns:
            Title → images ``(N,C,H,W)`` in [0,1], one a block.
        """
        figures = {}
        with torch.no_grad():
            h = self._standardized(images)
            for index in range(len(self.blocks)):
                h = self._pool(index, self.block(index)(h))
                strength = F.interpolate(h.mean(dim=1, keepdim=True), size=images.shape[2:])
                peak = strength.amax(dim=(2, 3), keepdim=True).clamp_min(1e-12)
                figures[f"mean activation of block {index + 1}"] = (strength / peak).expand_as(images)
        return figures

    def extra_repr(self) -> str:
        """The configuration, for ``print``."""
        return str(self.config)

    def _standardized(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std

    def _pool(self, index: int, h: Tensor) -> Tensor:
        return F.max_pool2d(h, 2) if self.pooled[index] else h


def _hah_block(n_in: int, n_out: int, config: HahConfig) -> Block:
    batch_norm = config.normalization == "batch"
    normalize = nn.BatchNorm2d(n_out) if batch_norm else DivisiveNormalization(config.sigma, config.field)
    threshold = None
    if config.threshold != "none":
        quantile = config.quantile if config.threshold == "quantile" else None
        threshold = Threshold(quantile, strict=config.keep == "above")
    return Block(n_in, n_out, normalize, threshold, config.implicit)
