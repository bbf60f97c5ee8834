"""How tight are bounds of zero-padded convolutions: ours, the cheap ones of training, and those of two libraries?

For random kernels it finds the operator norm by brute force and prints each bound as a multiple of it: the torus (what
the certificate uses), the divisor (what ``constraint = "divide"`` uses), the windows' bound √K·‖W‖ of the paper's
networks, orthogonium's Gram iteration for zero padding (Delattre et al. 2024, arXiv:2402.00240), and ‖W‖ over the
coefficient by which deel-torchlip scales a kernel (Serrurier et al. 2021, arXiv:2006.06520).

    pip install orthogonium==0.0.4 deel-torchlip==1.0.5
    python plugins/frontdef-l2nn/benchmarks/bounds.py
"""

from __future__ import annotations

import numpy as np
import torch
from deel.torchlip.utils.lconv_norm import compute_lconv_coef  # type: ignore[import-not-found]
from frontdef_l2nn import bounds
from orthogonium.layers.conv.singular_values.delattre24 import (  # type: ignore[import-not-found]
    compute_delattre2024,
)
from torch import Tensor, nn

GEOMETRIES = ((1, 4, 8, 5), (3, 4, 12, 5), (4, 4, 14, 3), (8, 8, 14, 5), (4, 8, 8, 3))
"""Channels in and out, side of the image, side of the kernel."""

ITERATIONS = 4
"""Of the Gram iteration; each doubles the kernel that it convolves."""


def true_norm(conv: nn.Conv2d, side: int) -> float:
    """By brute force: every column of the matrix."""
    n = conv.in_channels * side * side
    columns = conv.double()(torch.eye(n, dtype=torch.float64).view(n, conv.in_channels, side, side))
    return float(np.linalg.norm(columns.flatten(1).numpy(), 2))


def all_bounds(weight: Tensor, side: int) -> dict[str, float]:
    """Name of the bound → its value."""
    kernel = weight.shape[-1]
    flat = float(torch.linalg.matrix_norm(weight.flatten(1).double(), 2))
    coefficient = compute_lconv_coef((kernel, kernel), (weight.shape[1], side, side))
    return {
        "torus": bounds.conv_norm(weight, (side, side), 1, kernel // 2),
        "divisor": float(bounds.divisor(weight, kernel**2)),
        "windows": kernel * flat,
        "orthogonium": float(compute_delattre2024(weight.clone(), ITERATIONS)),
        "torchlip": flat / float(coefficient),
    }


def main() -> None:
    """Print a row a geometry."""
    torch.manual_seed(0)
    names = ["torus", "divisor", "windows", "orthogonium", "torchlip"]
    print(f"| in → out, image, kernel | norm | {' | '.join(names)} |\n{'| --- ' * (2 + len(names))}|")
    for n_in, n_out, side, kernel in GEOMETRIES:
        conv = nn.Conv2d(n_in, n_out, kernel, padding=kernel // 2, bias=False).requires_grad_(False)
        found = all_bounds(conv.weight.clone(), side)
        true = true_norm(conv, side)
        shown = " | ".join(f"{found[name] / true:.2f}" for name in names)
        print(f"| {n_in} → {n_out}, {side}, {kernel} | {true:.3f} | {shown} |")


if __name__ == "__main__":
    main()
