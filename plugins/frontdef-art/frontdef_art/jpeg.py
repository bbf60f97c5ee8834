"""Baseline JPEG as a differentiable function: the coder of ITU-T T.81 without its lossless part.

Shin & Song, "JPEG-resistant adversarial images", NIPS 2017 workshop on machine learning and computer security.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Rounding = Callable[[Tensor], Tensor]

# ITU-T T.81, tables K.1 and K.2, rows of eight
_LUMINANCE = """
16 11 10 16 24 40 51 61      12 12 14 19 26 58 60 55      14 13 16 24 40 57 69 56      14 17 22 29 51 87 80 62
18 22 37 56 68 109 103 77    24 35 55 64 81 104 113 92    49 64 78 87 103 121 120 101  72 92 95 98 112 100 103 99
"""
_CHROMINANCE = """
17 18 24 47 99 99 99 99      18 21 26 66 99 99 99 99      24 26 56 99 99 99 99 99      47 66 99 99 99 99 99 99
99 99 99 99 99 99 99 99      99 99 99 99 99 99 99 99      99 99 99 99 99 99 99 99      99 99 99 99 99 99 99 99
"""

# ITU-T T.871 (JFIF), RGB in 0…255 to Y, Cb − 128, Cr − 128
_TO_YCC = ((0.299, 0.587, 0.114), (-0.168735892, -0.331264108, 0.5), (0.5, -0.418687589, -0.081312411))


def cubic_rounding(x: Tensor) -> Tensor:
    """``⌊x⌉ + (x − ⌊x⌉)³``: close to rounding, yet with a gradient (Shin & Song 2017)."""
    nearest = x.detach().round()
    return nearest + (x - nearest) ** 3


def jpeg(x: Tensor, quality: int, rounding: Rounding = cubic_rounding) -> Tensor:
    """Code and decode images as libjpeg does at a quality, with 4:2:0 chroma for RGB and triangle-filter upsampling.

    What is left out: rounding of pixels to 8 bits before and after, and libjpeg's integer arithmetic.

    Args:
        x: ``(N,C,H,W)`` in [0,1]; three channels are RGB, of any other number each is a gray image (as in ART).
        quality: 1 to 100.
        rounding: Applied to the DCT coefficients; ``torch.round`` gives the coder itself.

    Returns:
        ``(N,C,H,W)`` in [0,1].
    """
    pixels = x * 255
    if x.shape[1] != 3:
        return (_code(pixels - 128, _table(_LUMINANCE, quality, x), rounding) + 128).clamp(0, 255) / 255
    to_ycc = x.new_tensor(_TO_YCC)
    ycc = torch.einsum("ij,njhw->nihw", to_ycc, pixels)
    luma = _code(ycc[:, :1] - 128, _table(_LUMINANCE, quality, x), rounding) + 128
    halved = F.avg_pool2d(_pad(ycc[:, 1:], 2), 2)
    chroma = _code(halved, _table(_CHROMINANCE, quality, x), rounding)
    chroma = F.interpolate(chroma, scale_factor=2, mode="bilinear", align_corners=False)
    ycc = torch.cat([luma, chroma[..., : x.shape[2], : x.shape[3]]], dim=1)
    return torch.einsum("ij,njhw->nihw", to_ycc.inverse(), ycc).clamp(0, 255) / 255


def _pad(x: Tensor, multiple: int) -> Tensor:
    height, width = x.shape[2:]
    return F.pad(x, (0, -width % multiple, 0, -height % multiple), mode="replicate")


def _table(text: str, quality: int, like: Tensor) -> Tensor:
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    steps = [min(max((int(entry) * scale + 50) // 100, 1), 255) for entry in text.split()]
    return like.new_tensor(steps).view(8, 8)


def _dct(like: Tensor) -> Tensor:
    k = torch.arange(8, device=like.device, dtype=like.dtype)
    basis = torch.cos((2 * k + 1) * k.view(-1, 1) * math.pi / 16) / 2
    basis[0] /= math.sqrt(2)
    return basis


def _code(planes: Tensor, table: Tensor, rounding: Rounding) -> Tensor:
    """Quantize the 8×8 DCT blocks of ``(N,C,H,W)``, values centered at 0."""
    height, width = planes.shape[2:]
    padded, basis = _pad(planes, 8), _dct(planes)
    blocks = padded.view(*padded.shape[:2], padded.shape[2] // 8, 8, padded.shape[3] // 8, 8).transpose(3, 4)
    steps = rounding(basis @ blocks @ basis.T / table)
    blocks = basis.T @ (steps * table) @ basis
    return blocks.transpose(3, 4).reshape(padded.shape)[..., :height, :width]
