"""What the author of a plugin writes, one record of each hook, fully typed: it is checked, not run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import frontdef
from frontdef import bpda
from frontdef.attacks.library import AttackLibrary, Realization
from frontdef.attacks.spec import AttackSpec, Family, Parameters
from frontdef.datasets import Dataset
from frontdef.datasets.record import Split, SplitName
from frontdef.logger import numbers


class RoundingConfig(frontdef.Config):
    """How it rounds."""

    levels: int = frontdef.field(default=8, ge=2, description="gray levels per channel")


class Rounding(frontdef.FrontEnd[RoundingConfig]):
    """Rounds every pixel to the nearest of `levels` gray levels."""

    surrogates = (bpda.IDENTITY, bpda.SMOOTH)

    def forward(self, x: Tensor) -> Tensor:
        """The rounded images."""
        return bpda.quantize(x, self.config.levels, surrogate=self.surrogate)


STAGES = (frontdef.Stage(epochs=2), frontdef.Stage(epochs=1, lr=0.01, trains="classifier"))

FOUR = Rounding(RoundingConfig(levels=4), image_shape=(1, 28, 28))


@frontdef.hookimpl
def frontdef_defenses() -> Iterable[frontdef.Defense]:
    """A defense."""
    yield frontdef.Defense("rounding", Rounding, RoundingConfig, paper="arXiv:1704.01155", summary="Fewer gray levels")


class Radius(frontdef.Certificate):
    """A certificate."""

    statement = "The logits' gap is at least twice what a perturbation can move them."
    norms = ("l2",)

    def proof(
        self, protected: frontdef.Protected, threat: frontdef.ThreatModel
    ) -> Callable[[Tensor, Tensor], Tensor] | None:
        """The proof."""
        reach = 2 * threat.eps

        def prove(x: Tensor, y: Tensor) -> Tensor:
            top = protected(x).topk(2).values
            return top[:, 0] - top[:, 1] > reach

        return prove


def step(spec: AttackSpec, protected: frontdef.Protected, x: Tensor, y: Tensor) -> Tensor:
    """A step of FGSM."""
    image = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(nn.functional.cross_entropy(protected(image), y), image)
    return (x + spec.threat.eps * gradient.sign()).clamp(0, 1)


class LabLibrary(AttackLibrary):
    """A library of attacks."""

    name = "lab"
    distribution = "frontdef-lab"

    def table(self) -> Mapping[tuple[str, str], Realization]:
        """What it offers."""
        return {("fgsm", "linf"): Realization("fgsm", step, unsupported={"target": "none"})}


@frontdef.hookimpl
def frontdef_attacks() -> Iterable[AttackLibrary | str]:
    """A library."""
    yield LabLibrary()


class SwirlParameters(Parameters):
    """Of a family."""

    turns: float = frontdef.field(default=1.0, gt=0, description="how far")


@frontdef.hookimpl
def frontdef_families() -> Iterable[Family]:
    """A family."""
    yield Family("swirl", "Swirl", "", ("linf",), SwirlParameters, "no peer")


def load(split: SplitName, *, root: Path | None = None, download: bool = False) -> Split:
    """A split."""
    return Split(torch.rand(4, 1, 8, 8), torch.zeros(4, dtype=torch.int64), torch.arange(4))


@frontdef.hookimpl
def frontdef_datasets() -> Iterable[Dataset]:
    """A data set."""
    yield Dataset("noise", load, (1, 8, 8), 2, n_train=4, n_test=4)


@frontdef.hookimpl
def frontdef_classifiers() -> Iterable[frontdef.Classifier]:
    """A classifier."""
    yield frontdef.Classifier("linear", "frontdef_lab.network:build", summary="a linear one")


def confidence(protected: frontdef.Protected, x: Tensor, y: Tensor, parameters: Any, seed: int) -> dict[str, Tensor]:
    """A quantity."""
    return {"of the prediction": protected.predict(x).softmax(1).amax(1)}


@frontdef.hookimpl
def frontdef_metrics() -> Iterable[frontdef.Metric]:
    """A metric."""
    yield frontdef.Metric("confidence", confidence, summary="probability of the predicted class", unit="share")


def open_model(request: frontdef.ZooRequest) -> frontdef.ZooModel:
    """A model of a zoo."""
    if request.name != "linear":
        raise frontdef.ModelError(f"no model {request.name!r}")
    module = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    return frontdef.ZooModel(module, file=request.file, normalize=frontdef.Normalization(mean=(0.5,), std=(0.5,)))


@frontdef.hookimpl
def frontdef_models() -> Iterable[frontdef.Zoo]:
    """A zoo."""
    yield frontdef.Zoo("lab", open_model, lambda: ["linear"], summary="what the lab trained")


def log(ended: frontdef.JobEnded) -> None:
    """A line a job."""
    with (ended.run / "log.txt").open("a") as file:
        file.write(f"{ended.what}: {numbers(ended)}\n")


@frontdef.hookimpl
def frontdef_loggers() -> Iterable[frontdef.Logger]:
    """A logger."""
    yield frontdef.Logger("text", log, summary="a line a job")
