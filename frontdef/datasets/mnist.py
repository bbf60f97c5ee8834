"""MNIST and Fashion-MNIST from the uncompressed idx files in torchvision's layout, ``ROOT/MNIST/raw``.

torchvision fetches the files; they are read here, because its own loader prefers a pickled copy where an old version
has left one, and takes a damaged file for whole.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from frontdef.datasets.files import check, data_root, read
from frontdef.datasets.idx import parse_idx
from frontdef.datasets.record import Split, SplitName
from frontdef.errors import DataError, MissingExtraError

STEMS: dict[str, str] = {"train": "train", "test": "t10k"}
SHA256: dict[str, dict[str, str]] = {
    "MNIST": {
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    "FashionMNIST": {
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
}
"""Of the published files, uncompressed."""


def load_mnist(split: SplitName, *, root: Path | None = None, download: bool = False) -> Split:
    """Load MNIST; ids are positions in the published order.

    Args:
        split: ``train`` or ``test``.
        root: Folder that holds ``MNIST/raw``; None takes FRONTDEF_DATA.
        download: Let torchvision fetch files that are missing.

    Raises:
        DataError: Files that are missing, truncated or damaged.
    """
    return _load("mnist", "MNIST", split, root, download)


def load_fashion_mnist(split: SplitName, *, root: Path | None = None, download: bool = False) -> Split:
    """Load Fashion-MNIST; ids are positions in the published order.

    Args:
        split: ``train`` or ``test``.
        root: Folder that holds ``FashionMNIST/raw``; None takes FRONTDEF_DATA.
        download: Let torchvision fetch files that are missing.

    Raises:
        DataError: Files that are missing, truncated or damaged.
    """
    return _load("fashion-mnist", "FashionMNIST", split, root, download)


def _load(name: str, folder: str, split: SplitName, root: Path | None, download: bool) -> Split:
    raw = data_root(root, name, f"{folder}/raw") / folder / "raw"
    paths = [raw / f"{STEMS[split]}-{kind}" for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")]
    if download and not all(path.exists() for path in paths):
        _download(folder, raw.parent.parent, split)
    images, labels = (_read(path, folder, name) for path in paths)
    return Split(images.unsqueeze(1).float() / 255, labels.long(), torch.arange(len(labels)))


def _read(path: Path, folder: str, name: str) -> Tensor:
    mend = (
        f"Copy it again, or delete it and run with --download; {folder}/raw holds the uncompressed idx files of {name}"
    )
    data = read(path, mend)
    # The header before the hash: it tells a truncated file from one with other content.
    array = parse_idx(data, str(path), mend)
    check(data, SHA256[folder][path.name], path, mend)
    return torch.from_numpy(array.copy())


def _download(folder: str, root: Path, split: SplitName) -> None:
    try:
        from torchvision import datasets
    except ImportError:
        raise MissingExtraError(f"downloading {folder}", "torchvision") from None
    try:
        getattr(datasets, folder)(str(root), train=split == "train", download=True)
    except (OSError, RuntimeError) as error:
        raise DataError(f"downloading {folder} to {root} failed: {error}") from None
