"""The sparsifying front end: wavelet analysis, the K largest coefficients, synthesis, clip."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from frontdef import FrontEnd
from frontdef.bpda import Surrogate, top_k_mask
from frontdef.errors import ConfigError
from frontdef_wavelet.config import WaveletConfig
from frontdef_wavelet.surrogates import SURROGATES, Trace, pull_back
from frontdef_wavelet.transform import Pyramid, most_levels, pyramid

FIGURE_SHARES = (0.01, 0.03, 0.1, 0.3)
"""The ρ that `WaveletFrontEnd.figures` shows besides its own."""


class WaveletFrontEnd(FrontEnd[WaveletConfig]):
    """Keeps the K largest wavelet coefficients of an image, zeroes the rest and reconstructs.

    ``clip(S·M·A·x, 0, 1)``, with A the analysis, S the synthesis and M the mask of the K = ⌊ρN⌋ coefficients that are
    largest in magnitude over all bands jointly: the function H_K of Gopalakrishnan et al., "Toward Robust Neural
    Networks via Sparsification", section 2 and Figure 1. `frontdef_wavelet.surrogates` states the gradients.

    Args:
        config: Basis and sparsity.
        image_shape: ``(C,H,W)`` of the images; if it is given, the configuration is checked against it at once.
        surrogate: ``projection`` (the paper's, the default), ``adjoint``, ``true`` or ``identity``.

    Raises:
        ConfigError: More levels than the image can be halved, or a ``keep`` that retains nothing of it.
        UnknownNameError: Another surrogate.
    """

    surrogates: ClassVar[tuple[Surrogate, ...]] = SURROGATES

    def __init__(
        self,
        config: WaveletConfig,
        *,
        image_shape: Sequence[int] | None = None,
        surrogate: str | Surrogate | None = None,
    ) -> None:
        super().__init__(config, image_shape=image_shape, surrogate=surrogate)
        if self.image_shape is not None:
            self.n_kept(self.image_shape)

    def forward(self, x: Tensor) -> Tensor:
        """Sparsify images.

        Args:
            x: float32 ``(N,C,H,W)`` in [0,1].

        Returns:
            ``(N,C,H,W)`` in [0,1].

        Raises:
            ConfigError: More levels than the image can be halved, or a ``keep`` that retains nothing of it.
        """
        return self._sparsify(x, self.n_kept(x.shape[1:]))

    def n_kept(self, image_shape: Sequence[int], keep: float | None = None) -> int:
        """K = ⌊ρN⌋ for images of a shape; a count per channel where the channels are separate.

        Args:
            image_shape: ``(C,H,W)``.
            keep: ρ; None takes the configuration's.

        Raises:
            ConfigError: More levels than the image can be halved, or K = 0.
        """
        channels, height, width = image_shape
        most = most_levels(height, width)
        if self.config.levels > most:
            raise ConfigError(
                f"levels = {self.config.levels} is too many for images of {height}x{width}: "
                f"the shorter side can be halved {most} times, so levels is at most {most}"
            )
        n_values = self._n_values(image_shape)
        share = self.config.keep if keep is None else keep
        # 0.29 and 1/784 are no binary fractions: 0.29 * 100 is 28.999999999999996, and means 29.
        kept = math.floor(share * n_values + 1e-9)
        if kept == 0:
            raise ConfigError(
                f"keep = {share:g} retains nothing of images ({channels},{height},{width}): ⌊keep·N⌋ = 0 for "
                f"N = {n_values} values; {_rounded_up(1 / n_values):g} is the smallest keep, for one coefficient"
            )
        return kept

    def select(self, x: Tensor, k: int | None = None) -> tuple[Tensor, Tensor]:
        """Coefficients of images, and which of them are kept.

        The analysis runs in float64 and the magnitudes are compared in float32, ties going to the lower index, so that
        neither batch size nor device decides which of two nearly equal coefficients survives.

        Args:
            x: ``(N,C,H,W)``.
            k: How many to keep; None takes the configuration's.

        Returns:
            Coefficients of the type of ``x``, ``(N,C,M)`` in the order of `pywt.ravel_coeffs`, and their bool mask.
        """
        coefficients = self._pyramid(x, torch.float64).analysis(x.double())
        magnitudes = coefficients.float()
        rows = magnitudes if self.config.channels == "joint" else magnitudes.flatten(0, 1)
        mask = top_k_mask(rows, self.n_kept(x.shape[1:]) if k is None else k)
        return coefficients.to(x.dtype), mask.view_as(coefficients)

    def figures(self, images: Tensor) -> Mapping[str, Tensor]:
        """What survives at several ρ.

        Args:
            images: float32 ``(N,C,H,W)`` in [0,1].

        Returns:
            Title with ρ and K → images ``(N,C,H,W)`` in [0,1], ρ ascending. A ρ that keeps nothing is left out.
        """
        n_values = self._n_values(images.shape[1:])
        shares = [share for share in sorted({*FIGURE_SHARES, self.config.keep}) if share * n_values >= 1]
        counts = {share: self.n_kept(images.shape[1:], share) for share in shares}
        return {
            f"what survives at ρ = {100 * share:g}% (K = {k} of N = {n_values})": self._sparsify(images, k)
            for share, k in counts.items()
        }

    def extra_repr(self) -> str:
        """The configuration, for ``print``."""
        return str(self.config)

    def _sparsify(self, x: Tensor, k: int) -> Tensor:
        with torch.no_grad():
            coefficients, mask = self.select(x, k)
            transform = self._pyramid(x, x.dtype)
            reconstruction = transform.synthesis(coefficients * mask)
            exact = reconstruction.clamp(0, 1)
        return pull_back(x, exact, Trace(transform, mask, exact == reconstruction), self.surrogate)

    def _pyramid(self, x: Tensor, dtype: torch.dtype) -> Pyramid:
        config = self.config
        return pyramid(config.wavelet, config.mode, config.levels, x.shape[-2], x.shape[-1], dtype, x.device)

    def _n_values(self, image_shape: Sequence[int]) -> int:
        return math.prod(image_shape if self.config.channels == "joint" else image_shape[1:])


def _rounded_up(value: float) -> float:
    """Three significant digits, never less than ``value``."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 2)
    return math.ceil(value / unit) * unit
