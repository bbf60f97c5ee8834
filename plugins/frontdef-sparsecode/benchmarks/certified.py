"""How much does the encoder without dropout certify, and by which of its two arguments?

On digits with 64 atoms and a linear classifier, for T = 8 and for T = L, where nothing competes: the
share of patches and of images whose code is constant, and of images that are certified, against ε.

    python plugins/frontdef-sparsecode/benchmarks/certified.py [--samples 40]
"""

from __future__ import annotations

import argparse

from frontdef_sparsecode.certificate import SparseCodeCertificate
from frontdef_sparsecode.config import FixedSparseCodeConfig
from frontdef_sparsecode.front_end import FixedSparseCode
from frontdef_sparsecode.stability import reachable
from torch import nn

from frontdef import Protected, Stage, ThreatModel
from frontdef.classifiers.network import seeded
from frontdef.registry import get_dataset
from frontdef.training import fit_classifier, prepare

RADII = (1e-5, 1e-4, 2e-4, 5e-4, 1e-3, 3e-3, 0.01)
STAGES = (Stage(epochs=8, lr=3e-3, final_lr=1e-4, batch_size=32),)


def measure(top: int, samples: int) -> None:
    """Train one, and print its shares."""
    data = get_dataset("digits")
    train, test = data.load("train").take(600, 0), data.load("test").take(200, 0)
    config = FixedSparseCodeConfig(atoms=64, top=top, iterations=60, widths=(12, 8))
    with seeded(0):
        front_end = FixedSparseCode(config, image_shape=(1, 28, 28)).eval()
    prepare(front_end, train.images, seed=0)
    with seeded(0):
        classifier = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    fit_classifier(front_end, classifier, train, STAGES, seed=0)
    protected = Protected(front_end, classifier, image_shape=(1, 28, 28))
    clean = (protected.predict(test.images).argmax(1) == test.labels).double().mean()
    print(f"T = {top} of 64, clean {clean:.1%}")
    x, y = test.images[:samples], test.labels[:samples]
    for eps in RADII:
        constant = reachable(front_end, x, eps).constant
        certified = SparseCodeCertificate().certify(protected, x, y, ThreatModel("linf", eps))
        print(
            f"ε = {eps:g}: constant patches {constant.double().mean():.1%}, images "
            f"{constant.all(1).double().mean():.1%}; certified {certified.double().mean():.1%}"
        )


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=40)
    samples = parser.parse_args().samples
    for top in (8, 64):
        measure(top, samples)


if __name__ == "__main__":
    main()
