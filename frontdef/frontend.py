"""FrontEnd: the class that a plugin subclasses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from frontdef import bpda
from frontdef.config import Config
from frontdef.errors import ConfigError
from frontdef.images import check_tensor

ConfigT = TypeVar("ConfigT", bound=Config)


class FrontEnd(nn.Module, Generic[ConfigT]):
    """The part of the network that a defense owns: raw images in, what the classifier reads out.

    A subclass writes ``forward(x)`` for float32 ``(N,C,H,W)`` in [0,1]. Its value is exact; its gradient, as autograd
    computes it, is true or that of the selected surrogate (`frontdef.bpda` has the blocks). It treats each sample on
    own, so ``f(x)[i:i+1] == f(x[i:i+1])``, never changes ``x``, and draws random numbers only from `generator`.

    Args:
        config: The defense's configuration.
        image_shape: ``(C,H,W)`` of the images, for front ends that are built for one shape; None leaves it open.
        surrogate: Name of the surrogate gradient, ``"name:steepness"`` for smooth ones; None takes the first offered.

    Raises:
        UnknownNameError: A surrogate that this front end does not offer.
        ConfigError: No ``image_shape``, for a front end that needs one.
    """

    surrogates: ClassVar[tuple[bpda.Surrogate, ...]] = (bpda.TRUE,)
    """The gradients that an attacker may choose from; the first is the default."""

    randomized: ClassVar[bool] = False
    """Whether two calls with the same images may differ."""

    needs_image_shape: ClassVar[bool] = False
    """Whether the front end can only be built for a known ``(C,H,W)``."""

    keeps_range: ClassVar[bool] = True
    """Whether the output is in [0,1], as the input is."""

    def __init__(
        self,
        config: ConfigT,
        *,
        image_shape: Sequence[int] | None = None,
        surrogate: str | bpda.Surrogate | None = None,
    ) -> None:
        super().__init__()
        if self.needs_image_shape and image_shape is None:
            raise ConfigError(f"{type(self).__name__} is built for one image shape: give image_shape=(C, H, W)")
        if image_shape is not None and (len(image_shape) != 3 or min(image_shape) < 1):
            raise ConfigError(f"image_shape is (C, H, W) with positive numbers, got {tuple(image_shape)}")
        self.config = config
        self.image_shape = None if image_shape is None else tuple(image_shape)
        self.surrogate = bpda.select(self.surrogates, surrogate)
        self._seed = 0
        self._generators: dict[torch.device, torch.Generator] = {}

    def __call__(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Check the shape and type of ``x`` (`ImageError`), then run `forward`."""
        check_tensor(x, self.image_shape)
        result: Tensor = super().__call__(x, *args, **kwargs)
        return result

    def forward(self, x: Tensor) -> Tensor:
        """Transform images.

        Args:
            x: float32 ``(N,C,H,W)`` in [0,1].

        Returns:
            ``(N,…)``, what the classifier reads.
        """
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def select_surrogate(self, surrogate: str | bpda.Surrogate | None) -> None:
        """Switch to another of the offered surrogates; None for the default.

        Raises:
            UnknownNameError: Not offered.
        """
        self.surrogate = bpda.select(self.surrogates, surrogate)

    def generator(self, device: torch.device) -> torch.Generator:
        """The front end's own source of randomness on a device; the global one is never touched."""
        if device not in self._generators:
            self._generators[device] = torch.Generator(device).manual_seed(self._seed)
        return self._generators[device]

    def reseed(self, seed: int) -> None:
        """Start the draws of a randomized front end, and of any front end inside it, from a seed."""
        for module in self.modules():
            if isinstance(module, FrontEnd):
                module._seed = seed
                module._generators = {}

    def fit(self, images: Tensor) -> None:
        """Prepare without labels (a dictionary, an autoencoder); by default there is nothing to prepare.

        Args:
            images: Training images, float32 ``(N,C,H,W)`` in [0,1].
        """

    def figures(self, images: Tensor) -> Mapping[str, Tensor]:
        """Pictures of what the front end does to some images, for the report.

        Args:
            images: float32 ``(N,C,H,W)`` in [0,1].

        Returns:
            Title → images ``(N,C,H,W)`` in [0,1], one a sample. By default the output, where it is an image.
        """
        with torch.no_grad():
            output = self(images)
        return {"after the front end": output.clamp(0, 1)} if output.shape == images.shape else {}


class Identity(FrontEnd[Config]):
    """No front end: the undefended baseline. Offers the true gradient."""

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` as it is."""
        return x.view_as(x)
