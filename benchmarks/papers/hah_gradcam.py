"""Figure 5.9 of the dissertation's chapter 5 on Fashion-MNIST: where the first convolution speaks for a class.

FRONTDEF_DATA=… python benchmarks/papers/hah_gradcam.py OUT.png [--cache FOLDER]

The models are those of benchmarks/papers/hah.toml, read from the cache where they were trained already. Top: the
images; middle: the standard network; bottom: the one with HaH blocks. The predictions are printed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from frontdef_hah.gradcam import grad_cam
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

import frontdef
from frontdef.matrix.entries import load_matrix
from frontdef.registry import get_dataset

MATRIX = Path(__file__).with_name("hah.toml")
LABELS = ("standard", "all included")
SCALE = 3


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--images", type=int, default=10)
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    matrix = load_matrix(MATRIX)
    test = get_dataset(matrix.datasets[0]).load("test").take(matrix.samples, matrix.seed)
    x, y = test.images[: options.images], test.labels[: options.images]
    columns = [x]
    for entry in matrix.defense:
        if entry.label not in LABELS:
            continue
        protected = frontdef.train(
            entry.name,
            dataset=matrix.datasets[0],
            classifier=matrix.classifiers[0] if entry.name == "none" else None,
            recipe=entry.recipe,
            train_samples=matrix.train_samples,
            seed=matrix.seed,
            cache=options.cache,
            **entry.config,
        )
        print(f"{entry.label}: predicts {protected.predict(x).argmax(1).tolist()}, true {y.tolist()}")
        columns.append(over(grad_cam(protected, x), x))
    picture = torch.cat([torch.cat(list(column.expand(-1, 3, -1, -1)), dim=2) for column in columns], dim=1)
    larger = F.interpolate(picture[None], scale_factor=SCALE, mode="nearest")[0]
    pixels = (255 * larger).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(options.out, optimize=True)


def over(heat: Tensor, x: Tensor) -> Tensor:
    """Heat in red and its absence in blue, the image shining through; ``(N,3,H,W)``."""
    colors = torch.cat([heat, torch.zeros_like(heat), 1 - heat], dim=1)
    return 0.6 * colors + 0.4 * x


if __name__ == "__main__":
    main()
