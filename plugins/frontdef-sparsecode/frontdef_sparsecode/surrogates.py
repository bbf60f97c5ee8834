"""The gradients that an attacker may choose from: how the activation, and how the selection is differentiated.

The projection onto the atoms, the dropout draw and the decoder are differentiated as they are. The activation is a step
function, and the selection of the T largest lets a gradient reach only the selected, although an attack may be
about bringing in others; both get a function that is differentiated in their place (4.2.3, appendices B.4 and B.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from frontdef.bpda import Surrogate

STEEPNESS = 4.0
"""Appendix B.4: the strongest."""


@dataclass(frozen=True)
class Backward:
    """How the encoder is differentiated.

    Args:
        activation: ``smooth``: ½(tanh s(y−j) + tanh s(y+j)) of y = x/‖d‖₁, j = βε; ``identity``: straight through.
        reach: The gradient passes through the ``reach``·T largest coefficients of a patch; None: through all.
    """

    activation: Literal["smooth", "identity"]
    reach: int | None


_ACTIVATIONS: dict[Literal["smooth", "identity"], str] = {
    "smooth": "the derivative of a smooth activation",
    "identity": "the activation straight through",
}
_REACHES: dict[str, tuple[int | None, str]] = {
    "": (1, "through the T coefficients that were kept"),
    "-top-2t": (2, "through the 2T largest coefficients"),
    "-top-5t": (5, "through the 5T largest coefficients"),
    "-top-10t": (10, "through the 10T largest coefficients"),
    "-all": (None, "through all coefficients (the selection straight through)"),
}

BACKWARD: dict[str, Backward] = {
    activation + suffix: Backward(activation, reach)
    for activation in _ACTIVATIONS
    for suffix, (reach, _) in _REACHES.items()
}
"""Name → what it means; `AUTOENCODER` is not among them."""

AUTOENCODER = Surrogate("autoencoder", doc="encoder and decoder straight through, the default of the authors' code")

SURROGATES: tuple[Surrogate, ...] = (
    *(
        Surrogate(
            activation + suffix,
            doc=f"{phrase}, {where}",
            steepness=STEEPNESS if activation == "smooth" else None,
        )
        for activation, phrase in _ACTIVATIONS.items()
        for suffix, (_, where) in _REACHES.items()
    ),
    AUTOENCODER,
)
"""The first, ``smooth``, is the white-box attack of the paper."""
