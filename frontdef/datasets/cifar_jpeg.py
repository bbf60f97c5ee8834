"""CIFAR-10 as JPEG files in tar archives, ``ROOT/CIFAR10-jpeg/{train,test}.tar``, a folder per class.

Lossy compression (quality 75, 4:2:0) changed the pixels, so this is a data set of its own. It is read in memory:
nothing is unpacked to the disk.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
import torch

from frontdef.datasets.files import check, data_root, read
from frontdef.datasets.record import Split, SplitName
from frontdef.errors import DataError, MissingExtraError

FOLDER = "CIFAR10-jpeg"
END = 1024
"""Zero bytes that end an archive. tarfile takes one that is cut between two members for whole."""

SHA256: dict[str, str] = {
    "train": "094a1558e452c9b9fad390dfbdc235102e2a72d11074de77fc05da77d5f941e0",
    "test": "ad5d3cbe34921ee82919de71ea2b64f6b626ac9dee5abb84084bfca168fce1e0",
}


def load(split: SplitName, *, root: Path | None = None, download: bool = False) -> Split:
    """Load the compressed CIFAR-10; ids are positions in the order of the files' names.

    Args:
        split: ``train`` or ``test``.
        root: Folder that holds ``CIFAR10-jpeg``; None takes FRONTDEF_DATA.
        download: Not used: this version is nowhere to be fetched.

    Raises:
        DataError: Files that are missing, truncated or damaged.
        MissingExtraError: Pillow is not installed.
    """
    path = data_root(root, "cifar10-jpeg", f"{FOLDER}/train.tar and test.tar") / FOLDER / f"{split}.tar"
    mend = "Copy it again; other compressions of CIFAR-10 are read as imagefolder:PATH"
    data = read(path, mend)
    check(data, SHA256[split], path, mend)
    return read_tar(data, str(path))


def read_tar(data: bytes, where: str) -> Split:
    """Decode an archive ``…/CLASS/NAME.jpg``; classes are numbered in alphabetical order, as in CIFAR-10.

    Args:
        data: The uncompressed tar archive.
        where: Its name, for messages.

    Raises:
        DataError: No archive, an image that can't be decoded, or images of different shapes.
        MissingExtraError: Pillow is not installed.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise MissingExtraError("reading JPEG files", "pillow") from None
    if data[-END:].strip(b"\0"):
        raise DataError(f"{where} is truncated: a tar archive ends with {END} zero bytes, this one does not")
    images: dict[str, np.ndarray] = {}
    name = ""
    try:
        for name, content in _files(data):
            images[name] = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    except (tarfile.TarError, OSError, UnidentifiedImageError) as error:
        raise DataError(f"{where} cannot be decoded after {name or 'its start'}: {error}") from None
    if len({pixels.shape for pixels in images.values()}) != 1:
        raise DataError(
            f"{where} holds {len(images)} images of {len({p.shape for p in images.values()})} shapes; one is needed"
        )
    names = sorted(images)
    classes = sorted({PurePosixPath(name).parent.name for name in names})
    pixels = torch.from_numpy(np.stack([images[name] for name in names])).permute(0, 3, 1, 2)
    labels = torch.tensor([classes.index(PurePosixPath(name).parent.name) for name in names])
    return Split(pixels.float() / 255, labels, torch.arange(len(names)))


def _files(data: bytes) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            if content is not None:
                yield member.name, content.read()
