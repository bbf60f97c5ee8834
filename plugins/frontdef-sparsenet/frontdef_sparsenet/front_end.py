"""The front end: the layers whose weights are few and small."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from frontdef import FrontEnd
from frontdef.bpda import Surrogate
from frontdef.errors import ConfigError
from frontdef_sparsenet import pictures
from frontdef_sparsenet.config import SparseNetConfig
from frontdef_sparsenet.growth import Growth, growth, weighted
from frontdef_sparsenet.networks import body
from frontdef_sparsenet.weights import into_ball, largest


class SparseNetFrontEnd(FrontEnd[SparseNetConfig]):
    """All layers of a network but the last; behind it stands that one, the classifier ``linear``.

    "Network sparsity" of Gopalakrishnan et al., "Toward Robust Neural Networks via Sparsification", section 4. While it
    is trained, every pass uses the weights as they will be: pruned to the share ρ (not in the mode ``dense``), their
    rows inside the ball ‖w_i‖₁ ≤ γ where there is a γ. `finish` writes them down; then it is an ordinary network.

    Args:
        config: Network, regularization and certificate.
        image_shape: ``(C,H,W)`` of the images.
        surrogate: ``true``.

    Raises:
        ConfigError: No image shape; a network that can't be divided or bounded, or can't read these images; another
            number of γs than of layers.
        UnknownNameError: No such network, or another surrogate.
    """

    learns: ClassVar[bool] = True
    modes: ClassVar[tuple[str, ...]] = ("dense",)
    needs_image_shape: ClassVar[bool] = True
    keeps_range: ClassVar[bool] = False

    def __init__(
        self,
        config: SparseNetConfig,
        *,
        image_shape: Sequence[int] | None = None,
        surrogate: str | Surrogate | None = None,
    ) -> None:
        super().__init__(config, image_shape=image_shape, surrogate=surrogate)
        assert self.image_shape is not None
        self.body = body(config.network, self.image_shape)
        self._radii()

    def forward(self, x: Tensor) -> Tensor:
        """What the last layer reads.

        Args:
            x: float32 ``(N,C,H,W)`` in [0,1].

        Returns:
            ``(N,…)``, not negative where the network's last hidden layer is a ReLU.
        """
        if bool(self.trained):
            return cast(Tensor, self.body(x))
        return cast(Tensor, functional_call(self.body, self.constrained(), (x,)))

    def constrained(self) -> dict[str, Tensor]:
        """The weights in use, by their names in `body`: pruned unless in mode ``dense``, then brought into the ball."""
        weights = {}
        for (name, layer), radius in zip(weighted(self.body), self._radii(), strict=True):
            weight = layer.weight if self.mode == "dense" else largest(layer.weight, self.config.keep)
            weights[f"{name}.weight"] = weight if radius is None else into_ball(weight, radius)
        return weights

    def penalties(self) -> Mapping[str, Callable[[Tensor, nn.Module], Tensor]]:
        """``l1``: Σ|w| over the weights of every linear and convolutional layer, the last one included; no biases."""
        return {"l1": self._l1}

    def finish(self, classifier: nn.Module) -> None:
        """Write down the weights that were in use.

        Args:
            classifier: What was trained behind the front end; it stays as it is.
        """
        with torch.no_grad():
            for name, weight in self.constrained().items():
                self.body.get_parameter(name).copy_(weight)

    def growth(self) -> Growth:
        """γ of each layer, their product, and the rounding of the whole (Theorem 2)."""
        return growth(self.body)

    def figures(self, images: Tensor) -> Mapping[str, Tensor]:
        """The first layer's weights as images, and the pixels that it reads.

        Args:
            images: float32 ``(N,C,H,W)`` in [0,1].

        Returns:
            Title → pictures in [0,1].
        """
        with torch.no_grad():
            return pictures.all_of(self.body, images)

    def _radii(self) -> tuple[float | None, ...]:
        """γ of each layer."""
        layers = len(list(weighted(self.body)))
        gamma = self.config.gamma
        if not isinstance(gamma, tuple):
            return (gamma,) * layers
        if len(gamma) != layers:
            raise ConfigError(
                f"gamma names {len(gamma)} radii, network {self.config.network!r} has {layers} layer(s) before its "
                "last: give one number for all, or one a layer"
            )
        return gamma

    def _l1(self, images: Tensor, classifier: nn.Module) -> Tensor:
        layers = [layer for network in (self.body, classifier) for _, layer in weighted(network)]
        return torch.stack([layer.weight.abs().sum() for layer in layers]).sum()
