"""How long a step of the projection may be: how near it comes to an image, and whether it is a stable function.

Of the autoencoder and the VAE that benchmarks/papers/latent-mnist.toml trains: the mean of ‖D(z) − x‖₂ / ‖x‖₂ over 100
test images after 500 steps from the random start, beside that of the encoder's code; and the largest change of a
code when the start is moved by a millionth of itself, the median over the images.

    FRONTDEF_DATA=<folder> python plugins/frontdef-latent/benchmarks/step_length.py
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
from frontdef_latent.config import DescentConfig
from frontdef_latent.descent import Descent
from frontdef_latent.front_ends import AutoencoderCode
from torch import Tensor

import frontdef
from frontdef.errors import DataError
from frontdef.matrix.entries import load_matrix
from frontdef.registry import get_dataset

MATRIX = Path(__file__).parents[3] / "benchmarks" / "papers" / "latent-mnist.toml"
WAYS = (("gradient", 0.03), ("gradient", 0.1), ("gradient", 0.3), ("gradient", 1.0), ("adam", 0.05))


def main() -> None:
    """Print the table, or say which data are missing."""
    try:
        flat = get_dataset("mnist").load("test").take(100, 0).images.flatten(1)
    except DataError as error:
        print(f"skipped: {error}")
        return
    matrix = load_matrix(MATRIX)
    start = torch.randn(32, generator=torch.Generator().manual_seed(0)).expand(len(flat), -1)

    def apart(decoder: torch.nn.Module, codes: Tensor) -> float:
        return float(((decoder(codes) - flat).norm(dim=1) / flat.norm(dim=1)).mean())

    for name in ("latent-ae", "latent-vae"):
        protected = frontdef.train(
            name, dataset="mnist", recipe=matrix.recipe, train_samples=matrix.train_samples, seed=matrix.seed
        )
        network = cast(AutoencoderCode, protected.front_end).network
        print(f"{name}: encoder {apart(network.decoder, network.code(network.encoder(flat))):.3f}", flush=True)
        for optimizer, lr in WAYS:
            descent = Descent(network.decoder, DescentConfig(optimizer=optimizer, lr=lr))
            codes, moved = descent.run(flat, start), descent.run(flat, start * (1 + 1e-6))
            change = (codes - moved).abs().amax(1).median().item()
            print(f"  {optimizer} {lr:<5g} {apart(network.decoder, codes):.3f}   moved by {change:.1g}", flush=True)


if __name__ == "__main__":
    main()
