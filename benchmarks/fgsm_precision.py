"""What the precision of the loss does to FGSM, on the networks that the authors of the polarizing front end published.

    FRONTDEF_DATA=… python benchmarks/fgsm_precision.py benchmarks/papers/results/fgsm-precision

Every library computes cross-entropy in the precision of the logits. Where the label leads by more than 17 nats it is 0
in float32, and where it leads by more than 104 so is its gradient, whose sign is then 0: FGSM returns the image.
Compared are cross-entropy in float32, cross-entropy of the same logits in float64 (the authors' attack; the gradient
still passes through a network in float32), and the log-odds, whose gradient has the direction of cross-entropy's at any
lead.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import summary
import torch
from torch import Tensor

import frontdef
from frontdef.attacks.native.losses import cross_entropy, log_odds
from frontdef.protected import Protected
from frontdef.registry import get_dataset
from frontdef.runs.versions import versions

WEIGHTS = Path(__file__).parent / "papers" / "weights"

RADII = {"mnist": 0.3, "fashion-mnist": 0.1}

LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross-entropy, float32": cross_entropy,
    "cross-entropy, float64": lambda logits, y: cross_entropy(logits.double(), y),
    "log-odds, float32": log_odds,
}

BATCH = 250


def fgsm(
    model: Protected, x: Tensor, y: Tensor, loss: Callable[[Tensor, Tensor], Tensor], eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """One step.

    Args:
        model: The network.
        x: float32 ``(N,C,H,W)`` in [0,1].
        y: int64 ``(N,)``.
        loss: ``(N,K)``, ``(N,)`` → ``(N,)``.
        eps: Its length, [0,1] pixel values.

    Returns:
        Whether the loss is exactly 0, whether its gradient is, whether the example is classified correctly: bool
        ``(N,)``.
    """
    images = x.clone().requires_grad_()
    values = loss(model(images), y)
    (gradient,) = torch.autograd.grad(values.sum(), images)
    with torch.no_grad():
        right = model((x + eps * gradient.sign()).clamp(0, 1)).argmax(1) == y
    return values.detach() == 0, (gradient == 0).flatten(1).all(1), right


def main() -> None:
    """Attack the 10,000 test images of both data sets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--samples", type=int, help="test images; default: all")
    arguments = parser.parse_args()
    rows = []
    for dataset, eps in RADII.items():
        model = frontdef.protect(None, "polarize", weights=WEIGHTS / f"polarize-{dataset}.safetensors")
        split = get_dataset(dataset).load("test", samples=arguments.samples, seed=0)
        with torch.no_grad():
            right = sum(int((model(x).argmax(1) == y).sum()) for x, y in _batches(split.images, split.labels))
        for name, loss in LOSSES.items():
            told = [fgsm(model, x, y, loss, eps) for x, y in _batches(split.images, split.labels)]
            zero, still, stands = (int(torch.cat(each).sum()) for each in zip(*told, strict=True))
            counts = {"clean": right, "zero_loss": zero, "zero_gradient": still, "robust_accuracy": stands}
            shares = {quantity: count / len(split.labels) for quantity, count in counts.items()}
            rows.append({"dataset": dataset, "eps": eps, "loss": name, "n": len(split.labels), **shares})
            print(rows[-1], flush=True)
    about = {
        "name": arguments.out.name,
        "command": f"python benchmarks/fgsm_precision.py benchmarks/papers/results/{arguments.out.name}",
        "versions": {name: version for name, version in versions().items() if name in {*summary.NAMED, "frontdef"}},
        "device": "cpu",
        "seed": 0,
        "samples": rows[0]["n"],
        "datasets": list(RADII),
    }
    summary.write(arguments.out, about, {"fgsm": pd.DataFrame(rows)})


def _batches(images: Tensor, labels: Tensor) -> list[tuple[Tensor, Tensor]]:
    return list(zip(images.split(BATCH), labels.split(BATCH), strict=True))


if __name__ == "__main__":
    main()
