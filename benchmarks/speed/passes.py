"""Forward and backward passes a second, and peak memory, of networks from small to large: a ladder of batch sizes.

Weights are drawn: the time of a pass does not depend on them. On a GPU the ladder ends where memory does; each rung is
measured in float32 and with TF32, because a search may use the faster one where float32 has the last word.

    python benchmarks/speed/passes.py [--device cuda] [--quick]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from efficiency import gradient, seconds
from torch import nn

from frontdef.config import Config
from frontdef.frontend import Identity
from frontdef.memory import exhausted
from frontdef.protected import Protected
from frontdef.registry import get_classifier

NETWORKS = {"small-cnn": (1, 28, 28), "resnet32": (3, 32, 32)}
LADDER = (32, 128, 512, 2048, 8192)


def rung(model: Protected, size: int, device: str, rounds: int) -> float:
    """Passes forward and backward a second, the best of some rounds."""
    assert model.image_shape is not None
    x = torch.rand((size, *model.image_shape), device=device)
    y = torch.zeros(size, dtype=torch.long, device=device)
    work: Callable[[], object] = lambda: gradient(model, x, y)  # noqa: E731
    work()
    return size / min(seconds(work, device) for _ in range(rounds))


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="The first rung, twice.")
    options = parser.parse_args()
    ladder, rounds = (LADDER[:1], 2) if options.quick else (LADDER, options.rounds)
    torch.set_num_threads(1)
    print("| network | batch | TF32 | passes a second | peak memory |\n| --- | ---: | --- | ---: | ---: |")
    for name, shape in NETWORKS.items():
        network: nn.Module = get_classifier(name).build(shape, 10)
        model = Protected(Identity(Config()), network, image_shape=shape).to(options.device)
        for size in ladder:
            for fast in (False, True) if options.device == "cuda" else (False,):
                torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = fast
                if options.device == "cuda":
                    torch.cuda.reset_peak_memory_stats()
                try:
                    speed = rung(model, size, options.device, rounds)
                except RuntimeError as error:
                    if not exhausted(error):
                        raise
                    print(f"| {name} | {size} | {fast} | out of memory | |")
                    continue
                held = f"{torch.cuda.max_memory_allocated() / 2**30:.2f} GiB" if options.device == "cuda" else "–"
                print(f"| {name} | {size} | {'yes' if fast else 'no'} | {speed:,.0f} | {held} |", flush=True)


if __name__ == "__main__":
    main()
