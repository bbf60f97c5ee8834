"""``samples:NAME``: the twenty pictures of a data set that foolbox ships, for a first look without any download."""

from __future__ import annotations

import hashlib
import importlib.util
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from frontdef.config import build
from frontdef.datasets.decode import decode
from frontdef.datasets.files import digest_of
from frontdef.datasets.forms import split_options
from frontdef.datasets.preparation import Preparation
from frontdef.datasets.record import Dataset, Split, SplitName
from frontdef.errors import DataError, MissingExtraError, UnknownNameError

FILE = re.compile(r"(?P<stem>[A-Za-z0-9]+)_(?P<index>\d+)_(?P<label>\d+)\.(png|jpg)")
"""Foolbox writes the label into the name, in the data set's own order."""

COUNT = 20
"""Of each data set."""

AS_SHIPPED = Preparation()


@dataclass(frozen=True)
class Shipped:
    """Pictures of one data set.

    Args:
        stem: What their files' names begin with.
        n_classes: Classes of the whole data set.
        license: Of the data set.
        citation: Of the data set.
        preparation: How they are brought to one size where nothing is said.
    """

    stem: str
    n_classes: int
    license: str
    citation: str
    preparation: Preparation = AS_SHIPPED


SHIPPED: dict[str, Shipped] = {
    "imagenet": Shipped(
        "imagenet",
        1000,
        "none stated",
        "Russakovsky et al. 2015, arXiv:1409.0575",
        # Foolbox's own: Pillow's resize to 224x224 without a crop, bicubic.
        Preparation(resize=(224, 224), interpolation="bicubic"),
    ),
    "cifar10": Shipped("cifar10", 10, "none stated", "Krizhevsky 2009"),
    "cifar100": Shipped("cifar100", 100, "none stated", "Krizhevsky 2009"),
    "mnist": Shipped("mnist", 10, "CC-BY-SA-3.0", "LeCun et al. 1998, doi:10.1109/5.726791"),
    "fashion-mnist": Shipped("fashionMNIST", 10, "MIT", "Xiao et al. 2017, arXiv:1708.07747"),
}


def describe(place: str) -> Dataset:
    """Make a data set of twenty pictures; its revision is a hash of their files.

    Args:
        place: A key of `SHIPPED`; fields of `Preparation` may follow, as in ``imagenet@resize=256,crop=224``, in place
            of the default.

    Raises:
        UnknownNameError: Foolbox ships no such pictures; the nearest name is given.
        ConfigError: Options that there are not, or outside their range.
        DataError: The installed foolbox lacks the files.
        MissingExtraError: Foolbox or Pillow is not installed.
    """
    name, options = split_options(place, "samples")
    if name not in SHIPPED:
        raise UnknownNameError("set of samples", name, SHIPPED, "They are named as in samples:imagenet.")
    shipped = SHIPPED[name]
    preparation = build(Preparation, options, f"samples:{place}") if options else shipped.preparation
    files = _files(shipped.stem)
    content = hashlib.sha256("".join(f"{path.name} {digest_of(path, 'samples')}\n" for path, _ in files).encode())
    first = decode(files[0][0], preparation)
    return Dataset(
        f"samples:{place}",
        partial(load, shipped.stem, preparation),
        (1 if first.ndim == 2 else 3, first.shape[0], first.shape[1]),
        shipped.n_classes,
        n_train=0,
        n_test=len(files),
        summary=f"{len(files)} pictures that foolbox ships",
        license=shipped.license,
        citation=shipped.citation,
        revision=f"sha256 {content.hexdigest()[:16]} {preparation.model_dump_json(exclude_defaults=True)}",
    )


def load(
    stem: str, preparation: Preparation, split: SplitName, *, root: Path | None = None, download: bool = False
) -> Split:
    """Load the pictures; ids are foolbox's indices.

    Args:
        stem: What the files' names begin with.
        preparation: How they are brought to one size.
        split: ``test``; there are no others.
        root: Not used: they are in the installed foolbox.
        download: Not used.

    Raises:
        DataError: Pictures that can't be decoded, or that differ in size after the preparation.
    """
    files = _files(stem)
    decoded = [decode(path, preparation) for path, _ in files]
    if len({pixels.shape for pixels in decoded}) > 1:
        raise DataError(
            f"samples:{stem}: the pictures have different sizes after {preparation!r}: say both height and width, or a "
            "crop, as in @resize=256,crop=224"
        )
    stacked = torch.from_numpy(np.stack(decoded)).float() / 255
    images = stacked.unsqueeze(1) if stacked.ndim == 3 else stacked.permute(0, 3, 1, 2)
    return Split(images, torch.tensor([label for _, label in files]), torch.arange(len(files)))


def _folder() -> Path:
    """Where foolbox keeps its pictures. It is found, not imported."""
    spec = importlib.util.find_spec("foolbox")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError("the data sets 'samples:…'", "foolbox")
    return Path(next(iter(spec.submodule_search_locations))) / "data"


def _files(stem: str) -> list[tuple[Path, int]]:
    """Files and labels, in foolbox's order."""
    folder = _folder()
    try:
        named = [(FILE.fullmatch(path.name), path) for path in folder.iterdir()]
    except OSError as error:
        raise DataError(f"foolbox's pictures are not in {folder}: {error.strerror}. Install foolbox again") from None
    matches = sorted((int(m["index"]), int(m["label"]), path) for m, path in named if m and m["stem"] == stem)
    if [index for index, _, _ in matches] != list(range(COUNT)):
        raise DataError(f"{folder} has {len(matches)} pictures of {stem}, not {COUNT}. Install foolbox again")
    return [(path, label) for _, label, path in matches]
