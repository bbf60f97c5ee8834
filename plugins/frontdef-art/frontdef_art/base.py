"""ArtFrontEnd: the exact value from ART's own numpy code, the gradient from a surrogate of choice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor

from frontdef import bpda
from frontdef.config import Config
from frontdef.frontend import FrontEnd
from frontdef_art.layouts import CHANNELS_FIRST, ArrayLayout
from frontdef_art.randomness import draw_seed, numpy_seeded

ConfigT = TypeVar("ConfigT", bound=Config)

Gradient = Callable[[Tensor, Tensor, Any, bpda.Surrogate], Tensor]
"""``(x, exact, config, surrogate)`` to a tensor of the shape of ``exact`` that is differentiated in its place."""


def straight_through(x: Tensor, exact: Tensor, config: Any, surrogate: bpda.Surrogate) -> Tensor:
    """The identity: what ART's numpy preprocessors assume where they say nothing else."""
    return x


@dataclass(frozen=True)
class ArtPreprocessor:
    """What makes a front end of one of ART's numpy preprocessors.

    Args:
        art: The class in ``art.defences.preprocessor``; the fields of the front end's configuration are its parameters.
        gradients: Each surrogate that is offered, and its rule; the first is the default.
        fixed: The parameters that follow from images being ``(N,C,H,W)`` in [0,1].
        layout: How ART wants the images.
    """

    art: Any
    gradients: Mapping[bpda.Surrogate, Gradient]
    fixed: Mapping[str, Any]
    layout: ArrayLayout = CHANNELS_FIRST


class ArtFrontEnd(FrontEnd[ConfigT]):
    """A numpy preprocessor of ART inside autograd; subclasses are rows of data.

    ART's code computes the value, on the CPU, from a copy that it may write into. Values outside [0,1], which only an
    attack's intermediate points have, are clipped before ART sees them: its JPEG refuses negative values and wraps
    those above 1 around.

    Args:
        config: Its fields are the preprocessor's parameters.
        image_shape: ``(C,H,W)`` of the images, or None.
        surrogate: One of those that the row offers; None takes the first.
    """

    row: ClassVar[ArtPreprocessor]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.surrogates = tuple(cls.row.gradients)

    def __init__(
        self,
        config: ConfigT,
        *,
        image_shape: Sequence[int] | None = None,
        surrogate: str | bpda.Surrogate | None = None,
    ) -> None:
        super().__init__(config, image_shape=image_shape, surrogate=surrogate)
        self.preprocessor = self.row.art(apply_predict=True, **self.row.fixed, **config.model_dump())

    def forward(self, x: Tensor) -> Tensor:
        """Apply ART's preprocessor.

        Args:
            x: float32 ``(N,C,H,W)`` in [0,1], on any device.

        Returns:
            ``(N,C',H,W)`` in [0,1], of the dtype and on the device of ``x``.
        """
        exact = self._exact(x)
        if not (x.requires_grad and torch.is_grad_enabled()):
            return exact
        gradient = next(rule for offered, rule in self.row.gradients.items() if offered.name == self.surrogate.name)
        return bpda.replace_gradient(exact, gradient(x, exact, self.config, self.surrogate))

    def _exact(self, x: Tensor) -> Tensor:
        images = x.detach().clamp(0, 1).to("cpu", torch.float32).numpy()
        # numpy draws on the CPU wherever the images live, so a seed gives the same draws on every device
        drawing = numpy_seeded(draw_seed(self.generator(torch.device("cpu")))) if self.randomized else nullcontext()
        with drawing:
            result, _ = self.preprocessor(self.row.layout.pack(images))
        result = np.ascontiguousarray(self.row.layout.unpack(result, images.shape), dtype=np.float32)
        return torch.from_numpy(result).to(x)
