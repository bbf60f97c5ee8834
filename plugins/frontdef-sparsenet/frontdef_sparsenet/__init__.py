"""ℓ1-regularized sparse networks as a frontdef plugin; this module imports no ML library."""

from __future__ import annotations

from collections.abc import Iterable

import frontdef
from frontdef.datasets import Dataset
from frontdef.metrics import Metric

PAPER = (
    "Soorya Gopalakrishnan, Zhinus Marzi, Upamanyu Madhow, Ramtin Pedarsani: "
    "Toward Robust Neural Networks via Sparsification (2018), section 4"
)


@frontdef.hookimpl
def frontdef_defenses() -> Iterable[frontdef.Defense]:
    """Offer the defense ``sparsenet``."""
    yield frontdef.Defense(
        "sparsenet",
        front_end="frontdef_sparsenet.front_end:SparseNetFrontEnd",
        config="frontdef_sparsenet.config:SparseNetConfig",
        paper=PAPER,
        summary="a network with ℓ1-regularized, pruned weights: the growth of a perturbation is bounded layer by layer",
        recipe="frontdef_sparsenet.recipes:recipe",
        classifier="linear",
        certificate="frontdef_sparsenet.certificate:SparseNetCertificate",
        norms=("linf",),
        datasets=("mnist-3-7", "fashion-mnist-tshirt-pullover", "digits-3-7", "mnist", "fashion-mnist", "digits"),
    )


@frontdef.hookimpl
def frontdef_metrics() -> Iterable[Metric]:
    """Offer the radii that are proved, for either bound."""
    yield Metric(
        "certified-radius",
        "frontdef_sparsenet.metrics:certified_radius",
        summary="largest ℓ∞ radius that sparsenet proves for a sample: by Theorem 2, and by interval bounds",
        paper=PAPER,
        unit="ℓ∞",
        better="higher",
    )


@frontdef.hookimpl
def frontdef_datasets() -> Iterable[Dataset]:
    """Offer the two-class problems of the paper's Table 2, and a small one."""
    yield Dataset(
        "mnist-3-7",
        "frontdef_sparsenet.datasets:load_mnist_3_7",
        (1, 28, 28),
        2,
        n_train=12_396,
        n_test=2_038,
        summary="the digits 3 (class 0) and 7 (class 1) of MNIST, in MNIST's own split",
        license="CC-BY-SA-3.0",
        citation="LeCun et al. 1998, doi:10.1109/5.726791",
        revision="sha256 ba891046 0fa7898d; 3, 7",
    )
    yield Dataset(
        "fashion-mnist-tshirt-pullover",
        "frontdef_sparsenet.datasets:load_fashion_mnist_tshirt_pullover",
        (1, 28, 28),
        2,
        n_train=12_000,
        n_test=2_000,
        summary="T-shirts (class 0) and pullovers (class 1) of Fashion-MNIST, in its own split",
        license="MIT",
        citation="Xiao et al. 2017, arXiv:1708.07747",
        revision="sha256 c59f468a 5b4141f0; 0, 2",
    )
    yield Dataset(
        "digits-3-7",
        "frontdef_sparsenet.datasets:load_digits_3_7",
        (1, 28, 28),
        2,
        n_train=254,
        n_test=108,
        summary="the digits 3 (class 0) and 7 (class 1) of scikit-learn's, in the split of 'digits'",
        license="CC-BY-4.0",
        citation="Alpaydin & Kaynak 1998, doi:10.24432/C50P49",
        revision="load_digits, bilinear 28x28, split 1; 3, 7",
    )
