"""Scikit-learn's digits, brought to the size of MNIST: offline, small, and enough to see a defense fail."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
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
    pixels, labels = _table()
    order = np.random.RandomState(SEED).permutation(len(labels))
    ids = torch.from_numpy(np.sort({"train": order[:N_TRAIN], "test": order[N_TRAIN:]}[split]))
    small = torch.from_numpy(pixels).float()[ids, None] / 16
    images = F.interpolate(small, size=(SIZE, SIZE), mode="bilinear", align_corners=False)
    return Split(images, torch.from_numpy(labels)[ids].long(), ids)


@cache
def _table() -> tuple[np.ndarray, np.ndarray]:
    """Pixels ``(1797,8,8)`` and labels, from scikit-learn's own file.

    Importing scikit-learn costs a process as much time as importing torch; where its file has moved, it is asked.
    """
    spec = find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError("the data set 'digits'", "scikit-learn")
    file = Path(spec.submodule_search_locations[0], "datasets", "data", "digits.csv.gz")
    if not file.is_file():
        from sklearn.datasets import load_digits

        digits = load_digits()
        return digits.images, digits.target
    table = np.loadtxt(file, delimiter=",")
    return table[:, :-1].reshape(-1, 8, 8), table[:, -1].astype(int)
