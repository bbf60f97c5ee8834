"""Is the model a function of a sample at all? If not, no attack on it means anything."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from frontdef.attacks.native.geometry import random_perturbation
from frontdef.checks.kit import Finding, judged, not_applicable
from frontdef.checks.masking.evidence import Evidence
from frontdef.checks.masking.table import CHECKS
from frontdef.checks.masking.wrappers import RaisesError

SAME = 1e-4
"""Largest ℓ2 distance between two vectors of logits, each normalized to length 1, that counts as equal (AutoAttack)."""

ALONE = 16
"""Samples that are looked at one by one."""


def apart(first: Tensor, second: Tensor) -> float:
    """Largest distance between normalized logits, ``(N,K)`` each."""
    return float((F.normalize(first.double(), dim=1) - F.normalize(second.double(), dim=1)).norm(dim=1).max())


@CHECKS.register("answers", strength="invalid", reference="by definition: a classifier answers every valid image")
def answers(evidence: Evidence) -> Finding:
    """The model raises an error on valid images, or gives anything but logits (N,K)."""

    def run() -> list[str]:
        near = random_perturbation(evidence.x, evidence.threat.norm, evidence.threat.eps)
        plain = torch.cat([torch.zeros_like(evidence.x[:1]), torch.ones_like(evidence.x[:1])])
        asked = {"one image": evidence.x[:1], "the images": evidence.x, "images near them": near, "black, white": plain}
        return [f"{what}: {fault}" for what, images in asked.items() if (fault := _fault(evidence, images))]

    faults = evidence.once("questions", run)
    return judged(bool(faults), "; ".join(faults) or "logits for one image, a batch, images near, black and white")


def _fault(evidence: Evidence, images: Tensor) -> str:
    try:
        logits = evidence.look(images, evidence.model)
    except RaisesError as error:
        return str(error)
    except (TypeError, AttributeError) as error:  # what comes back is no tensor
        return f"no logits: {error}"
    if logits.ndim != 2 or len(logits) != len(images) or logits.shape[1] < 2 or not logits.is_floating_point():
        return f"gives {logits.dtype} {tuple(logits.shape)} for {len(images)} images, not logits (N,K), K ≥ 2"
    return ""


@CHECKS.register("finite outputs", strength="invalid", reference="by definition: a prediction needs finite logits")
def finite(evidence: Evidence) -> Finding:
    """The model gives NaN or infinite logits to valid images."""

    def run() -> Tensor:
        images = [evidence.x, random_perturbation(evidence.x, evidence.threat.norm, evidence.threat.eps)]
        images += [torch.zeros_like(evidence.x[:1]), torch.ones_like(evidence.x[:1])]
        return torch.cat([evidence.look(image, evidence.model) for image in images])

    bad = ~evidence.once("logits of valid images", run).isfinite().all(dim=1)
    return judged(bool(bad.any()), f"{int(bad.sum())} of {len(bad)} images", float(bad.double().mean()), 0.0)


@CHECKS.register(
    "repeated passes", strength="invalid", reference="Croce & Hein 2020, AutoAttack's check for randomized defenses"
)
def repeatable(evidence: Evidence) -> Finding:
    """The model answers the same images differently, and its front end does not declare randomness."""

    def run() -> list[Tensor]:
        return [evidence.look(evidence.x, evidence.model) for _ in range(evidence.budget.passes)]

    first, *others = evidence.once("repeated passes", run)
    largest = max(apart(first, logits) for logits in others)
    correct = {int((logits.argmax(dim=1) == evidence.y).sum()) for logits in (first, *others)}
    differs = largest > SAME or len(correct) > 1
    said = f"{evidence.budget.passes} passes, normalized logits up to {largest:.2g} apart"
    if evidence.randomized:
        return Finding(
            "passed", f"{said}; declared, so attacks average over {evidence.budget.eot} draws", largest, SAME
        )
    return judged(differs, said, largest, SAME)


@CHECKS.register(
    "sample alone",
    strength="invalid",
    reference="by definition: a classifier is a function of one sample",
)
def alone(evidence: Evidence) -> Finding:
    """A sample's logits depend on the other samples of its batch or on its place."""
    if evidence.randomized:
        return not_applicable("randomized: two calls differ anyway")

    def run() -> Tensor:
        return evidence.look(evidence.x, evidence.model)

    def run_apart() -> tuple[Tensor, Tensor]:
        singles = [evidence.look(image[None], evidence.model) for image in evidence.x[:ALONE]]
        return torch.cat(singles), evidence.look(evidence.x.flip(0), evidence.model).flip(0)

    together = evidence.once("one batch", run)
    singles, reversed_ = evidence.once("alone, and in reverse order", run_apart)
    largest = max(apart(together[:ALONE], singles), apart(together, reversed_))
    return judged(largest > SAME, f"normalized logits up to {largest:.2g} apart", largest, SAME)
