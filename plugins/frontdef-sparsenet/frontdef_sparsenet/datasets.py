"""Two classes of a larger data set: the paper's binary problems."""

from __future__ import annotations

from pathlib import Path

from frontdef.datasets import Split, SplitName
from frontdef.registry import get_dataset


def load_mnist_3_7(split: SplitName, *, root: Path | None = None, download: bool = False) -> Split:
    """Load the digits 3 and 7 of MNIST as classes 0 and 1; ids are those of MNIST.

    The authors' code pools training and test images and divides them anew; here the published split stays.

    Args:
        split: ``train`` or ``test``.
        root: As for ``mnist``.
        download: As for ``mnist``.

    Raises:
        DataError: Files that are missing, truncated or damaged.
    """
    return two_classes(get_dataset("mnist").load(split, root=root, download=download), 3, 7)


def load_fashion_mnist_tshirt_pullover(split: SplitName, *, root: Path | None = None, download: bool = False) -> Split:
    """Load T-shirts (0 of Fashion-MNIST) and pullovers (2) as classes 0 and 1; ids are those of Fashion-MNIST.

    Args:
        split: ``train`` or ``test``.
        root: As for ``fashion-mnist``.
        download: As for ``fashion-mnist``.

    Raises:
        DataError: Files that are missing, truncated or damaged.
    """
    return two_classes(get_dataset("fashion-mnist").load(split, root=root, download=download), 0, 2)


def load_digits_3_7(split: SplitName, *, root: Path | None = None, download: bool = False) -> Split:
    """Load the digits 3 and 7 of scikit-learn as classes 0 and 1; no file is needed. Ids are those of ``digits``.

    Args:
        split: ``train`` or ``test``.
        root: Not used.
        download: Not used.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    return two_classes(get_dataset("digits").load(split, root=root, download=download), 3, 7)


def two_classes(whole: Split, first: int, second: int) -> Split:
    """The samples of two classes, in their order.

    Args:
        whole: All samples.
        first: The label that becomes 0.
        second: The label that becomes 1.
    """
    rows = (whole.labels == first) | (whole.labels == second)
    return Split(whole.images[rows], (whole.labels[rows] == second).long(), whole.ids[rows])
