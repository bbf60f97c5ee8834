"""``imagefolder:PATH``: a folder of images per class, as torchvision's ImageFolder reads it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from frontdef.datasets.record import SPLITS, Dataset, Split, SplitName
from frontdef.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    import numpy as np

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
CHANNELS: dict[str, int] = {"L": 1, "RGB": 3}
"""Pillow's mode → channels; any other mode would have to be converted, which changes or loses something."""

TEST_EVERY = 5
"""Without train/ and test/, each class's first of every five images, in the order of names, is a test image."""


@dataclass(frozen=True)
class Listing:
    """The files of a folder: class names, and for each split pairs of file and class index."""

    classes: tuple[str, ...]
    files: dict[SplitName, tuple[tuple[Path, int], ...]]

    def all(self) -> list[Path]:
        """Every file of both splits, in order; a sample's id is its place in it."""
        return sorted(path for pairs in self.files.values() for path, _ in pairs)


def describe(path: str) -> Dataset:
    """Make a data set of a folder.

    Its revision is a hash of all names and contents, so a model trained on other images is never reused.

    Args:
        path: ``PATH/CLASS/IMAGE``, or ``PATH/train/CLASS/IMAGE`` and ``PATH/test/CLASS/IMAGE``; relative to the current
            folder.

    Raises:
        DataError: No such folder, fewer than two classes, or a first image that is neither grey nor RGB.
        MissingExtraError: Pillow is not installed.
    """
    if not path:
        raise DataError("imagefolder needs the folder: imagefolder:PATH")
    folder = Path(path).expanduser()
    listing = list_folder(folder)
    files = listing.all()
    stamp = tuple((str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files)
    first = _decode(files[0])
    channels = 1 if first.ndim == 2 else 3
    return Dataset(
        f"imagefolder:{path}",
        partial(load, folder),
        (channels, first.shape[0], first.shape[1]),
        len(listing.classes),
        n_train=len(listing.files["train"]),
        n_test=len(listing.files["test"]),
        summary=f"{len(files)} images in {folder}",
        revision=f"sha256 {_content_hash(folder, stamp)}",
    )


def list_folder(folder: Path) -> Listing:
    """Find classes and images; classes are numbered in alphabetical order.

    Raises:
        DataError: No such folder, fewer than two classes, a class without images, or classes that differ between train
            and test.
    """
    if not folder.is_dir():
        raise DataError(f"imagefolder: there is no folder {folder}; a relative path starts at {Path.cwd()}")
    if all((folder / split).is_dir() for split in SPLITS):
        found = {split: _classes(folder / split) for split in SPLITS}
        if found["train"].keys() != found["test"].keys():
            odd = sorted(found["train"].keys() ^ found["test"].keys())
            raise DataError(
                f"{folder}/train and {folder}/test have different classes: {', '.join(odd)} in only one of them"
            )
    else:
        found = _divide(_classes(folder))
    classes = tuple(sorted(found["train"]))
    if len(classes) < 2:
        raise DataError(f"{folder} has {len(classes)} class folder(s), at least 2 are needed: PATH/CLASS/IMAGE")
    files = {
        split: tuple((file, label) for label, name in enumerate(classes) for file in by_class[name])
        for split, by_class in found.items()
    }
    return Listing(classes, files)


def _classes(folder: Path) -> dict[str, list[Path]]:
    found = {}
    for sub in sorted(entry for entry in folder.iterdir() if entry.is_dir()):
        found[sub.name] = sorted(file for file in sub.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
        if not found[sub.name]:
            raise DataError(f"{sub} holds no image ({', '.join(sorted(SUFFIXES))}): add some, or remove the folder")
    return found


def _divide(by_class: dict[str, list[Path]]) -> dict[SplitName, dict[str, list[Path]]]:
    for name, files in by_class.items():
        if len(files) < 2:
            raise DataError(f"class {name!r} has 1 image; without train/ and test/ folders at least 2 are needed")
    return {
        "train": {name: [f for i, f in enumerate(files) if i % TEST_EVERY] for name, files in by_class.items()},
        "test": {name: files[::TEST_EVERY] for name, files in by_class.items()},
    }


def load(folder: Path, split: SplitName, *, root: Path | None = None, download: bool = False) -> Split:
    """Load the images of a folder; all must have one size and one number of channels.

    Args:
        folder: The folder.
        split: ``train`` or ``test``.
        root: Not used: the path is part of the name.
        download: Not used.

    Raises:
        DataError: Images that can't be decoded, or that differ in size or channels.
    """
    import numpy as np
    import torch

    listing = list_folder(folder)
    ids = {path: i for i, path in enumerate(listing.all())}
    first_path = listing.all()[0]
    first = _decode(first_path)
    pixels = []
    for path, _ in listing.files[split]:
        pixels.append(_decode(path))
        if pixels[-1].shape != first.shape:
            raise DataError(
                f"all images must have one size and one mode: {first_path} has {_size(first)}, {path} has "
                f"{_size(pixels[-1])}. Resize or convert them first: interpolation is a choice that should be yours"
            )
    stacked = torch.from_numpy(np.stack(pixels)).float() / 255
    images = stacked.unsqueeze(1) if first.ndim == 2 else stacked.permute(0, 3, 1, 2)
    labels = torch.tensor([label for _, label in listing.files[split]])
    return Split(images, labels, torch.tensor([ids[path] for path, _ in listing.files[split]]))


def _size(pixels: np.ndarray) -> str:
    return f"{pixels.shape[1]}x{pixels.shape[0]} {'grey' if pixels.ndim == 2 else 'RGB'}"


def _decode(path: Path) -> np.ndarray:
    import numpy as np

    image = _open(path)
    if image.mode not in CHANNELS:
        raise DataError(
            f"{path} has Pillow's mode {image.mode!r}; 8-bit grey ('L') or 'RGB' is needed: convert it first"
        )
    try:
        return np.asarray(image)
    except (OSError, SyntaxError) as error:
        raise DataError(f"{path} cannot be decoded: {error}. Replace it or remove it") from None


def _open(path: Path) -> Any:
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise MissingExtraError("reading image files", "pillow") from None
    try:
        return Image.open(path)
    except (OSError, UnidentifiedImageError) as error:
        raise DataError(f"{path} cannot be decoded: {error}. Replace it or remove it") from None


@lru_cache(maxsize=8)
def _content_hash(folder: Path, stamp: tuple[tuple[str, int, int], ...]) -> str:
    """Hash names and contents; ``stamp`` holds sizes and times, so that a changed folder is hashed again."""
    digest = hashlib.sha256()
    for name, _, _ in stamp:
        path = Path(name)
        digest.update(f"{path.relative_to(folder).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]
