"""What a data set is: a record that costs nothing to import, and the samples that it loads."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from frontdef.code import code_of, code_reached, module_of
from frontdef.errors import ConfigError, DataError, ImageError, UnknownNameError
from frontdef.lazy import resolve

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

SplitName = Literal["train", "test"]
SPLITS: tuple[SplitName, ...] = get_args(SplitName)


MAX_CLASSES = 1_000_000
"""Of a data set; the largest that are published have a fiftieth of that."""


@dataclass(frozen=True, eq=False)
class Split:
    """Labeled images.

    Args:
        images: float32 ``(N,C,H,W)`` in [0,1].
        labels: Class indices, int64 ``(N,)``.
        ids: Which samples of the data set these are, int64 ``(N,)``; stable, so results of different runs pair.
        name: What messages call it.
        classes: Names of the classes in the order of their indices; none where they have none.
    """

    images: Tensor
    labels: Tensor
    ids: Tensor
    name: str = "this split"
    classes: tuple[str, ...] = ()

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
        import torch

        if n is None:
            return self
        rows = torch.from_numpy(draw(len(self), n, seed, self.name))
        return Split(self.images[rows], self.labels[rows], self.ids[rows], self.name, self.classes)

    def first(self, n: int) -> Split:
        """The first ``n`` samples, in their order."""
        return Split(self.images[:n], self.labels[:n], self.ids[:n], self.name, self.classes)

    def digest(self) -> str:
        """Hash of images, labels, ids and names of classes; the split's own name is no part of it.

        It is taken anew each time (about 0.7 s for a gigabyte), because nothing keeps a tensor from being changed.
        """
        import numpy as np

        content = hashlib.sha256(repr((tuple(self.images.shape), self.classes)).encode())
        for tensor, kind in ((self.images, "<f4"), (self.labels, "<i8"), (self.ids, "<i8")):
            content.update(np.ascontiguousarray(tensor.detach().cpu().numpy(), dtype=kind).data)
        return content.hexdigest()[:24]


def draw(total: int, n: int, seed: int, name: str) -> np.ndarray:
    """Which samples `Split.take` takes.

    Args:
        total: How many there are.
        n: How many to draw.
        seed: Decides which.
        name: What they are drawn from, for the message.

    Returns:
        Positions, int64 ``(n,)``, in the order drawn.

    Raises:
        ConfigError: No sample, or more than there are.
    """
    import numpy as np

    if not 1 <= n <= total:
        raise ConfigError(f"{n} samples were asked for, {name} has {total}: choose 1…{total}")
    # RandomState's stream is frozen by numpy's compatibility policy (NEP 19); default_rng's and torch's are not.
    return np.random.RandomState(seed).permutation(total)[:n]


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
        n_train: Number of training samples, 0 for test samples only; None where it is not known before loading.
        n_test: Number of test samples, likewise.
        summary: One line for ``frontdef ls datasets``.
        license: Under which the data are published.
        citation: Where they come from.
        revision: Changes whenever the pixels, labels or splits change: trained models are cached under it.
        classes: Names of the classes in the order of their indices; none where they have none.
        reads_rows: Whether the loader also takes ``rows``, positions in the split, and reads no others: for data that
            are many times larger than a sample of them.
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
    classes: tuple[str, ...] = ()
    reads_rows: bool = False

    def load(
        self,
        split: SplitName = "test",
        *,
        root: Path | None = None,
        download: bool = False,
        samples: int | None = None,
        seed: int = 0,
    ) -> Split:
        """Load the training or the test samples, or some of them.

        ``load(samples=n, seed=s)`` is ``load().take(n, s)``; where ``reads_rows`` says so it reads these samples only.

        Args:
            split: ``train`` or ``test``.
            root: Folder of the data sets; None takes the environment variable FRONTDEF_DATA.
            download: Fetch missing files; without it nothing is ever fetched.
            samples: How many to draw; None loads all.
            seed: Decides which.

        Raises:
            ConfigError: No sample, or more than there are.
            UnknownNameError: Another split.
            DataError: Files that are missing, truncated or damaged, or samples that break the contract.
            MissingExtraError: A package that reads them is not installed.
        """
        from frontdef.images import as_images, as_labels

        if split not in SPLITS:
            raise UnknownNameError("split", split, SPLITS)
        what = f"{self.name} {split}"
        total = {"train": self.n_train, "test": self.n_test}[split]
        if total == 0:
            raise DataError(f"data set {self.name} has no {split} samples")
        chosen: dict[str, Any] = {}
        if samples is not None and self.reads_rows and total is not None:
            chosen["rows"] = draw(total, samples, seed, what)
        loaded = cast(Split, resolve(self.loader)(split, root=root, download=download, **chosen))
        try:
            images = as_images(loaded.images, self.image_shape)
            labels = as_labels(loaded.labels, len(images), self.n_classes)
        except ImageError as error:
            raise DataError(f"data set {what}: {error}") from None
        whole = Split(images, labels, loaded.ids.long(), what, self.classes)
        return whole if chosen else whole.take(samples, seed)

    def describe(self) -> dict[str, Any]:
        """What decides its samples, as JSON values."""
        named = {"classes": list(self.classes)} if self.classes else {}
        return {"name": self.name, "revision": self.revision, "code": self._code(), **named}

    def _code(self) -> list[str]:
        """Hashes of the code that loads and draws them."""
        loader = self.loader.func if isinstance(self.loader, partial) else self.loader
        own = ("frontdef.datasets.record", "frontdef.images")
        module = module_of(loader)
        if module.startswith("frontdef."):
            return [code_reached((module, *own), within="frontdef.datasets")]
        return [code_of(loader), code_reached(own, within="frontdef.datasets")]
