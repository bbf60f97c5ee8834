"""The median filter of scipy, differentiable: each output pixel's gradient goes to the pixel that is the median."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def median_filter(x: Tensor, window_size: int) -> Tensor:
    """Median over a square window, equal to ``scipy.ndimage.median_filter(mode="reflect")`` over the last two axes.

    scipy's "reflect" repeats the edge pixel (d c b a | a b c d), which torch's padding of that name does not. For an
    even window, the center is the lower right of the four middle pixels and the median is the larger of the two middle
    values. The function is piecewise linear, and this is its derivative; where the median value is tied, one of the
    tied pixels gets it.

    Args:
        x: ``(N,C,H,W)``.
        window_size: Side of the window in pixels, at least 1.

    Returns:
        ``(N,C,H,W)``.
    """
    before, after = window_size // 2, window_size - 1 - window_size // 2
    for axis in (2, 3):
        index = np.pad(np.arange(x.shape[axis]), (before, after), mode="symmetric")
        x = x.index_select(axis, torch.from_numpy(index).to(x.device))
    windows = x.unfold(2, window_size, 1).unfold(3, window_size, 1).flatten(4)
    return windows.kthvalue(window_size**2 // 2 + 1, dim=-1).values
