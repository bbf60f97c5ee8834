"""How near is the differentiable JPEG to Pillow's? Mean absolute difference in gray levels (of 255).

Images: scikit-learn's digits at 28×28 (8 bits), and 32×32 crops of its sample photograph "china.jpg". *Hard* rounds the
DCT coefficients, *cubic* is the surrogate of `art-jpeg`, *image* is the distance of the image itself from its JPEG.

    python plugins/frontdef-art/benchmarks/jpeg_fidelity.py
"""

from __future__ import annotations

import numpy as np
import torch
from frontdef_art.configs import JpegConfig
from frontdef_art.front_ends import Jpeg
from frontdef_art.jpeg import jpeg
from sklearn.datasets import load_digits, load_sample_image

QUALITIES = (10, 50, 75, 95)


def images() -> dict[str, torch.Tensor]:
    """Gray and color images ``(N,C,H,W)`` with 8-bit values in [0,1]."""
    digits = torch.from_numpy(load_digits().images[:100]).float()[:, None] / 16
    digits = torch.nn.functional.interpolate(digits, size=(28, 28), mode="bilinear")
    photo = load_sample_image("china.jpg").transpose(2, 0, 1)
    crops = [photo[:, y : y + 32, x : x + 32] for y in range(0, 384, 64) for x in range(0, 608, 64)]
    return {
        "digits, 1×28×28": (digits * 255).round() / 255,
        "photograph, 3×32×32": torch.from_numpy(np.stack(crops)).float() / 255,
    }


def main() -> None:
    """Measure and print Markdown."""
    print("| images | quality | hard | cubic | image |\n| --- | ---: | ---: | ---: | ---: |")
    for name, x in images().items():
        for quality in QUALITIES:
            real = Jpeg(JpegConfig(quality=quality))(x)
            candidates = (jpeg(x, quality, torch.round), jpeg(x, quality), x)
            cells = [f"{255 * (candidate - real).abs().mean():.2f}" for candidate in candidates]
            print(f"| {name} | {quality} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
