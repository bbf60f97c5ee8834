"""Two efficiencies of PGD with restarts: of the machine, and of the algorithm. Native beside each library at its best.

*Machine* = passes × t* ÷ time: t* is the best time of a forward and a backward pass a sample, over batch sizes and
memory formats on this device. *Algorithm* = needed ÷ made: a sample needs the passes up to its first success; one that
stands, in each restart those until its iterate has come around, else all. What is needed is counted on a plain PGD that
drops nothing and starts from draws of its own, so it is that of a library up to chance. Models, budgets and calls are
those of `attacks.py` on digits. A round runs all contenders, in turn; times are processor time of one thread, or on a
GPU time between CUDA events.

    python benchmarks/speed/efficiency.py [--quick] [--device cpu] [--models undefended,wavelet,trained]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import record
import torch
from attacks import CONTENDERS, EPS, Budget, load, native
from torch import Tensor
from torch.nn import functional as F

from frontdef.protected import Protected
from frontdef.registry import get_dataset

SIZES = (8, 16, 32, 64, 128)
FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
LIBRARIES = {"native": native, **CONTENDERS}


def seconds(run: Callable[[], object], device: str) -> float:
    """Of processor, or of the GPU."""
    if device == "cpu":
        start = time.process_time()
        run()
        return time.process_time() - start
    first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    first.record()
    run()
    last.record()
    torch.cuda.synchronize()
    return float(first.elapsed_time(last)) / 1e3


def gradient(model: Protected, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Predictions and the gradient of the cross-entropy."""
    points = x.detach().requires_grad_()
    logits = model(points)
    (slope,) = torch.autograd.grad(F.cross_entropy(logits, y, reduction="sum"), points)
    return logits.detach().argmax(1), slope


def best(model: Protected, x: Tensor, y: Tensor, rounds: int, device: str) -> dict[str, dict[str, float]]:
    """Memory format → batch size → least time of a forward and a backward pass a sample, seconds."""
    times: dict[str, dict[str, float]] = {name: {} for name in FORMATS}
    for _ in range(rounds + 1):
        for name, layout in FORMATS.items():
            model.to(memory_format=layout)
            for size in SIZES:
                copies = x.repeat(-(-size // len(x)), 1, 1, 1)[:size].contiguous(memory_format=layout)
                labels = y.repeat(-(-size // len(y)))[:size]
                taken = seconds(lambda copies=copies, labels=labels: gradient(model, copies, labels), device) / size
                times[name][str(size)] = min(taken, times[name].get(str(size), float("inf")))
    model.to(memory_format=torch.contiguous_format)
    return times


def needed(model: Protected, x: Tensor, y: Tensor, budget: Budget) -> float:
    """Passes forward and backward, mean a sample, that PGD from these starts can't do without."""
    count, stands = np.zeros(len(x)), np.ones(len(x), dtype=bool)
    for _ in range(budget.restarts):
        at = (x + torch.empty_like(x).uniform_(-budget.eps, budget.eps)).clamp(0, 1)
        seen: list[set[int]] = [set() for _ in range(len(x))]
        goes_on = stands.copy()
        for step in range(budget.steps + 1):
            predicted, slope = gradient(model, at, y)
            count += goes_on
            stands &= ~(goes_on & (predicted != y).cpu().numpy())
            marks = [hash(image.tobytes()) for image in at.cpu().numpy()]
            around = np.array([mark in marked for mark, marked in zip(marks, seen, strict=True)])
            for mark, marked in zip(marks, seen, strict=True):
                marked.add(mark)
            goes_on &= stands & ~around
            if step == budget.steps or not goes_on.any():
                break
            at = (at + budget.step_size * slope.sign()).clamp(x - budget.eps, x + budget.eps).clamp(0, 1)
    return float(count.mean())


def measure(model: Protected, x: Tensor, y: Tensor, budget: Budget, rounds: int, device: str) -> dict[str, object]:
    """The figures of a model."""
    times = best(model, x, y, rounds, device)
    least = min(min(by_size.values()) for by_size in times.values())
    torch.manual_seed(0)
    must = needed(model, x, y, budget)
    machine: dict[str, list[float]] = {name: [] for name in LIBRARIES}
    algorithm, left, ratio = ({name: [] for name in LIBRARIES} for _ in range(3))
    for index in range(rounds):
        taken = {}
        for name, run in LIBRARIES.items():
            torch.manual_seed(index)
            np.random.seed(index)
            model.passes.forward = model.passes.backward = 0
            kept: list[Tensor] = []
            taken[name] = seconds(lambda run=run, kept=kept: kept.append(run(model, x, y, budget)), device)
            pairs = (model.passes.forward + model.passes.backward) / 2
            machine[name].append(pairs * least / taken[name])
            algorithm[name].append(min(1.0, must * len(x) / pairs))
            left[name].append(float((model.predict(kept[0].clamp(0, 1)).argmax(1) == y.cpu()).float().mean()))
        for name in LIBRARIES:
            ratio[name].append(taken[name] / taken["native"])
    rows = [
        {"library": name, "machine": record.spread(machine[name]), "algorithm": record.spread(algorithm[name]),
         "ratio": record.spread(ratio[name]), "robust": float(np.mean(left[name]))}
        for name in LIBRARIES
    ]  # fmt: skip
    return {"best": times, "needed": must, "rows": rows}


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="undefended,wavelet,trained", help="which, separated by commas")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--restarts", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--quick", action="store_true", help="16 samples, 2 restarts of 20 steps, 2 rounds, and not the trained model."
    )
    parser.add_argument("--json", type=Path, help="Write the figures there as well.")
    options = parser.parse_args()
    if options.quick:
        options.samples, options.restarts, options.steps, options.rounds = 16, 2, 20, 2
        options.models = options.models.removesuffix(",trained")
    torch.set_num_threads(1)
    budget = Budget(EPS["digits"], options.steps, options.restarts)
    split = get_dataset("digits").load("test").take(options.samples, 0)
    x, y = split.images.to(options.device), split.labels.to(options.device)
    figures = {}
    print(
        "| model | library | machine | algorithm | × native | robust accuracy |\n"
        "| --- | --- | ---: | ---: | ---: | ---: |"
    )
    for name in options.models.split(","):
        model = load(name, "digits").to(options.device)
        figures[name] = measure(model, x, y, budget, options.rounds, options.device)
        for row in figures[name]["rows"]:
            cells = [f"{row[what]['median']:.2f}" for what in ("machine", "algorithm", "ratio")]
            print(f"| {name} | {row['library']} | {' | '.join(cells)} | {100 * row['robust']:.1f} % |", flush=True)
    if options.json:
        size = {"samples": options.samples, "restarts": options.restarts, "steps": options.steps}
        record.write(options.json, {**size, "rounds": options.rounds, "device": options.device, "models": figures},
                   ("torch", "torchattacks", "adversarial-robustness-toolbox", "foolbox"))  # fmt: skip


if __name__ == "__main__":
    main()
