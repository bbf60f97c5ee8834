"""Diagnose: run the checks, and say what they amount to."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

import frontdef.checks.masking.checks  # noqa: F401  fills the table of checks
from frontdef._version import __version__
from frontdef.attacks.native.geometry import PROJECTIONS
from frontdef.checks.kit import Check, Cost, Finding, Strength, alarms
from frontdef.checks.masking.budget import Budget
from frontdef.checks.masking.evidence import Evidence
from frontdef.checks.masking.record import Diagnosis, Verdict
from frontdef.checks.masking.table import CHECKS
from frontdef.code import code_reached
from frontdef.errors import ConfigError
from frontdef.images import as_images, as_labels
from frontdef.protected import Protected
from frontdef.threat import NORM_LABELS, ThreatModel

Keep = Callable[[str, Tensor, Tensor], None]
"""Takes what an attack is called, the numbers ``(M,)`` of its samples among those given, its examples ``(M,C,H,W)``."""

FEWEST = 10
"""Samples without which no test reaches its level: eight of eight is the first result that does."""

RULE: Mapping[Strength, Verdict] = {"invalid": "invalid", "proof": "masked", "hint": "suspicious"}
"""The verdict is that of the strongest alarm; without any it is ``trusted``. Hints do not add up to a proof."""


def verdict(findings: Sequence[Finding]) -> Verdict:
    """What the findings amount to, by `RULE`."""
    raised = {alarm.strength for alarm in alarms(findings)}
    return next((RULE[strength] for strength in RULE if strength in raised), "trusted")


def code() -> str:
    """Hash of the code that decides a diagnosis: the checks, their evidence and the native attacks that they run.

    Returns:
        16 hexadecimal digits.
    """
    return code_reached((__name__,))


def measure(check: Check[Evidence], evidence: Evidence) -> Finding:
    """What a check finds, with the passes that it took."""
    with evidence.accounting() as spent:
        finding = check(evidence)
    return replace(finding, cost=spent())


def diagnose(
    protected: Protected,
    x: Any,
    y: Any,
    threat: ThreatModel,
    *,
    seed: int = 0,
    certified: Tensor | None = None,
    budget: Budget | None = None,
    keep: Keep | None = None,
) -> Diagnosis:
    """Is the gradient of a defended model lying?

    The attack under suspicion is PGD on the cross-entropy from the image, by expectation over transformation where the
    front end is randomized: what every library runs. It climbs the strongest of the gradients that the front end
    offers, because an attacker chooses; that the selected one is weaker is a check of its own. Samples whose robustness
    is proved are left out: nothing can beat an attack on them, and no gradient leads anywhere.

    Args:
        protected: The defended model, on its device.
        x: Images ``(N,C,H,W)`` in [0,1].
        y: Labels ``(N,)``.
        threat: ``linf``, ``l2`` or ``l1``, and the radius.
        seed: Of every draw; the global generators are left alone.
        certified: Which samples are proved robust, bool ``(N,)``.
        budget: What the attacks may spend; None takes the defaults.
        keep: Given the examples of every attack that reached into the threat model, as evidence for whoever counts it.

    Returns:
        The verdict with its reasons and all that was measured. ``invalid``: the model is no function of a sample, so no
        attack on it means anything, and none is run. ``masked``: there are adversarial examples that the gradient
        attack misses, or it has no gradient. ``suspicious``: a hint of either, or too few samples. ``trusted``: no
        objection.

    Raises:
        ImageError: Images or labels that break the contract.
        ConfigError: Another norm, or ``certified`` of another length.
    """
    if threat.norm not in PROJECTIONS:
        raise ConfigError(f"masking is diagnosed in {', '.join(PROJECTIONS)}, not in {NORM_LABELS[threat.norm]}")
    images = as_images(x, protected.image_shape).to(protected.device)
    proved = (
        torch.zeros(len(images), dtype=torch.bool) if certified is None else torch.as_tensor(certified).bool().cpu()
    )
    if proved.shape != (len(images),):
        raise ConfigError(f"certified has one value an image, {len(images)}, got the shape {tuple(proved.shape)}")
    started = time.perf_counter()
    n_classes = protected.predict(images[:1]).shape[1]
    labels = as_labels(y, len(images), n_classes).to(protected.device)
    whole = Evidence(protected, images, labels, threat, budget or Budget(), seed)

    findings = [measure(check, whole) for check in CHECKS if check.strength == "invalid"]
    open_ = torch.zeros_like(proved)
    n_correct, restricted = 0, None
    if verdict(findings) != "invalid":
        correct = (whole.clean.argmax(dim=1) == labels).cpu()
        n_correct, open_ = int(correct.sum()), correct & ~proved
        if int(open_.sum()) >= FEWEST:
            restricted = whole.restrict(open_.to(protected.device))
            with protected.surrogate(restricted.strongest):
                findings += [measure(check, restricted) for check in CHECKS if check.strength != "invalid"]
    if keep is not None:
        for evidence, numbers in ((whole, torch.arange(len(images))), (restricted, open_.nonzero().squeeze(1))):
            for name, examples in {} if evidence is None else evidence.attempts().items():
                keep(name, numbers, examples)
    judged, reasons = _conclude(findings, n_correct, int(open_.sum()), restricted)
    return Diagnosis(
        verdict=judged,
        reasons=reasons,
        findings=tuple(findings),
        norm=threat.norm,
        eps=threat.eps,
        n=len(images),
        n_correct=n_correct,
        n_certified=int(proved.sum()),
        n_attacked=int(open_.sum()),
        n_survived=None if restricted is None else int(restricted.survivors.sum()),
        surrogate=whole.selected if restricted is None else restricted.strongest,
        seed=seed,
        budget=whole.budget.model_dump(),
        cost=_total(whole, restricted),
        seconds=time.perf_counter() - started,
        versions={"frontdef": __version__, "torch": torch.__version__},
    )


def _conclude(
    findings: Sequence[Finding], n_correct: int, n_open: int, restricted: Evidence | None
) -> tuple[Verdict, tuple[str, ...]]:
    judged = verdict(findings)
    order = list(RULE)
    raised = sorted(alarms(findings), key=lambda alarm: order.index(alarm.strength))
    if raised:
        return judged, tuple(map(str, raised))
    if restricted is not None:
        said = f"{len(findings)} checks on {n_open} samples raised no objection"
        if not bool(restricted.survivors.any()):
            said += "; the white-box attack breaks them all, so nothing is claimed that could be false"
        return judged, (said,)
    if n_correct and not n_open:
        return "trusted", (f"a certificate proves all {n_correct} correctly classified samples: no gradient is needed",)
    return "suspicious", (f"too few samples to tell: {n_open} correct and not certified, at least {FEWEST} are needed",)


def _total(whole: Evidence, restricted: Evidence | None) -> Cost:
    rest = Cost() if restricted is None else restricted.total
    scale = 0.0 if restricted is None else len(restricted.x) / len(whole.x)
    return whole.total + Cost(rest.forward * scale, rest.backward * scale)
