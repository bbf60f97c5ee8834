"""Section 3 of "Toward Robust Neural Networks via Sparsification", measured: attenuation, equation (1), switches.

    FRONTDEF_DATA=… python benchmarks/sparsification_theory.py benchmarks/papers/results/sparsification-theory

Nothing is drawn but the random classifiers of section 3.1 (seed 0). What the tables say: docs/papers/sparsification.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import summary
import torch
from frontdef_wavelet.transform import pyramid
from scipy.fft import dct
from scipy.stats import kstest
from torch import Tensor

import frontdef
from frontdef.attacks.native.losses import margin
from frontdef.attacks.native.pgd import pgd
from frontdef.bpda import top_k_mask
from frontdef.protected import Protected
from frontdef.registry import get_dataset
from frontdef.runs.versions import versions

SEED = 0
SIDE = 28
KEPT = 23
"""K of Table 1: 3 % of N = 784."""

RADII = (0.01, 0.1, 0.25)
EPS = 0.25

PAIRS = ("mnist-3-7", "fashion-mnist-tshirt-pullover")
RECIPE = (frontdef.Stage(epochs=8, lr=3e-3, final_lr=3e-5, batch_size=64),)
"""Those of benchmarks/papers/sparsenet.toml."""


@dataclass(frozen=True)
class Basis:
    """A basis of images, as matrices on flat images.

    Args:
        name: What tables call it.
        analysis: A ``(N,N)``, image → coefficients.
        synthesis: S ``(N,N)``, its inverse.
    """

    name: str
    analysis: Tensor
    synthesis: Tensor

    def masks(self, images: Tensor) -> Tensor:
        """Which K coefficients of flat images ``(M,N)`` are kept, ``(M,N)`` of 0 and 1."""
        return top_k_mask((images @ self.analysis.T).float(), KEPT).double()

    def project(self, vectors: Tensor, masks: Tensor) -> Tensor:
        """P = S·M·A of each row."""
        return (vectors @ self.analysis.T * masks) @ self.synthesis.T

    def pull_back(self, vectors: Tensor, masks: Tensor) -> Tensor:
        """Pᵀ of each row; P itself for an orthonormal basis."""
        return (vectors @ self.synthesis * masks) @ self.analysis


def bases() -> Iterator[Basis]:
    """Wavelets of one level, as the paper's code has them, and the discrete cosine transform."""
    identity = torch.eye(SIDE * SIDE, dtype=torch.float64)
    for title, wavelet in (("9/7", "bior4.4"), ("Haar", "haar"), ("coif1", "coif1")):
        transform = pyramid(wavelet, "periodization", 1, SIDE, SIDE, torch.float64, torch.device("cpu"))
        yield Basis(
            title, transform.analysis(identity.view(-1, SIDE, SIDE)).T, transform.synthesis(identity).flatten(1).T
        )
    rows = torch.from_numpy(dct(torch.eye(SIDE, dtype=torch.float64).numpy(), norm="ortho", axis=0))
    cosines = torch.kron(rows, rows)
    yield Basis("DCT", cosines, cosines.T)


def attenuation(samples: int) -> Iterator[dict[str, Any]]:
    """Section 3.1: distortion behind the front end over that without, for random linear classifiers, one an image."""
    for dataset in ("mnist", "fashion-mnist"):
        images = get_dataset(dataset).load("test", samples=samples, seed=SEED).images.flatten(1).double()
        w = torch.randn(images.shape, generator=torch.Generator().manual_seed(SEED), dtype=torch.float64)
        for basis in bases():
            masks = basis.masks(images)
            sparse = basis.project(images, masks)
            pulled, alone = basis.pull_back(w, masks), w.abs().sum(1)
            ratios = {"semi-white": (w.sign() * pulled).sum(1).abs() / alone, "white": pulled.abs().sum(1) / alone}
            for eps in RADII:
                moved = images + eps * pulled.sign()
                change = (w * (basis.project(moved, basis.masks(moved)) - sparse)).sum(1)
                ratios[f"white, support as it falls, ε = {eps:g}"] = change.abs() / (eps * alone)
            lengths = basis.synthesis.abs().sum(0) / basis.synthesis.norm(dim=0)
            error = (images - sparse).norm(dim=1) / images.norm(dim=1)
            for name, values in ratios.items():
                yield {
                    "dataset": dataset, "basis": basis.name, "attack": name, **_mean(values),
                    "kept": KEPT / images.shape[1], "l1_of_basis": float(lengths.mean()), "error": float(error.mean()),
                }  # fmt: skip


Attack = Callable[[Protected, Tensor, Tensor], Tensor]

THREAT = frontdef.ThreatModel("linf", EPS)

ATTACKS: dict[str, Attack] = {
    "one step of ε": lambda model, x, y: pgd(model, x, y, threat=THREAT, steps=1, step_size=EPS),
    "80 steps of ε/20": lambda model, x, y: pgd(model, x, y, threat=THREAT, steps=80, step_size=EPS / 20),
    "40 steps of ε/10, random start": lambda model, x, y: pgd(
        model, x, y, threat=THREAT, steps=40, step_size=EPS / 10, random_start=True,
        generator=torch.Generator().manual_seed(SEED),
    ),
    "the same, 20 restarts": lambda model, x, y: pgd(
        model, x, y, threat=THREAT, steps=40, step_size=EPS / 10, random_start=True, restarts=20,
        generator=torch.Generator().manual_seed(SEED),
    ),
}  # fmt: skip


