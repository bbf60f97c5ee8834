"""The nonexpansive body as a front end: images in, the vector that the last layer reads out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from frontdef import FrontEnd
from frontdef.bpda import Surrogate
from frontdef_l2nn.config import L2NNConfig
from frontdef_l2nn.flow import UNIT, Flow
from frontdef_l2nn.layers import TwoSidedReLU, Weighted, settle
from frontdef_l2nn.losses import three_terms
from frontdef_l2nn.networks import NETWORKS


class L2NN(FrontEnd[L2NNConfig]):
    """An ℓ2-nonexpansive network up to its last layer (Qian & Wegman 2019, arXiv:1802.07896).

    Every layer has a proved gain, so distances of outputs are bounded by those of images. The gradient is the true one.
    The factors u and v of the loss are parameters, though the output does not depend on them.

    Args:
        config: Network, constraint and loss.
        image_shape: ``(C,H,W)``.
        surrogate: Only ``true``.

    Raises:
        ConfigError: No image shape, or images too small for the network.
        UnknownNameError: Another surrogate.
    """

    needs_image_shape: ClassVar[bool] = True
    keeps_range: ClassVar[bool] = False
    learns: ClassVar[bool] = True

    def __init__(
        self,
        config: L2NNConfig,
        *,
        image_shape: Sequence[int] | None = None,
        surrogate: str | Surrogate | None = None,
    ) -> None:
        super().__init__(config, image_shape=image_shape, surrogate=surrogate)
        assert self.image_shape is not None
        self.body = NETWORKS[config.network](config, self.image_shape)
        self.u = nn.Parameter(torch.rand(config.classes))
        self.v = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """Images float32 ``(N,C,H,W)`` in [0,1] to ``(N,2·hidden)``, no value negative."""
        result: Tensor = self.body(x)
        return result

    def flow(self, unit: float = UNIT) -> Flow:
        """What is proved of the body: its Lipschitz bound, layer by layer, and the reach of rounding errors.

        Args:
            unit: Unit roundoff of the arithmetic in which it runs.
        """
        assert self.image_shape is not None
        _, height, width = self.image_shape
        return self.body.flow(Flow.of_images(unit), "", (height, width))[0]

    def losses(self) -> Mapping[str, Callable[[Tensor, Tensor], Tensor]]:
        """``l2nn``: the three-term loss of `three_terms`."""

        def l2nn(logits: Tensor, labels: Tensor) -> Tensor:
            c = self.config
            return three_terms(logits, labels, self.u, self.v, gamma=c.gamma, omega=c.omega, z=c.z)

        return {"l2nn": l2nn}

    def penalties(self) -> Mapping[str, Callable[[Tensor, nn.Module], Tensor]]:
        """``nonexpansive``: L_w, the sum of `frontdef_l2nn.bounds.excess` over the layers of body and head."""

        def nonexpansive(images: Tensor, classifier: nn.Module) -> Tensor:
            terms = [layer.excess() for network in (self, classifier) for layer in _weighted(network)]
            return torch.stack(terms).sum()

        return {"nonexpansive": nonexpansive}

    def finish(self, classifier: nn.Module) -> None:
        """Carry the divisions out, in body and head."""
        settle(self)
        settle(classifier)

    def figures(self, images: Tensor) -> Mapping[str, Tensor]:
        """Where the energy is after the first layers: the norm over channels, each image scaled to its largest.

        Args:
            images: float32 ``(N,C,H,W)`` in [0,1].
        """
        shown = {}
        with torch.no_grad():
            x = images
            for name, layer in self.body.named_children():
                x = layer(x)
                if x.ndim == 4 and not isinstance(layer, TwoSidedReLU):
                    energy = x.square().sum(1, keepdim=True).sqrt()
                    energy = energy / energy.amax((1, 2, 3), keepdim=True).clamp_min(1e-12)
                    full = F.interpolate(energy, size=images.shape[2:])
                    shown[f"energy after layer {name}: {type(layer).__name__}"] = full.expand_as(images)
        return shown


def _weighted(module: nn.Module) -> list[Weighted]:
    return [layer for layer in module.modules() if isinstance(layer, Weighted)]
