"""Two efficiencies of attacks, of the machine and of the algorithm: native beside each library, called at its best.

*Machine* = passes × t* ÷ time: t* is the best time of a forward and a backward pass a sample, over batch sizes and
memory formats on this device. *Algorithm* = needed ÷ made: a sample needs the passes up to its first success; one that
stands, in each restart those until its iterate has come around (of PGD), else all. What is needed is counted on a plain
attack that drops nothing and starts from draws of its own, so it is that of a library up to chance; of the cascade,
whose stages are a choice, nothing can be said to be needed.

PGD and auto-PGD are called once a restart, on the samples that stand, which is the best that a caller can do: with
their own option for restarts ART and foolbox give every restart every sample. Same model object, images, radius, step
size (a tenth of the radius), steps and restarts for all, in one batch. The cascade stands beside AutoAttack with the
reference's own budgets. A round runs all contenders, in turn; a ratio is that of one round. Times are processor time of
one thread, or on a GPU time between CUDA events.

    python benchmarks/speed/efficiency.py [--quick] [--device cpu] [--dataset digits|mnist] [--norms linf,l2]
        [--attacks pgd,apgd,cascade] [--models undefended,wavelet,trained,trades]
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import record
import torch
from networks import EPS, MODELS, load
from torch import Tensor
from torch.nn import functional as F

from frontdef.attacks.spec import make_spec
from frontdef.protected import Protected
from frontdef.registry import get_attack_libraries, get_dataset, get_family

SIZES = (8, 16, 32, 64, 128)
FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


@dataclass(frozen=True)
class Contest:
    """An attack, as native and the libraries make it.

    Args:
        steps: Gradient steps of a restart; 0 where the attack has its own budget.
        restarts: Runs.
        native: What native is asked for besides; its restarts share passes.
        libraries: Library → family.
        shared: What all are asked for besides.
        circles: Whether an iterate that comes back to where it was goes on as before.
    """

    steps: int
    restarts: int
    native: tuple[str, Mapping[str, Any]]
    libraries: Mapping[str, str]
    shared: Mapping[str, Any]
    circles: bool = False


CONTESTS = {
    "pgd": Contest(
        100,
        20,
        ("pgd", {"fast": True}),
        dict.fromkeys(("torchattacks", "art", "foolbox", "advlib"), "pgd"),
        {"random_start": True, "relative_step": 0.1},
        circles=True,
    ),
    "apgd": Contest(100, 5, ("apgd", {}), dict.fromkeys(("torchattacks", "art", "advlib"), "apgd"), {}),
    "cascade": Contest(0, 1, ("cascade", {}), {"torchattacks": "autoattack"}, {}),
}

Run = Callable[[Protected, Tensor, Tensor, int], Tensor]
"""``(model, x, y, seed)`` → examples."""


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
    models = {name: copy.deepcopy(model).to(memory_format=layout) for name, layout in FORMATS.items()}
    for _ in range(rounds + 1):
        for name, layout in FORMATS.items():
            for size in SIZES:
                copies = x.repeat(-(-size // len(x)), 1, 1, 1)[:size].contiguous(memory_format=layout)
                labels = y.repeat(-(-size // len(y)))[:size]
                work = lambda one=models[name], copies=copies, labels=labels: gradient(one, copies, labels)  # noqa: E731
                times[name][str(size)] = min(seconds(work, device) / size, times[name].get(str(size), float("inf")))
    return times


def call(library: str, family: str, norm: str, eps: float, parameters: Mapping[str, Any]) -> Run:
    """A library's attack, as a run of the matrix calls it."""
    return lambda model, x, y, seed: get_attack_libraries()[library].run(
        make_spec(get_family(family), norm, eps, dict(parameters), seed), model, x, y
    )


def standing(model: Protected, x: Tensor, y: Tensor) -> Tensor:
    """Which samples stand."""
    return model.predict(x.clamp(0, 1)).argmax(1).to(y.device) == y


def once_a_restart(run: Run, restarts: int) -> Run:
    """A restart is a call on the samples that stand."""

    def restarted(model: Protected, x: Tensor, y: Tensor, seed: int) -> Tensor:
        result, left = x.clone(), torch.arange(len(x), device=x.device)
        for index in range(restarts):
            if not len(left):
                break
            result[left] = run(model, x[left], y[left], seed * restarts + index)
            left = left[standing(model, result[left], y[left])]
        return result

    return restarted


def contenders(contest: Contest, norm: str, eps: float) -> dict[str, Run]:
    """Native and the libraries that offer the attack in the norm."""
    steps = {"steps": contest.steps} if contest.steps else {}
    restarts = {"restarts": contest.restarts} if contest.steps else {}
    family, more = contest.native
    runs = {"native": call("native", family, norm, eps, {**steps, **restarts, **contest.shared, **more})}
    for library, theirs in contest.libraries.items():
        if get_attack_libraries()[library].offers(theirs, norm):
            run = call(library, theirs, norm, eps, {**steps, **contest.shared})
            runs[library] = once_a_restart(run, contest.restarts)
    return runs


