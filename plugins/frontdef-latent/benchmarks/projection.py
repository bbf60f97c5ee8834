"""What a projection costs: seconds for one image and for a batch, and memory of the gradient through all steps.

Each measurement is a process of its own: seconds are processor time of one thread, memory is the growth of the largest
resident set over that after the same with one image and five steps. *whole graph* is what autograd keeps when it
records every step; it is run for fewer steps and scaled, since its memory grows with their number. Weights are random
and images uniform: neither counts.

    python plugins/frontdef-latent/benchmarks/projection.py [--images 256] [--steps 500]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

import torch
from frontdef_latent.config import DescentConfig, VariationalProjectionConfig
from frontdef_latent.descent import Descent
from frontdef_latent.front_ends import AutoencoderProjection, VariationalProjection
from torch import Tensor

FRONT_ENDS = {"latent-ae-projection": AutoencoderProjection, "latent-vae-projection": VariationalProjection}
RECORDED_STEPS = 20


def peak() -> float:
    """Largest resident set of this process so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def whole_graph(decoder: torch.nn.Module, config: DescentConfig, flat: Tensor, start: Tensor) -> Tensor:
    """The descent with every step recorded, in float64 as the plugin's."""
    descent, flat, wide = Descent(decoder, config), flat.double(), decoder.double()
    state = descent.initial(start.double().requires_grad_())
    for t in range(config.steps):
        state = descent.step(state, flat, tuple(wide.parameters()), t, differentiable=True)
    return state[0]


def once(name: str, what: str, images: int, steps: int) -> None:
    """One forward pass, with its gradient where there is to be one."""
    torch.manual_seed(0)
    front_end = FRONT_ENDS[name](VariationalProjectionConfig(steps=steps), image_shape=(1, 28, 28))
    front_end.requires_grad_(False)
    x = torch.rand(images, 1, 28, 28).requires_grad_(what != "forward")
    if what == "whole graph":
        code = whole_graph(front_end.network.decoder, front_end.config, x.flatten(1), torch.zeros(images, 32))
    else:
        front_end.select_surrogate(None if what == "forward" else what)
        code = front_end(x)
    if what != "forward":
        torch.autograd.grad(code.sum(), x)


def measure(name: str, what: str, images: int, steps: int) -> dict[str, float]:
    """Seconds and MiB of `once`."""
    torch.set_num_threads(1)
    once(name, what, 1, 5)
    before, started = peak(), time.process_time()
    once(name, what, images, steps)
    return {"seconds": time.process_time() - started, "MiB": peak() - before}


def main() -> None:
    """Print the table, a process for each number."""
    parser = argparse.ArgumentParser(description="Seconds and memory of a projection.")
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        name, what, images, steps = arguments.one
        print(json.dumps(measure(name, what, int(images), int(steps))))
        return
    print(f"{arguments.steps} steps, one thread, torch {torch.__version__}")
    for name in FRONT_ENDS:
        rows = [("forward", 1), *((what, arguments.images) for what in ("forward", "unrolled", "implicit", "encoder"))]
        for what, images in [*rows, ("whole graph", arguments.images)]:
            steps = RECORDED_STEPS if what == "whole graph" else arguments.steps
            command = [sys.executable, __file__, "--one", name, what, str(images), str(steps)]
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            scale = arguments.steps / steps
            note = f"  (scaled from {steps} steps)" if scale != 1 else ""
            cost = f"{found['seconds'] * scale:7.2f} s {found['MiB'] * scale:8.0f} MiB"
            print(f"{name:22} {what:12} {images:4} images {cost}{note}", flush=True)


if __name__ == "__main__":
    main()
