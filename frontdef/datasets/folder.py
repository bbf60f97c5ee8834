"""``imagefolder:PATH``: a folder of images per class, as torchvision's ImageFolder reads it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from frontdef.config import build
from frontdef.datasets.decode import decode, size_of
from frontdef.datasets.files import digest_of, expand
from frontdef.datasets.forms import split_options
from frontdef.datasets.memory import check_memory
from frontdef.datasets.preparation import Preparation
from frontdef.datasets.record import SPLITS, Dataset, Split, SplitName
from frontdef.errors import DataError

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
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
            folder. Fields of `Preparation` may follow, as in ``PATH@resize=256,crop=224``.

    Raises:
        ConfigError: Options that there are not, or outside their range.
        DataError: No such folder, fewer than two classes, or a first image that is neither gray nor RGB.
        MissingExtraError: Pillow is not installed.
    """
    place, options = split_options(path, "imagefolder")
    preparation = build(Preparation, options, f"imagefolder:{path}")
    folder = expand(place, "imagefolder", "folder")
    try:
        listing = list_folder(folder)
        files = listing.all()
        stamp = tuple((str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files)
    except OSError as error:
        raise DataError(f"imagefolder: cannot read {error.filename}: {error.strerror}") from None
    first = decode(files[0], preparation)
    channels = 1 if first.ndim == 2 else 3
    return Dataset(
        f"imagefolder:{path}",
        partial(load, folder, preparation),
        (channels, first.shape[0], first.shape[1]),
        len(listing.classes),
        n_train=len(listing.files["train"]),
        n_test=len(listing.files["test"]),
        summary=f"{len(files)} images in {folder}",
        revision=f"sha256 {_content_hash(folder, stamp)}",
        classes=listing.classes,
        reads_rows=True,
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
        by_split = {split: _classes(folder / split) for split in SPLITS}
        if by_split["train"].keys() != by_split["test"].keys():
            odd = sorted(by_split["train"].keys() ^ by_split["test"].keys())
            raise DataError(
                f"{folder}/train and {folder}/test have different classes: {', '.join(odd)} in only one of them"
            )
    else:
        by_split = _divide(_classes(folder))
    classes = tuple(sorted(by_split["train"]))
    if len(classes) < 2:
        raise DataError(f"{folder} has {len(classes)} class folder(s), at least 2 are needed: PATH/CLASS/IMAGE")
    files = {
        split: tuple((file, label) for label, name in enumerate(classes) for file in by_class[name])
        for split, by_class in by_split.items()
    }
    return Listing(classes, files)


def _classes(folder: Path) -> dict[str, list[Path]]:
    files_by_class = {}
    for sub in sorted(entry for entry in folder.iterdir() if entry.is_dir()):
        if not sub.name.isprintable():
            raise DataError(f"the class folder {str(sub)!r} has control characters or no UTF-8 in its name: rename it")
        files_by_class[sub.name] = sorted(
            file for file in sub.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file()
        )
        if not files_by_class[sub.name]:
            raise DataError(f"{sub} holds no image ({', '.join(sorted(SUFFIXES))}): add some, or remove the folder")
    return files_by_class


def _divide(by_class: dict[str, list[Path]]) -> dict[SplitName, dict[str, list[Path]]]:
    for name, files in by_class.items():
        if len(files) < 2:
            raise DataError(f"class {name!r} has 1 image; without train/ and test/ folders at least 2 are needed")
    return {
        "train": {name: [f for i, f in enumerate(files) if i % TEST_EVERY] for name, files in by_class.items()},
        "test": {name: files[::TEST_EVERY] for name, files in by_class.items()},
    }


def load(
    folder: Path,
    preparation: Preparation,
    split: SplitName,
    *,
    root: Path | None = None,
    download: bool = False,
    rows: Sequence[int] | None = None,
) -> Split:
    """Load the images of a folder; all must end in one size and one number of channels.

    Args:
        folder: The folder.
        preparation: How they are brought to it.
        split: ``train`` or ``test``.
        root: Not used: the path is part of the name.
        download: Not used.
        rows: Positions in the split of those that are read; None reads all.

    Raises:
        DataError: Images that can't be decoded, that differ in size or channels, or that don't fit into memory.
    """
    import numpy as np
    import torch

    listing = list_folder(folder)
    ids = {path: i for i, path in enumerate(listing.all())}
    files = listing.files[split] if rows is None else [listing.files[split][row] for row in rows]
    first_path = listing.all()[0]
    first = decode(first_path, preparation)
    check_memory(len(files), first.shape, f"imagefolder:{folder}")
    pixels = np.empty((len(files), *first.shape), np.uint8)
    for place, (path, _) in enumerate(files):
        image = decode(path, preparation)
        if image.shape != first.shape:
            raise DataError(
                f"all images must have one size and one mode: {first_path} has {size_of(first)}, {path} has "
                f"{size_of(image)}. Resize or convert them first: interpolation is a choice that should be yours, here "
                "(imagefolder:PATH@resize=256,crop=224) or before"
            )
        pixels[place] = image
    stacked = torch.from_numpy(pixels).float() / 255
    images = stacked.unsqueeze(1) if first.ndim == 2 else stacked.permute(0, 3, 1, 2)
    labels = torch.tensor([label for _, label in files])
    return Split(images, labels, torch.tensor([ids[path] for path, _ in files]))


@lru_cache(maxsize=8)
def _content_hash(folder: Path, stamp: tuple[tuple[str, int, int], ...]) -> str:
    """Hash names and contents; ``stamp`` holds sizes and times, so that a changed folder is hashed again."""
    digest = hashlib.sha256()
    for name, _, _ in stamp:
        path = Path(name)
        digest.update(os.fsencode(f"{path.relative_to(folder).as_posix()}\0"))
        digest.update(bytes.fromhex(digest_of(path, "imagefolder")))
    return digest.hexdigest()[:16]
