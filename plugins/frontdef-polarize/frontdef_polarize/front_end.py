"""The polarizing front end: filters, normalization by their ℓ1 norm, quantizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from frontdef import FrontEnd
from frontdef.bounds import Box, affine
from frontdef.bpda import IDENTITY, LINEAR, SMOOTH, Surrogate, step_function
from frontdef.threat import TOLERANCE, Norm, ThreatModel
from frontdef_polarize import pictures
from frontdef_polarize.activation import dead_zone
from frontdef_polarize.config import PolarizeConfig, midpoints

UNQUANTIZED = "unquantized"
TINY = 1e-12
"""Added to the ℓ1 norm of a filter, as in the authors' code."""

DUAL_ORDER: dict[Norm, float] = {"linf": 1.0, "l2": 2.0, "l1": float("inf")}
"""Norm of a perturbation → order of the norm of a filter that bounds their product (Hölder)."""


class PolarizingFrontEnd(FrontEnd[PolarizeConfig]):
    """Quantizes normalized activations: ``f(z)``, ``z_k = (w_k * x)/‖w_k‖₁``, ``f(z) = ½ Σ_i sign(z − c_i)``.

    Bakiskan et al. 2020, "Polarizing Front Ends for Robust CNNs", section 3, Figure 2 and equation 5. An activation
    that equals a threshold counts as above it: sign(0) = 1. Where the configuration says so, z is the image itself, or
    equation 4 stands in the quantizer's place.

    What is quantized is computed in float64, because the quantizer makes a whole step of what rounding does to an
    activation at a threshold.

    Args:
        config: What is quantized, and where.
        image_shape: ``(C,H,W)`` of the images.
        surrogate: Derivative of the quantizer: ``identity`` (the paper's), ``smooth`` or ``linear``; the filters and
            their norms are always differentiated exactly.

    Raises:
        ConfigError: No image shape.
        UnknownNameError: Another surrogate.
    """

    surrogates: ClassVar[tuple[Surrogate, ...]] = (IDENTITY, SMOOTH, LINEAR)
    needs_image_shape: ClassVar[bool] = True
    keeps_range: ClassVar[bool] = False
    modes: ClassVar[tuple[str, ...]] = (UNQUANTIZED,)

    thresholds: Tensor
    levels: Tensor
    history: Tensor

    def __init__(
        self,
        config: PolarizeConfig,
        *,
        image_shape: Sequence[int] | None = None,
        surrogate: str | Surrogate | None = None,
    ) -> None:
        super().__init__(config, image_shape=image_shape, surrogate=surrogate)
        assert self.image_shape is not None
        levels = torch.arange(len(config.thresholds) + 1) - len(config.thresholds) / 2
        self.register_buffer("thresholds", torch.tensor(config.thresholds, dtype=torch.float64), persistent=False)
        self.register_buffer("levels", levels.double(), persistent=False)
        self.filters: nn.Parameter | None = None
        if config.source == "pixels":
            return
        shape = (config.filters, self.image_shape[0], config.size, config.size)
        self.filters = nn.Parameter(torch.empty(shape))
        self.register_buffer("history", torch.zeros(1 + len(config.learning_stages), *shape))
        self._draw()

    @property
    def learns(self) -> bool:  # type: ignore[override]
        """Whether there are filters to be learned."""
        return self.config.source == "filters"

    @property
    def needs_fit(self) -> bool:
        """Whether there are filters to be drawn."""
        return self.learns

    def _draw(self) -> None:
        """Uniform filters of He et al. 2015, arXiv:1502.01852, for the ReLU: within ±√(6/fan-in)."""
        assert self.filters is not None
        generator = self.generator(self.filters.device)
        nn.init.kaiming_uniform_(self.filters, nonlinearity="relu", generator=generator)
        self.history[0] = self.filters.detach()

    def fit(self, images: Tensor) -> None:
        """Draw the filters from which training starts; the seed is that of `reseed`.

        Args:
            images: Not used.
        """
        if self.filters is not None:
            self._draw()

    def after_stage(self, name: str) -> None:
        """Remember the filters for `figures`."""
        if self.filters is not None and name in self.config.learning_stages:
            self.history[1 + self.config.learning_stages.index(name)] = self.filters.detach()

    def forward(self, x: Tensor) -> Tensor:
        """Codes of images.

        Args:
            x: float32 ``(N,C,H,W)`` in [0,1].

        Returns:
            ``(N,filters,H',W')``, or ``(N,C,H,W)`` for pixels: values −(L−1)/2, …, (L−1)/2 in steps of 1; in mode
            ``unquantized`` the normalized activations. With a dead zone 0, or the activation.
        """
        if self.mode == UNQUANTIZED:
            return self.activations(x)
        return self._codes(self.activations(x.double()), self.surrogate)

    def activations(self, x: Tensor, filters: Tensor | None = None) -> Tensor:
        """Normalized activations z in [−1,1]; ``(N,filters,H',W')``, or the image where pixels are quantized.

        Args:
            x: ``(N,C,H,W)`` in [0,1], in the type in which to compute.
            filters: Other filters than its own, ``(K,C,h,w)``.
        """
        filters = self.filters if filters is None else filters
        return x if filters is None else self._convolve(x, normalized(filters.to(x.dtype)))

    def _convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return F.conv2d(x, weight, bias, padding=self.config.padding)

    def reachable(self, x: Tensor, threat: ThreatModel) -> Box:
        """Bounds of the normalized activations over a threat model.

        In ℓ∞ every single bound is attained, the range of pixels included. In ℓ2 and ℓ1, |w·e|/‖w‖₁ ≤ ε‖w‖_q/‖w‖₁ by
        Hölder's inequality with q = 2 and ∞, and a perturbation of that length is also one of ℓ∞.

        Args:
            x: ``(N,C,H,W)`` in [0,1].
            threat: In ``linf``, ``l2`` or ``l1``; examples that exceed it by frontdef's tolerance are covered.

        Returns:
            float64 ``(N,…)`` as of `activations`, with slack for rounding.
        """
        images, eps = x.double(), threat.eps + TOLERANCE
        box = Box((images - eps).clamp_min(-TOLERANCE), (images + eps).clamp_max(1 + TOLERANCE))
        if self.filters is None:
            return box
        weight = normalized(self.filters.double())
        box = affine(box, weight, None, weight[0].numel(), self._convolve)
        share = torch.linalg.vector_norm(weight.flatten(1), DUAL_ORDER[threat.norm], dim=1).view(-1, 1, 1)
        z, reach = self.activations(images), eps * share + TOLERANCE
        return Box(torch.maximum(box.low, z - reach), torch.minimum(box.high, z + reach))

    def codes(self, z: Tensor) -> Tensor:
        """The quantizer or the dead zone, float32, of float64 activations; it does not decrease."""
        return self._codes(z)

    def _codes(self, z: Tensor, surrogate: Surrogate = IDENTITY) -> Tensor:
        if self.config.activation == "dead-zone":
            return dead_zone(z, self.config.thresholds[1], surrogate).float()
        return step_function(z, self.thresholds, self.levels, surrogate).float()

    def penalties(self) -> Mapping[str, Callable[[Tensor, nn.Module], Tensor]]:
        """The bumps, by the name of the stage that needs them: means over images and activations.

        ``spread`` is B₁, away from 0; ``polarize`` is B₂, away from the thresholds; ``cluster-L`` is B₂ for L clusters
        spaced evenly from −1 to 1.
        """
        config = self.config
        offered = {"spread": ((0.0,), config.sigma1), "polarize": (config.thresholds, config.sigma2)}
        offered |= {f"cluster-{count}": (midpoints(count), config.sigma2) for count in config.clusters}
        return {name: partial(self._bumps, centers, sigma) for name, (centers, sigma) in offered.items()}

    def _bumps(self, centers: Sequence[float], sigma: float, images: Tensor, classifier: nn.Module) -> Tensor:
        z = self.activations(images)
        return sum((bump(z, center, sigma).mean() for center in centers), z.new_zeros(()))

    def figures(self, images: Tensor) -> Mapping[str, Tensor]:
        """Activations and codes of each image; filters and the distribution of their outputs after each stage.

        Args:
            images: float32 ``(N,C,H,W)`` in [0,1].

        Returns:
            Title → images ``(M,C,H,W)`` in [0,1]: one a sample, or one a stage.
        """
        with torch.no_grad():
            stages = {name: (w, self.activations(images, w)) for name, w in self.filters_by_stage().items()}
            return pictures.draw(self.activations(images), self(images), stages, self.config.thresholds)

    def filters_by_stage(self) -> Mapping[str, Tensor]:
        """Filters ``(K,C,h,w)`` as drawn and after each stage, as far as recorded; none where pixels are quantized."""
        if self.filters is None:
            return {}
        names = ("as drawn", *(f"after {name!r}" for name in self.config.learning_stages))
        recorded = {name: w for name, w in zip(names, self.history, strict=True) if bool(w.any())}
        if recorded and torch.equal(next(reversed(recorded.values())), self.filters):
            return recorded
        return recorded | {"at the end": self.filters.detach()}


def normalized(filters: Tensor) -> Tensor:
    """Filters ``(K,C,h,w)`` divided by their ℓ1 norms, with gradient through the norms (section 3.1)."""
    return filters / (filters.abs().sum((1, 2, 3), keepdim=True) + TINY)


def bump(z: Tensor, center: float, sigma: float) -> Tensor:
    """``exp(−(z − c)²/2σ²)``: B₁ for c = 0; its sum over the thresholds is B₂ (section 3.1)."""
    return torch.exp(-(z - center).square() / (2 * sigma**2))
