"""Diagnose: run the checks, and say what they amount to."""

from __future__ import annotations

import copy
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import dropwhile, takewhile
from typing import Any

import torch
from torch import Tensor

import frontdef.checks.masking.checks  # noqa: F401  fills the table of checks
from frontdef._version import __version__
from frontdef.attacks.native.geometry import PROJECTIONS
from frontdef.checks.kit import Check, Cost, Finding, alarms
from frontdef.checks.masking.attempts import merged
from frontdef.checks.masking.budget import Budget
from frontdef.checks.masking.evidence import Evidence
from frontdef.checks.masking.looks import DiagnosisLooks
from frontdef.checks.masking.record import FEWEST, RULE, Diagnosis, Verdict
from frontdef.checks.masking.samples import Certified, OpenSamples
from frontdef.checks.masking.table import CHECKS
from frontdef.checks.masking.wrappers import RaisesError
from frontdef.code import code_reached
from frontdef.errors import ConfigError, FrontdefError
from frontdef.images import as_images, as_labels
from frontdef.memory import exhausted
from frontdef.protected import Protected
from frontdef.threat import NORM_LABELS, ThreatModel

Keep = Callable[[str, Tensor, Tensor], None]
"""Takes what an attack is called, the numbers ``(M,)`` of its samples among those given, its examples ``(M,C,H,W)``."""

FINAL: tuple[Verdict, ...] = ("invalid", "masked")
"""Verdicts that no answer to an undecided question can change."""


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
    """What a check finds, with the passes that it took.

    A model that raises on valid images is no classifier. A check that cannot run on it for another reason has found
    nothing, neither good nor bad, and keeps the traceback.
    """
    with ExitStack() as stack:
        spent = [(len(block.x), stack.enter_context(block.accounting())) for block in evidence.blocks]
        try:
            finding = check(evidence)
        except RaisesError as error:
            finding = check.complete(Finding("alarm", f"the model {error}", strength="invalid"))
        except Exception as error:
            if exhausted(error) or isinstance(error, FrontdefError):
                raise
            finding = check.complete(
                Finding("not applicable", f"it could not run: {error!r}"[:200], detail=traceback.format_exc())
            )
        cost = _mean([(n, passes()) for n, passes in spent])
    return replace(finding, cost=cost)


