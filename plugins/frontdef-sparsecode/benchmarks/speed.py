"""How long does the encoder take, and on what? 256 images of 32×32, 500 atoms, T = 50 and 15.

Processor time (not wall time) of one thread, medians of interleaved rounds. *dense* is the plain way to write the same
encoder: a float32 convolution, `torch.topk` over the channels, and dropout and activation on all coefficients.

    python plugins/frontdef-sparsecode/benchmarks/speed.py [--rounds 5]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from frontdef_sparsecode.config import SparseCodeConfig
from frontdef_sparsecode.encoder import largest, project
from frontdef_sparsecode.front_end import SparseCode
from torch import Tensor
from torch.nn import functional as F

N_IMAGES = 256


def dense(front_end: SparseCode, x: Tensor) -> Tensor:
    """The encoder on maps of all coefficients, ties left to `torch.topk`."""
    maps = F.conv2d(x, front_end.atoms, stride=front_end.settings.stride)
    chosen = maps.abs().topk(front_end.settings.top, dim=1).indices
    kept = torch.zeros_like(maps).scatter(1, chosen, maps.gather(1, chosen))
    kept = kept * (torch.rand_like(kept) >= front_end.config.dropout)
    norms = front_end.norms[:, None, None]
    return torch.where(kept.abs() >= front_end.threshold * norms, kept.sign() * norms, 0.0)


@torch.no_grad()
def measure(top: int, rounds: int) -> None:
    """Print the medians for one T."""
    torch.manual_seed(0)
    front_end = SparseCode(SparseCodeConfig(top=top), image_shape=(3, 32, 32)).eval()
    x = torch.rand(N_IMAGES, 3, 32, 32)
    projections = project(x, front_end.atoms, front_end.settings.stride)
    code = front_end.encode(x[:32])
    jobs: dict[str, Callable[[], object]] = {
        "encoder": lambda: front_end.encode(x),
        "  of it projections (float64)": lambda: project(x, front_end.atoms, front_end.settings.stride),
        "  of it the T largest": lambda: largest(projections, top),
        "dense": lambda: dense(front_end, x),
        "decoder, 32 images": lambda: front_end.decoder(code),
    }
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(rounds):
        for name, job in jobs.items():
            started = time.process_time()
            job()
            seconds[name].append(time.process_time() - started)
    print(f"T = {top}: " + ", ".join(f"{name} {statistics.median(s) * 1e3:.0f} ms" for name, s in seconds.items()))


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    print(f"{N_IMAGES} images, torch {torch.__version__}")
    for top in (50, 15):
        measure(top, rounds)


if __name__ == "__main__":
    main()
