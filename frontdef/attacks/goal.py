"""Which labels an attack is given: those to leave, or for a targeted attack those to reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from frontdef.attacks.spec import AttackSpec, Target
    from frontdef.protected import Protected


def goal(spec: AttackSpec, protected: Protected, x: Tensor, y: Tensor) -> Tensor:
    """The labels that `AttackLibrary.run` takes for a spec.

    Args:
        spec: The attack.
        protected: The model; asked (and not charged) for its logits where the target depends on them.
        x: Images, float32 ``(N,C,H,W)`` in [0,1].
        y: True labels, int64 ``(N,)``.

    Returns:
        int64 ``(N,)`` on the device of ``y``; for a targeted spec never the true label.
    """
    return _TARGETS[spec.target](protected, x, y)


def _label(protected: Protected, x: Tensor, y: Tensor) -> Tensor:
    return y


def _next(protected: Protected, x: Tensor, y: Tensor) -> Tensor:
    return (y + 1) % protected.n_classes


def _least_likely(protected: Protected, x: Tensor, y: Tensor) -> Tensor:
    logits = protected.predict(x).to(y.device)
    return logits.scatter(1, y[:, None], float("inf")).argmin(dim=1)


_TARGETS: Mapping[Target, Callable[[Protected, Tensor, Tensor], Tensor]] = {
    "none": _label,
    "next": _next,
    "least-likely": _least_likely,
}