def diagnose(
    protected: Protected,
    x: Any,
    y: Any,
    threat: ThreatModel,
    *,
    first: int | None = None,
    seed: int = 0,
    certified: Certified | None = None,
    budget: Budget | None = None,
    keep: Keep | None = None,
) -> Diagnosis:
    """Is the gradient of a defended model lying?

    The attack under suspicion is PGD on the cross-entropy from the image, by expectation over transformation where the
    front end is randomized: what every library runs; it averages what the model is judged by, probabilities. It climbs
    the strongest of the gradients that the front end offers, because an attacker chooses; that the selected one is
    weaker is a check of its own. Samples whose robustness is proved are left out: nothing can beat an attack on them,
    and no gradient leads anywhere.

    All checks are asked about the first samples. Those whose answers are undecided are asked about twice as many, and
    so on, up to all that were given (`frontdef.checks.masking.looks` has the rule and its error rate).

    Args:
        protected: The defended model, on its device.
        x: Images ``(N,C,H,W)`` in [0,1]: the most that it may look at.
        y: Labels ``(N,)``.
        threat: ``linf``, ``l2`` or ``l1``, and the radius.
        first: Samples of the first look; None looks at all of them at once.
        seed: Of every draw; the global generators are left alone.
        certified: Which samples are proved robust, bool ``(N,)``; or what proves it of images and labels, asked once
            the model is known to answer.
        budget: What the attacks may spend; None takes the defaults.
        keep: Given the examples of every attack that reached into the threat model, as evidence for whoever counts it.

    Returns:
        The verdict with its reasons and all that was measured. ``invalid``: the model is no function of a sample, so no
        attack on it means anything. ``masked``: there are adversarial examples that the gradient attack misses, or it
        has no gradient. ``suspicious``: a hint of either, or too few samples. ``trusted``: no objection.

    Raises:
        ImageError: Images or labels that break the contract.
        ConfigError: Another norm, ``certified`` of another length, or a first look at no sample.
    """
    if not hasattr(protected, "front_end"):
        raise ConfigError(
            f"a protected model is diagnosed, got {type(protected).__name__}. Mend: frontdef.protect(model, "
            "image_shape=(C, H, W)) makes one of a module, with or without a defense in front of it"
        )
    if threat.norm not in PROJECTIONS:
        raise ConfigError(f"masking is diagnosed in {', '.join(PROJECTIONS)}, not in {NORM_LABELS[threat.norm]}")
    if first is not None and first < 1:
        raise ConfigError(f"the first look takes at least 1 sample, got first={first}")
    images = as_images(x, protected.image_shape).to(protected.device)
    labels = as_labels(y, len(images)).to(protected.device)
    started = time.perf_counter()
    samples = OpenSamples(images, labels, certified)
    looks = DiagnosisLooks.between(first or len(images), len(images))
    whole = Evidence(
        protected, *samples.between(0, looks.sizes[0]), threat, budget or Budget(), seed, _copied(protected)
    )
    findings = _validity(whole)
    base: Evidence | None = None
    if verdict(findings) != "invalid":
        as_labels(labels, len(images), whole.clean.shape[1])
        samples.add(whole)
        while samples.n_open < FEWEST and len(samples.slices) < len(looks.sizes):
            samples.extend(looks)
        if samples.n_open >= FEWEST:
            base = whole.on(*samples.open())
            base.looks = DiagnosisLooks(looks.sizes[len(samples.slices) - 1 :])
            with protected.surrogate(base.strongest):
                findings += _settled(base, samples, looks)
    blocks = [] if base is None else base.blocks
    if keep is not None:
        for numbers, block in zip(samples.numbers if blocks else (), blocks, strict=True):
            for name, some, examples in block.examples():
                keep(name, numbers[some.cpu()], examples)
    return Diagnosis(
        verdict=_conclude(findings, samples, base),
        findings=tuple(findings),
        norm=threat.norm,
        eps=threat.eps,
        n=samples.n or len(whole.x),
        n_correct=samples.n_correct,
        n_certified=samples.n_certified,
        n_attacked=samples.n_open,
        n_survived=None if base is None else sum(int(block.survivors.sum()) for block in blocks),
        surrogate=whole.selected if base is None else base.strongest,
        seed=seed,
        budget=whole.budget.model_dump(),
        cost=_total([*samples.slices, *blocks] or [whole], samples.n or len(whole.x)),
        seconds=time.perf_counter() - started,
        versions={"frontdef": __version__, "torch": torch.__version__},
        attempts=merged(block.attempts() for block in blocks),
        most=len(images),
        looks=() if base is None else base.looks.sizes[: base.taken],
        detectable=None if base is None else base.looks.detectable(samples.n_open / samples.n),
    )


def _validity(whole: Evidence) -> list[Finding]:
    """The checks that come before any attack; where the model does not even answer, the first one alone."""
    findings: list[Finding] = []
    for check in takewhile(lambda check: check.strength == "invalid", CHECKS):
        findings.append(measure(check, whole))
        if findings[0].alarm:
            break
    return findings


def _settled(base: Evidence, samples: OpenSamples, looks: DiagnosisLooks) -> list[Finding]:
    """What the other checks find, each at the look at which it is decided; none is taken once the verdict stands."""
    checks = list(dropwhile(lambda check: check.strength == "invalid", CHECKS))
    findings = [measure(check, base) for check in checks]
    while (
        any(finding.undecided for finding in findings)
        and verdict(findings) not in FINAL
        and len(samples.slices) < len(looks.sizes)
    ):
        samples.extend(looks)
        base.extend(samples.newest())
        findings = [
            measure(check, base) if finding.undecided else finding
            for check, finding in zip(checks, findings, strict=True)
        ]
    return findings


def _copied(protected: Protected) -> Protected | None:
    """A copy that was never asked anything; None of a model that can't be copied."""
    try:
        return copy.deepcopy(protected)
    except Exception as error:
        if exhausted(error):
            raise
        return None


def _conclude(findings: Sequence[Finding], samples: OpenSamples, base: Evidence | None) -> Verdict:
    """That of the findings; too few samples that are correct and not proved leave it open."""
    judged = verdict(findings)
    proved = bool(samples.n_correct) and not samples.n_open
    return "suspicious" if judged == "trusted" and base is None and not proved else judged


def _total(evidence: Sequence[Evidence], n: int) -> Cost:
    """Passes a sample of all that was run on any samples."""
    return _mean([(len(each.x), each.total) for each in evidence], n)


def _mean(costs: Sequence[tuple[int, Cost]], n: int | None = None) -> Cost:
    total = n or sum(count for count, _ in costs)
    return Cost(
        sum(count * cost.forward for count, cost in costs) / total,
        sum(count * cost.backward for count, cost in costs) / total,
    )
