"""What AutoAttack warns of (Croce & Hein 2020, ``checks.py`` of the authors), and logits that were cut off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

from frontdef.checks.kit import Finding, judged, not_applicable
from frontdef.checks.masking.evidence import Evidence
from frontdef.checks.masking.questions import Answer, Shares, asks
from frontdef.checks.masking.statistics import share
from frontdef.checks.masking.table import CHECKS

PROBABILITIES = 1e-5
"""Tolerance within which outputs count as probabilities (AutoAttack)."""

FLAG = "Croce & Hein 2020 (arXiv:2003.01690), AutoAttack's flag: "


@CHECKS.register("zero gradients", strength="hint", reference=FLAG + "zero gradients of the DLR loss, on any sample")
def zero_gradients(evidence: Evidence) -> Finding:
    """The DLR loss has no gradient on some samples; AutoAttack would call its own result unreliable."""
    gradient = evidence.gradient("dlr" if evidence.clean.shape[1] > 2 else "margin")
    if isinstance(gradient, str):
        return Finding("alarm", f"there is no gradient at all: {gradient}", 1.0, 0.0)
    zero = gradient.flatten(1).abs().sum(dim=1) == 0
    return judged(bool(zero.any()), f"zero on {int(zero.sum())} of {len(zero)}", share(zero), 0.0)


@CHECKS.register("softmax outputs", strength="hint", reference=FLAG + "softmax in the model")
def softmax_outputs(evidence: Evidence) -> Finding:
    """The outputs are probabilities, so attacks take a softmax of a softmax."""
    logits = evidence.single
    low, high = float(logits.min()), float(logits.max())
    away = float((logits.sum(dim=1) - 1).abs().max())
    is_softmax = low > -PROBABILITIES and high < 1 + PROBABILITIES and away < PROBABILITIES
    return judged(
        is_softmax, f"outputs in [{low:.3g}, {high:.3g}], their sums up to {away:.2g} from 1", away, PROBABILITIES
    )


@CHECKS.register("dynamic defense", strength="hint", reference=FLAG + "optimization at test time")
def dynamic_defense(evidence: Evidence) -> Finding:
    """The forward pass itself differentiates something: attacks see a frozen copy of a defense that reacts."""
    calls = evidence.once("watched pass", lambda: _gradient_calls(evidence))
    return judged(calls > 0, f"{calls} calls of autograd in a forward pass", float(calls), 0.0)


def _gradient_calls(evidence: Evidence) -> int:
    watch = _Watch()
    with watch:
        evidence.look(evidence.x[:1], evidence.model)
    return watch.calls


class _Watch(TorchFunctionMode):
    """Counts calls of ``torch.autograd.grad``, ``torch.autograd.backward`` and ``Tensor.backward``.

    AutoAttack sets a trace function for that; this leaves debuggers and coverage alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: int = 0

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.calls += getattr(func, "__name__", "") in {"grad", "backward"}
        return func(*args, **(kwargs or {}))


@asks("clipped logits", strength="hint", reference="Carlini & Wagner 2016 (arXiv:1607.04311): outputs that saturate")
def clipped_logits(evidence: Evidence) -> Answer:
    """Different samples share one and the same largest or smallest logit, as after a cut-off."""
    if evidence.randomized:
        return not_applicable("randomized: the draws are averaged")
    logits = evidence.clean
    shared = max((_shared(logits.amax(dim=1)), _shared(logits.amin(dim=1))), key=share)
    return Shares(shared, "by")


def _shared(values: Tensor) -> Tensor:
    return (values[:, None] == values[None, :]).sum(dim=1) > 1