class Watch:
    """What a run of a library needs of each sample, seen from the model.

    Args:
        labels: int64 ``(N,)``.
        circles: As for `Contest`.
    """

    def __init__(self, labels: Tensor, circles: bool) -> None:
        self.labels, self.circles = labels, circles
        self.count = np.zeros(len(labels))
        self.stands = np.ones(len(labels), dtype=bool)
        self.goes_on = np.ones(len(labels), dtype=bool)
        self.seen: list[set[int]] = [set() for _ in labels]

    def __call__(self, _: object, given: tuple[Tensor, ...], logits: Tensor) -> None:
        """A hook after a forward pass; those without a gradient are not steps."""
        if not logits.requires_grad or len(logits) != len(self.labels):
            return
        self.count += self.goes_on
        self.stands &= ~(self.goes_on & (logits.argmax(1) != self.labels).cpu().numpy())
        self.goes_on &= self.stands
        if self.circles:
            marks = [hash(image.tobytes()) for image in given[0].detach().cpu().numpy()]
            self.goes_on &= ~np.array([mark in past for mark, past in zip(marks, self.seen, strict=True)])
            for mark, past in zip(marks, self.seen, strict=True):
                past.add(mark)


def needed(model: Protected, x: Tensor, y: Tensor, contest: Contest, norm: str, eps: float) -> float:
    """Passes forward and backward, mean a sample, that the attack can't do without: torchattacks' runs, watched."""
    family = contest.libraries["torchattacks"]
    run = call("torchattacks", family, norm, eps, {"steps": contest.steps, **contest.shared})
    count, left = np.zeros(len(x)), np.flatnonzero(standing(model, x, y).cpu().numpy())
    for seed in range(contest.restarts):
        if not len(left):
            break
        watch = Watch(y[left], contest.circles)
        hook = model.register_forward_hook(watch)
        try:
            examples = run(model, x[left], y[left], seed)
        finally:
            hook.remove()
        count[left] += watch.count
        left = left[watch.stands & standing(model, examples, y[left]).cpu().numpy()]
    return float(count.mean())


def measure(model: Protected, x: Tensor, y: Tensor, contest: Contest, norm: str, eps: float, rounds: int, device: str,
            least: float) -> list[dict[str, Any]]:  # fmt: skip
    """A row a contender."""
    must = needed(model, x, y, contest, norm, eps) if contest.steps else None
    runs = contenders(contest, norm, eps)
    machine, algorithm, ratio, passes, left = ({name: [] for name in runs} for _ in range(5))
    for index in range(rounds):
        taken = {}
        for name, run in runs.items():
            model.passes.forward = model.passes.backward = 0
            kept: list[Tensor] = []
            taken[name] = seconds(lambda run=run, kept=kept: kept.append(run(model, x, y, index)), device)  # noqa: B023
            pairs = (model.passes.forward + model.passes.backward) / 2
            passes[name].append(2 * pairs / len(x))
            machine[name].append(pairs * least / taken[name])
            if must is not None:
                algorithm[name].append(min(1.0, must * len(x) / pairs))
            left[name].append(float(standing(model, kept[0], y).float().mean()))
        for name in runs:
            ratio[name].append(taken[name] / taken["native"])
    return [
        {
            "library": name,
            "machine": record.spread(machine[name]),
            "algorithm": record.spread(algorithm[name]) if algorithm[name] else None,
            "ratio": record.spread(ratio[name]),
            "passes": record.spread(passes[name]),
            "robust": float(np.mean(left[name])),
        }
        for name in runs
    ]


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attacks", default=",".join(CONTESTS), help="which, separated by commas")
    parser.add_argument("--models", default=",".join(MODELS), help="which, separated by commas")
    parser.add_argument("--norms", default="linf,l2", help="which, separated by commas")
    parser.add_argument("--dataset", default="digits", choices=tuple(EPS), help="mnist needs FRONTDEF_DATA")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--quick", action="store_true", help="8 samples, 2 restarts of 20 steps, 2 rounds, no trained model, PGD only."
    )
    parser.add_argument("--json", type=Path, help="Write the figures there as well.")
    options = parser.parse_args()
    contests = {name: CONTESTS[name] for name in options.attacks.split(",")}
    if options.quick:
        options.samples, options.rounds, options.models = 8, 2, "undefended,wavelet"
        contests = {"pgd": replace(CONTESTS["pgd"], steps=20, restarts=2)}
    torch.set_num_threads(1)
    split = get_dataset(options.dataset).load("test").take(options.samples, 0)
    x, y = split.images.to(options.device), split.labels.to(options.device)
    figures: dict[str, Any] = {"formats": {}, "rows": []}
    print(
        "| model | norm | attack | library | machine | algorithm | × native | passes | robust accuracy |\n"
        "| --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: |"
    )
    for name in options.models.split(","):
        model = load(name, options.dataset).to(options.device)
        times = best(model, x, y, options.rounds, options.device)
        figures["formats"][name] = times
        least = min(min(by_size.values()) for by_size in times.values())
        for norm in options.norms.split(","):
            for attack, contest in contests.items():
                eps = EPS[options.dataset][norm]
                for row in measure(model, x, y, contest, norm, eps, options.rounds, options.device, least):
                    figures["rows"].append({"model": name, "norm": norm, "eps": eps, "attack": attack, **row})
                    cells = [f"{row[what]['median']:.2f}" if row[what] else "–" for what in ("machine", "algorithm")]
                    cells.append(
                        f"{row['ratio']['median']:.2f} | {row['passes']['median']:.0f} | {100 * row['robust']:.1f} %"
                    )
                    print(f"| {name} | {norm} | {attack} | {row['library']} | {' | '.join(cells)} |", flush=True)
    if options.json:
        sizes = {name: {"steps": contest.steps, "restarts": contest.restarts} for name, contest in contests.items()}
        record.write(
            options.json,
            {"samples": options.samples, "rounds": options.rounds, "dataset": options.dataset,
             "device": options.device, "sizes": sizes, **figures},
            ("torch", "torchattacks", "adversarial-robustness-toolbox", "foolbox", "adv-lib"),
        )  # fmt: skip


if __name__ == "__main__":
    main()
