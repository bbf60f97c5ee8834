"""CIFAR-10 through torchvision, which compares md5 sums before it unpickles the published files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from frontdef.datasets import cifar_jpeg
from frontdef.datasets.files import data_root
from frontdef.datasets.record import Split, SplitName
from frontdef.errors import DataError, MissingExtraError


def load(split: SplitName, *, root: Path | None = None, download: bool = False) -> Split:
    """Load CIFAR-10; ids are positions in the published order.

    The published Python version is pickled. torchvision compares the md5 of every file with the published one first, so
    that only those bytes are ever unpickled.

    Args:
        split: ``train`` or ``test``.
        root: Folder that holds ``cifar-10-batches-py``; None takes FRONTDEF_DATA.
        download: Let torchvision fetch the files if they are missing.

    Raises:
        DataError: Files that are missing, truncated or damaged.
        MissingExtraError: torchvision is not installed.
    """
    try:
        from torchvision.datasets import CIFAR10
    except ImportError:
        raise MissingExtraError("the data set 'cifar10'", "torchvision") from None
    folder = data_root(root, "cifar10", CIFAR10.base_folder)
    try:
        loaded = CIFAR10(str(folder), train=split == "train", download=download)
    except (OSError, RuntimeError) as error:
        raise DataError(_explain(CIFAR10, folder, download, error)) from None
    pixels = torch.from_numpy(loaded.data).permute(0, 3, 1, 2)
    return Split(pixels.float() / 255, torch.tensor(loaded.targets), torch.arange(len(loaded.targets)))


def _explain(cifar: Any, folder: Path, download: bool, error: Exception) -> str:
    from torchvision.datasets.utils import check_integrity

    if download:
        return f"downloading cifar10 to {folder} failed: {error}"
    mend = "Run with --download, or point --data to a folder that has it."
    if (folder / cifar_jpeg.FOLDER).is_dir():
        mend += f" {folder} has {cifar_jpeg.FOLDER}: the data set 'cifar10-jpeg', whose pixels are not CIFAR-10's"
    for name, md5 in [*cifar.train_list, *cifar.test_list]:
        path = folder / cifar.base_folder / name
        if not path.is_file():
            return f"{path} is missing. {mend}"
        if not check_integrity(str(path), md5):
            size = path.stat().st_size
            return f"{path} ({size:,} bytes) is truncated or damaged: its md5 is not {md5}; it was not read. {mend}"
    return f"cifar10 in {folder}: {error}. {mend}"
