"""How far does the paper's high-SNR assumption hold: does a small attack leave the K kept coefficients in place?

For perturbations ``e`` of ℓ∞ norm ε it counts the kept coefficients of ``x`` that ``clip(x + e, 0, 1)`` does not keep,
as a share of K. Two perturbations: ε·sgn(w), and the paper's white-box ε·sgn(P_K(w,x)) (section 3.1), both for a random
Gaussian ``w`` in the place of a network's. Of the same ``w`` it compares the surrogates: on how many of the pixels that
get a gradient the projection and the adjoint agree in sign, and how long the true gradient, which knows the clip, is
beside the adjoint, which does not (ℓ2, mean over images).

    FRONTDEF_DATA=… python benchmarks/wavelet_support.py benchmarks/papers/results/wavelet-support
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import summary
import torch
from frontdef_wavelet.config import WaveletConfig
from frontdef_wavelet.front_end import WaveletFrontEnd
from torch import Tensor

from frontdef.errors import DataError
from frontdef.registry import get_dataset
from frontdef.runs.versions import versions

DATASETS = ("mnist", "fashion-mnist")
RADII = (0.01, 0.03, 0.1, 0.25)
SHARES = (0.03, 0.1)


def pulled(x: Tensor, w: Tensor, surrogate: str, keep: float) -> Tensor:
    """The gradient of ``wᵀ·front end(x)`` with a surrogate; ``(N,C,H,W)``."""
    inputs = x.clone().requires_grad_()
    front_end = WaveletFrontEnd(WaveletConfig(keep=keep), surrogate=surrogate)
    return torch.autograd.grad(front_end(inputs), inputs, w)[0]


def lost(x: Tensor, perturbation: Tensor, keep: float) -> float:
    """Share of the kept coefficients of ``x`` that the perturbed images, clipped to [0,1], do not keep."""
    front_end = WaveletFrontEnd(WaveletConfig(keep=keep))
    before, after = (front_end.select(images)[1] for images in (x, (x + perturbation).clamp(0, 1)))
    return ((before & ~after).sum() / before.sum()).item()


def measured(dataset: str, samples: int) -> Iterator[dict[str, object]]:
    """A row a ρ and ε.

    Raises:
        DataError: The data set is not here.
    """
    x = get_dataset(dataset).load("test").take(samples).images
    w = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    for keep in SHARES:
        projection, adjoint, true = (pulled(x, w, name, keep) for name in ("projection", "adjoint", "true"))
        reached = (projection != 0) | (adjoint != 0)
        common = {
            "dataset": dataset, "n": len(x), "keep": keep,
            "same_sign": (projection.sign() == adjoint.sign())[reached].float().mean().item(),
            "length": (true.flatten(1).norm(dim=1) / adjoint.flatten(1).norm(dim=1)).mean().item(),
        }  # fmt: skip
        for eps in RADII:
            blind, white = lost(x, eps * w.sign(), keep), lost(x, eps * projection.sign(), keep)
            yield {**common, "eps": eps, "lost_blind": blind, "lost_white": white}


def main() -> None:
    """Write the summary, or say which data are missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--samples", type=int, default=1000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    try:
        rows = [row for dataset in DATASETS for row in measured(dataset, arguments.samples)]
    except DataError as error:
        print(f"skipped: {error}")
        return
    about = {
        "name": arguments.out.name,
        "command": f"python benchmarks/wavelet_support.py benchmarks/papers/results/{arguments.out.name}",
        "versions": {name: version for name, version in versions().items() if name in {*summary.NAMED, "frontdef"}},
        "device": "cpu", "seed": 0, "samples": arguments.samples, "datasets": list(DATASETS), "notes": [],
        "failures": [], "missing": {},
    }  # fmt: skip
    summary.write(arguments.out, about, {"support": pd.DataFrame(rows)})


if __name__ == "__main__":
    main()
