"""Does the model remember what it was asked? Then what an attack sees is not what the next user sees."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from frontdef.attacks.native.geometry import random_perturbation
from frontdef.checks.kit import Finding, judged, not_applicable
from frontdef.checks.masking.checks.validity import SAME, apart
from frontdef.checks.masking.evidence import Evidence
from frontdef.checks.masking.table import CHECKS
from frontdef.protected import Protected

QUESTIONS = 20
"""Batches of images near the samples that a copy is asked, as an attack would, before its answers count."""


@CHECKS.register(
    "memory",
    strength="invalid",
    reference="by definition: a classifier is a function of one image, whatever it was asked before",
)
def memory(evidence: Evidence) -> Finding:
    """The model answers otherwise once it was asked often, so an attack and the next user see different models."""
    examples = evidence.white_box.x_adv.clamp(0, 1).nan_to_num()
    before = evidence.clean

    def run() -> dict[str, float]:
        differences = (
            {} if evidence.randomized else {"before and after the attacks": apart(before, evidence.look(evidence.x))}
        )
        return {**differences, **_copies(evidence, examples)}

    differences = evidence.once("memory", run)
    if not differences:
        return not_applicable("no two copies of the model answer alike, or it can't be copied")
    where, largest = max(differences.items(), key=lambda pair: pair[1])
    return judged(not largest <= SAME, f"{where}, normalized logits up to {largest:.2g} apart", largest, SAME)


def _copies(evidence: Evidence, examples: Tensor) -> dict[str, float]:
    """How far answers lie apart: of copies that were never asked anything, and of models that were."""
    if evidence.pristine is None:
        return {}
    pristine, questions = evidence.pristine, [evidence.x, examples, _near(evidence)]

    def fresh() -> list[Tensor]:
        return [_ask(evidence, copy.deepcopy(pristine), images) for images in questions]

    first = fresh()
    if not _apart(first, fresh()) <= SAME:
        return {}
    asked = copy.deepcopy(pristine)
    for images in (evidence.x, *(_near(evidence) for _ in range(QUESTIONS))):
        _ask(evidence, asked, images)
    models = {"asked about images near": asked, "attacked": evidence.model}
    return {
        f"a fresh copy and the one that was {what}": _apart(first, [_ask(evidence, model, part) for part in questions])
        for what, model in models.items()
    }


def _near(evidence: Evidence) -> Tensor:
    return random_perturbation(evidence.x, evidence.threat.norm, evidence.threat.eps)


def _ask(evidence: Evidence, model: Protected, images: Tensor) -> Tensor:
    """Logits of single draws, from one and the same seed."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(evidence.seed)
        model.front_end.reseed(evidence.seed)
        return evidence.look(images, model)


def _apart(first: list[Tensor], second: list[Tensor]) -> float:
    return max(apart(*pair) for pair in zip(first, second, strict=True))
