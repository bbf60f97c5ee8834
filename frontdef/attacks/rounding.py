"""What rounding alone changes of an attack's examples: the floor below which two libraries cannot agree.

Where a gradient is almost 0, the last bit of a sum decides its sign, and each later step carries that on. So a cell
whose examples should be those of every other library is run again on some samples, with logits that are rounded anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from frontdef.attacks.library import AttackLibrary
    from frontdef.attacks.spec import AttackSpec
    from frontdef.protected import Protected

SAMPLES = 32
"""Samples on which it is measured."""

CLOSE = 1e-4
"""Examples that differ by no more than this in any value are the same."""


def expected(library: AttackLibrary, spec: AttackSpec) -> bool:
    """Whether a cell's examples should be those of every other library that says the same of itself.

    Args:
        library: The library.
        spec: What it runs, on a front end that does not draw.
    """
    row = library.offers(spec.family.name, spec.threat.norm)
    drawn = bool(getattr(spec.parameters, "random_start", False))
    exact = row is not None and row.exact and not spec.defaults
    return exact and spec.family.agreement == "exact" and spec.family.deterministic and not drawn


@contextmanager
def rounded_anew(protected: Protected) -> Iterator[None]:
    """Multiply the logits by 3 and divide them by 3: the same model, whose logits and gradients end on other last bits.

    Args:
        protected: The model under attack.
    """

    def again(_: Any, __: Any, logits: Tensor) -> Tensor:
        return logits * 3 / 3

    handle = protected.classifier.register_forward_hook(again)
    try:
        yield
    finally:
        handle.remove()


def changed_by_rounding(
    library: AttackLibrary, spec: AttackSpec, protected: Protected, x: Tensor, y: Tensor
) -> tuple[int, int]:
    """Run an attack twice on the first samples, the second time with logits that are rounded anew.

    Args:
        library: Whose.
        spec: What to run; a deterministic attack.
        protected: The model.
        x: Images, float32 ``(N,C,H,W)`` in [0,1].
        y: Labels as `AttackLibrary.run` takes them, int64 ``(N,)``.

    Returns:
        On how many of them an example changed by more than 1e-4, and how many there are.
    """
    first, labels = x[:SAMPLES], y[:SAMPLES]
    plain = library.run(spec, protected, first.clone(), labels.clone()).detach()
    with rounded_anew(protected):
        again = library.run(spec, protected, first.clone(), labels.clone()).detach()
    return int(((plain - again).abs().flatten(1).amax(1) > CLOSE).sum()), len(first)
