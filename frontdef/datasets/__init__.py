"""Data sets. Importing this module imports no ML library: the records refer to the functions that load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from frontdef.datasets.forms import FORMS, Form, form_of
from frontdef.datasets.record import SPLITS, Dataset, Loader, Split, SplitName
from frontdef.errors import UnknownNameError
from frontdef.lazy import resolve

if TYPE_CHECKING:
    from frontdef.datasets.live import as_split

__all__ = [
    "DATASETS",
    "FORMS",
    "SPLITS",
    "Dataset",
    "Form",
    "Loader",
    "Split",
    "SplitName",
    "as_split",
    "form_of",
    "parse",
]

DATASETS: tuple[Dataset, ...] = (
    Dataset(
        "digits",
        "frontdef.datasets.digits:load",
        (1, 28, 28),
        10,
        n_train=1297,
        n_test=500,
        summary="1,797 handwritten digits of scikit-learn, 8x8 interpolated to 28x28",
        license="CC-BY-4.0",
        citation="Alpaydin & Kaynak 1998, doi:10.24432/C50P49",
        revision="load_digits, bilinear 28x28, split 1",
    ),
    Dataset(
        "mnist",
        "frontdef.datasets.mnist:load_mnist",
        (1, 28, 28),
        10,
        n_train=60_000,
        n_test=10_000,
        summary="70,000 handwritten digits",
        license="CC-BY-SA-3.0",
        citation="LeCun et al. 1998, doi:10.1109/5.726791",
        revision="sha256 ba891046 0fa7898d",
    ),
    Dataset(
        "fashion-mnist",
        "frontdef.datasets.mnist:load_fashion_mnist",
        (1, 28, 28),
        10,
        n_train=60_000,
        n_test=10_000,
        summary="70,000 gray pictures of clothes",
        license="MIT",
        citation="Xiao et al. 2017, arXiv:1708.07747",
        revision="sha256 c59f468a 5b4141f0",
    ),
    Dataset(
        "cifar10",
        "frontdef.datasets.cifar:load",
        (3, 32, 32),
        10,
        n_train=50_000,
        n_test=10_000,
        summary="60,000 color pictures of animals and vehicles",
        license="none stated",
        citation="Krizhevsky 2009, Learning multiple layers of features from tiny images",
        revision="cifar-10-python md5 c58f3010",
    ),
    Dataset(
        "cifar10-jpeg",
        "frontdef.datasets.cifar_jpeg:load",
        (3, 32, 32),
        10,
        n_train=50_000,
        n_test=10_000,
        summary="CIFAR-10 after lossy JPEG (quality 75): other pixels, not comparable with published CIFAR-10 figures",
        license="none stated",
        citation="Krizhevsky 2009, compressed",
        revision="sha256 094a1558 ad5d3cbe",
    ),
)


def parse(name: str) -> Dataset:
    """Return one of `DATASETS`, or what a name with a prefix describes, such as ``imagefolder:PATH``.

    Raises:
        UnknownNameError: Neither; the nearest name is given.
        ConfigError: Options that the form does not have, or that are outside their range.
        DataError: The folder or file is not there, or holds no images.
    """
    form = form_of(name)
    if form is not None:
        return cast(Dataset, resolve(form.describe)(name.partition(":")[2] if form.prefix else name))
    for dataset in DATASETS:
        if dataset.name == name:
            return dataset
    raise UnknownNameError("data set", name, [*(dataset.name for dataset in DATASETS), *(form.usage for form in FORMS)])


def __getattr__(name: str) -> Any:
    if name == "as_split":
        from frontdef.datasets.live import as_split

        return as_split
    raise AttributeError(f"module 'frontdef.datasets' has no attribute {name!r}")
