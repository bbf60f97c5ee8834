"""Scikit-learn's digits, brought to the size of MNIST: offline, small, and enough to see a defense fail."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from frontdef.datasets.record import Split, SplitName
from frontdef.errors import MissingExtraError

SIZE = 28
N_TRAIN = 1297
SEED = 0
"""Of the permutation that divides training from test samples; part of the data set's revision."""


def load(split: SplitName, *, root: Path | None = None, download: bool = False) -> Split:
    """Load the digits; no file is needed.

    The 8x8 images of values 0…16 are divided by 16 and brought to 28x28 by bilinear interpolation. scikit-learn has no
    split of its own: a fixed permutation gives 1,297 training and 500 test samples.

    Args:
        split: ``train`` or ``test``.
        root: Not used.
        download: Not used.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise MissingExtraError("the data set 'digits'", "scikit-learn") from None
    digits = load_digits()
    order = np.random.RandomState(SEED).permutation(len(digits.target))
    ids = torch.from_numpy(np.sort({"train": order[:N_TRAIN], "test": order[N_TRAIN:]}[split]))
    small = torch.from_numpy(digits.images).float()[ids, None] / 16
    images = F.interpolate(small, size=(SIZE, SIZE), mode="bilinear", align_corners=False)
    return Split(images, torch.from_numpy(digits.target)[ids].long(), ids)
