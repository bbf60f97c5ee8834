"""How far does the paper's high-SNR assumption hold: does a small attack leave the K kept coefficients in place?

For perturbations ``e`` of ℓ∞ norm ε it counts the kept coefficients of ``x`` that ``clip(x + e, 0, 1)`` does not keep,
as a share of K. Two perturbations: ε·sgn(w), and the paper's white-box ε·sgn(P_K(w,x)) (section 3.1), both for a random
Gaussian ``w`` in the place of a network's. Of the same ``w`` it compares the surrogates: on how many of the pixels that
get a gradient the projection and the adjoint agree in sign, and how long the true gradient, which knows the clip, is
beside the adjoint, which does not (ℓ2, mean over images).

    FRONTDEF_DATA=<folder> python plugins/frontdef-wavelet/benchmarks/support.py [--dataset mnist] [--samples 1000]
"""

from __future__ import annotations

import argparse

import torch
from frontdef_wavelet.config import WaveletConfig
from frontdef_wavelet.front_end import WaveletFrontEnd
from torch import Tensor

from frontdef.errors import DataError
from frontdef.registry import get_dataset

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


def main() -> None:
    """Print the tables, or say which data are missing."""
    parser = argparse.ArgumentParser(description="How many kept coefficients change under a perturbation.")
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--samples", type=int, default=1000)
    arguments = parser.parse_args()
    try:
        x = get_dataset(arguments.dataset).load("test").take(arguments.samples).images
    except DataError as error:
        print(f"skipped: {error}")
        return
    w = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    print(f"{arguments.dataset} test, {len(x)} images, bior4.4, level 1; share of the kept coefficients that is lost")
    for keep in SHARES:
        projection, adjoint, true = (pulled(x, w, name, keep) for name in ("projection", "adjoint", "true"))
        for eps in RADII:
            blind, white = lost(x, eps * w.sign(), keep), lost(x, eps * projection.sign(), keep)
            print(f"  ρ = {keep:<4g}  ε = {eps:<4g}  sgn(w) {blind:6.1%}   sgn(P_K(w,x)) {white:6.1%}")
        reached = (projection != 0) | (adjoint != 0)
        agree = (projection.sign() == adjoint.sign())[reached].float().mean().item()
        length = (true.flatten(1).norm(dim=1) / adjoint.flatten(1).norm(dim=1)).mean().item()
        print(f"  ρ = {keep:<4g}  same sign {agree:.1%}   length of true beside adjoint {length:.1%}")


if __name__ == "__main__":
    main()