def terms(samples: int) -> Iterator[dict[str, Any]]:
    """Equation (1) behind each front end: what a perturbation does along the last slope, and by flipping switches."""
    for dataset, title, model in _networks():
        split = get_dataset(dataset).load("test", samples=samples, seed=SEED)
        x, y = split.images, split.labels
        broken = {}
        for name, attack in ATTACKS.items():
            seen, moved = (model.front_end(images) for images in (x, attack(model, x, y)))
            at = moved.detach().requires_grad_()
            values = margin(model.classifier(at), y)
            (slope,) = torch.autograd.grad(values.sum(), at)
            with torch.no_grad():
                change = values.detach() - margin(model.classifier(seen), y)
                linear = (slope * (moved - seen)).flatten(1).sum(1)
                flipped = (_switches(model, seen) != _switches(model, moved)).double().mean(1)
            broken[name] = values.detach() > 0
            still = (slope == 0).flatten(1).all(1)
            lost = broken["one step of ε"] & ~broken[name]
            yield {
                "dataset": dataset, "defense": title, "attack": name, "n": len(y),
                "robust_accuracy": 1 - float(broken[name].double().mean()),
                "change": float(change.mean()), "linear": float(linear.mean()),
                "flips": float((change - linear).mean()), "flipped": float(flipped.mean()),
                "no_gradient": float(still.double().mean()),
                "lost": float(lost.double().mean()),
                "lost_no_gradient": float(still[lost].double().mean()) if bool(lost.any()) else None,
            }  # fmt: skip


def switches(samples: int) -> Iterator[dict[str, Any]]:
    """Section 3.4: how many neurons no perturbation can flip, and how many meet assumption 2."""
    for dataset, title, model in _networks():
        images = get_dataset(dataset).load("test", samples=samples, seed=SEED).images
        hidden = model.classifier.body[1]
        with torch.no_grad():
            seen = (model.front_end(images) - model.classifier.mean) / model.classifier.std
            before = hidden(seen.flatten(1)).abs()
            reach = hidden.weight.abs().sum(1) / model.classifier.std.flatten()
            # The image's scale is that of the perturbation: the bias of the neuron as a function of pixels in [0,1].
            bias = hidden(((torch.zeros_like(images[:1]) - model.classifier.mean) / model.classifier.std).flatten(1))[0]
            for budget in (EPS / 20, EPS):
                yield {
                    "dataset": dataset, "defense": title, "budget": budget, "n": len(images), "neurons": len(reach),
                    "out_of_reach": float((before > budget * reach).double().mean()),
                    "assumption": float((bias.abs() / reach > budget).double().mean()),
                    "largest_ratio": float((bias.abs() / reach).max()),
                }  # fmt: skip


def lemma(draws: int = 10_000) -> Iterator[dict[str, Any]]:
    """Lemma 1: how far w·x is from normal, for i.i.d. weights that are not, and one image of unit length."""
    image = get_dataset("mnist").load("test", samples=1, seed=SEED).images.flatten().double()
    image = image / image.norm()
    generator = torch.Generator().manual_seed(SEED)
    for size in (16, 49, 196, 784):
        # The image's largest pixels, so that none is zero where there are few.
        x = image.sort(descending=True).values[:size]
        x = x / x.norm()
        uniform = (2 * torch.rand(draws, size, generator=generator, dtype=torch.float64) - 1) * 3**0.5
        signs = torch.randint(0, 2, (draws, size), generator=generator).double() * 2 - 1
        for name, w in (("uniform", uniform), ("±1", signs)):
            test = kstest((w @ x).numpy(), "norm")
            yield {
                "weights": name,
                "N": size,
                "draws": draws,
                "distance": float(test.statistic),
                "p": float(test.pvalue),
            }


def _networks() -> Iterator[tuple[str, str, Protected]]:
    for dataset in PAIRS:
        for title, config in (("none", {}), ("wavelet", {"keep": 0.03})):
            model = frontdef.train(title, dataset=dataset, classifier="fc2", recipe=RECIPE, seed=SEED, **config)
            yield dataset, title, model


def _switches(model: Protected, seen: Tensor) -> Tensor:
    """Which hidden neurons are on, bool ``(N,10)``."""
    network = model.classifier
    on: Tensor = network.body[1](((seen - network.mean) / network.std).flatten(1)) > 0
    return on


def _mean(values: Tensor) -> dict[str, float]:
    half = 1.96 * float(values.std()) / len(values) ** 0.5
    return {"n": len(values), "mean": float(values.mean()), "low": float(values.mean()) - half,
            "high": float(values.mean()) + half}  # fmt: skip


def main() -> None:
    """Measure and write the summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--samples", type=int, default=200, help="test images of each data set")
    arguments = parser.parse_args()
    samples = arguments.samples
    frames = {
        "attenuation": attenuation(samples), "terms": terms(samples), "switches": switches(samples), "lemma": lemma(),
    }  # fmt: skip
    named = {*summary.NAMED, "frontdef", "frontdef-wavelet"}
    about = {
        "name": arguments.out.name,
        "command": f"python benchmarks/sparsification_theory.py benchmarks/papers/results/{arguments.out.name}",
        "versions": {name: version for name, version in versions().items() if name in named},
        "device": "cpu",
        "seed": SEED,
        "samples": samples,
        "datasets": ["mnist", "fashion-mnist", *PAIRS],
    }
    summary.write(arguments.out, about, {name: pd.DataFrame(list(rows)) for name, rows in frames.items()}, digits=6)


if __name__ == "__main__":
    main()
