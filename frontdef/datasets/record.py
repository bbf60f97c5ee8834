"""What a data set is: a record that costs nothing to import, and the samples that it loads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from frontdef.errors import ConfigError, DataError, ImageError, UnknownNameError
from frontdef.lazy import resolve

if TYPE_CHECKING:
    from torch import Tensor

SplitName = Literal["train", "test"]
SPLITS: tuple[SplitName, ...] = get_args(SplitName)


@dataclass(frozen=True, eq=False)
class Split:
    """Labelled images.

    Args:
        images: float32 ``(N,C,H,W)`` in [0,1].
        labels: Class indices, int64 ``(N,)``.
        ids: Which samples of the data set these are, int64 ``(N,)``; stable, so results of different runs pair.
        name: What messages call it.
    """

    images: Tensor
    labels: Tensor
    ids: Tensor
    name: str = "this split"

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, n: int | None, seed: int = 0) -> Split:
        """Draw samples at random without replacement, each subset of one size equally likely.

        Not balanced by class: a plain random sample is what a confidence interval for the whole split assumes. Subsets
        of one seed are nested: the first 100 of 200 are those that ``n=100`` gives.

        Args:
            n: How many; None keeps the split as it is.
            seed: Decides which.

        Raises:
            ConfigError: No sample, or more than there are.
        """
        import numpy as np
        import torch

        if n is None:
            return self
        if not 1 <= n <= len(self):
            raise ConfigError(f"{n} samples were asked for, {self.name} has {len(self)}: choose 1…{len(self)}")
        # RandomState's stream is frozen by numpy's compatibility policy (NEP 19); default_rng's and torch's are not.
        chosen = torch.from_numpy(np.random.RandomState(seed).permutation(len(self))[:n])
        return Split(self.images[chosen], self.labels[chosen], self.ids[chosen], self.name)

    def first(self, n: int) -> Split:
        """The first ``n`` samples, in their order."""
        return Split(self.images[:n], self.labels[:n], self.ids[:n], self.name)


Loader = Callable[..., Split]
"""``(split, *, root, download) -> Split``, with ``split`` one of `SPLITS`."""


@dataclass(frozen=True)
class Dataset:
    """A data set that a matrix can name.

    Args:
        name: Its id.
        loader: A function ``(split, *, root: Path | None, download: bool) -> Split``, or a reference
            ``"package.module:function"``.
        image_shape: ``(C,H,W)``.
        n_classes: Number of classes.
        n_train: Number of training samples; None where it is not known before loading.
        n_test: Number of test samples, likewise.
        summary: One line for ``frontdef ls datasets``.
        license: Under which the data are published.
        citation: Where they come from.
        revision: Changes whenever the pixels, labels or splits change: trained models are cached under it.
    """

    name: str
    loader: str | Loader
    image_shape: tuple[int, int, int]
    n_classes: int
    n_train: int | None = None
    n_test: int | None = None
    summary: str = ""
    license: str = ""
    citation: str = ""
    revision: str = "1"

    def load(self, split: SplitName = "test", *, root: Path | None = None, download: bool = False) -> Split:
        """Load the training or the test samples.

        Args:
            split: ``train`` or ``test``.
            root: Folder of the data sets; None takes the environment variable FRONTDEF_DATA.
            download: Fetch missing files; without it nothing is ever fetched.

        Raises:
            UnknownNameError: Another split.
            DataError: Files that are missing, truncated or damaged, or samples that break the contract.
            MissingExtraError: A package that reads them is not installed.
        """
        from frontdef.images import as_images, as_labels

        if split not in SPLITS:
            raise UnknownNameError("split", split, SPLITS)
        loaded = cast(Split, resolve(self.loader)(split, root=root, download=download))
        what = f"{self.name} {split}"
        try:
            images = as_images(loaded.images, self.image_shape)
            labels = as_labels(loaded.labels, len(images), self.n_classes)
        except ImageError as error:
            raise DataError(f"data set {what}: {error}") from None
        return Split(images, labels, loaded.ids.long(), what)

    def describe(self) -> dict[str, Any]:
        """What decides its samples, as JSON values."""
        return {"name": self.name, "revision": self.revision}
