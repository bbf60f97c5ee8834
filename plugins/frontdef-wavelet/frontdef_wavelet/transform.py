"""The 2-D discrete wavelet transform of PyWavelets, batched on torch, with both of its adjoints.

A level of the transform is linear and separable: ``tile = A_h · band · A_wᵀ``, where the rows of ``A_n`` are the
analysis filters, and ``band = S_h · tile · S_wᵀ``. PyWavelets itself, applied to the identity, gives these matrices,
so that its treatment of borders and of odd sizes holds without being written a second time. For small images products
with these matrices are faster than convolutions: see ``benchmarks/speed/wavelet.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

import numpy as np
import pywt
import torch
from torch import Tensor

Pair = tuple[Tensor, Tensor]
"""What is applied to the rows' axis and to the columns' axis."""


@dataclass(frozen=True)
class Pyramid:
    """The transform of images of one size; every method is linear and treats leading axes as a batch.

    Coefficients are flat, ``(…,M)``, in the order of `pywt.ravel_coeffs`: the coarsest approximation first, then the
    details from coarse to fine. M is ``H·W`` for even sizes and more where odd ones are padded.

    Args:
        analyzers: A level, finest first, has the matrices ``(2m,h)`` and ``(2n,w)`` that split a band ``(h,w)``.
        synthesizers: A level, finest first, has the matrices ``(h,2m)`` and ``(w,2n)`` that join it again.
    """

    analyzers: tuple[Pair, ...]
    synthesizers: tuple[Pair, ...]

    def analysis(self, images: Tensor) -> Tensor:
        """Coefficients ``(…,M)`` of images ``(…,H,W)``."""
        return _split(self.analyzers, images)

    def synthesis(self, coefficients: Tensor) -> Tensor:
        """Images ``(…,H,W)`` from coefficients ``(…,M)``; the inverse of `analysis`."""
        return _join(self.synthesizers, coefficients)

    def analysis_adjoint(self, coefficients: Tensor) -> Tensor:
        """Transpose of `analysis`: ``(…,M)`` to ``(…,H,W)``."""
        return _join(_transposed(self.analyzers), coefficients)

    def synthesis_adjoint(self, images: Tensor) -> Tensor:
        """Transpose of `synthesis`: ``(…,H,W)`` to ``(…,M)``."""
        return _split(_transposed(self.synthesizers), images)


def most_levels(height: int, width: int) -> int:
    """How often the shorter side can be halved, rounding up, before it is a single value."""
    return (min(height, width) - 1).bit_length()


@lru_cache(maxsize=64)
def pyramid(
    wavelet: str, mode: str, levels: int, height: int, width: int, dtype: torch.dtype, device: torch.device
) -> Pyramid:
    """Build the transform of images ``(height,width)``, once for each type and device.

    Args:
        wavelet: Discrete wavelet, by its PyWavelets name.
        mode: Signal extension, by its PyWavelets name.
        levels: Decomposition levels, at least 1.
        height: Rows of an image.
        width: Columns of an image.
        dtype: Of the matrices.
        device: Of the matrices.
    """
    analyzers, synthesizers = [], []
    # The cache outlives the caller: what is built in inference mode could never be used in a backward pass.
    with torch.inference_mode(False):
        for _ in range(levels):
            per_axis = [_matrices(wavelet, mode, size) for size in (height, width)]
            rows, columns = (tuple(torch.from_numpy(m).to(device, dtype) for m in pair) for pair in per_axis)
            analyzers.append((rows[0], columns[0]))
            synthesizers.append((rows[1], columns[1]))
            height, width = len(rows[0]) // 2, len(columns[0]) // 2
    return Pyramid(tuple(analyzers), tuple(synthesizers))


def _matrices(wavelet: str, mode: str, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Analysis ``(2m,size)`` and synthesis ``(size,2m)`` of one level on signals of ``size`` values, float64."""
    analysis = np.concatenate(pywt.dwt(np.eye(size), wavelet, mode, axis=0))
    approximation, detail = np.split(np.eye(len(analysis)), 2)
    # An odd signal was extended by one value, which PyWavelets leaves to the caller to drop.
    return analysis, pywt.idwt(approximation, detail, wavelet, mode, axis=0)[:size]


def _transposed(pairs: tuple[Pair, ...]) -> tuple[Pair, ...]:
    return tuple((rows.mT, columns.mT) for rows, columns in pairs)


def _split(pairs: tuple[Pair, ...], images: Tensor) -> Tensor:
    bands: list[Tensor] = []
    approximation = images
    for rows, columns in pairs:
        tile = rows @ approximation @ columns.mT
        upper, lower = tile.chunk(2, dim=-2)
        approximation, vertical = upper.chunk(2, dim=-1)
        bands = [vertical, *lower.chunk(2, dim=-1), *bands]
    return torch.cat([band.flatten(-2) for band in (approximation, *bands)], dim=-1)


def _join(pairs: tuple[Pair, ...], coefficients: Tensor) -> Tensor:
    coarse_to_fine = pairs[::-1]
    shapes = [(rows.shape[1] // 2, columns.shape[1] // 2) for rows, columns in coarse_to_fine]
    sizes = [height * width for height, width in shapes]
    bands = iter(torch.split(coefficients, [sizes[0], *(size for size in sizes for _ in range(3))], dim=-1))
    image = next(bands).reshape(*coefficients.shape[:-1], *shapes[0])
    for (rows, columns), shape in zip(coarse_to_fine, shapes, strict=True):
        vertical, horizontal, diagonal = (band.reshape(*band.shape[:-1], *shape) for band in islice(bands, 3))
        tile = torch.cat([torch.cat([image, vertical], dim=-1), torch.cat([horizontal, diagonal], dim=-1)], dim=-2)
        image = rows @ tile @ columns.mT
    return image
