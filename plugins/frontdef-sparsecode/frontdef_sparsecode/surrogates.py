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


_SMOOTH = "the derivative of a smooth activation, "
_CHOICES: dict[str, tuple[Backward, str]] = {
    "smooth": (Backward("smooth", 1), f"{_SMOOTH}through the T coefficients that were kept"),
    "smooth-top-2t": (Backward("smooth", 2), f"{_SMOOTH}through the 2T largest coefficients"),
    "smooth-top-5t": (Backward("smooth", 5), f"{_SMOOTH}through the 5T largest coefficients"),
    "smooth-top-10t": (Backward("smooth", 10), f"{_SMOOTH}through the 10T largest coefficients"),
    "smooth-all": (Backward("smooth", None), f"{_SMOOTH}through all coefficients (the selection straight through)"),
    "identity": (Backward("identity", 1), "the activation straight through, through the T coefficients that were kept"),
    "identity-all": (Backward("identity", None), "activation and selection straight through"),
}

BACKWARD: dict[str, Backward] = {name: backward for name, (backward, _) in _CHOICES.items()}
"""Name → what it means; `AUTOENCODER` is not among them."""

AUTOENCODER = Surrogate("autoencoder", doc="encoder and decoder straight through, the default of the authors' code")

SURROGATES: tuple[Surrogate, ...] = (
    *(
        Surrogate(name, doc=doc, steepness=STEEPNESS if backward.activation == "smooth" else None)
        for name, (backward, doc) in _CHOICES.items()
    ),
    AUTOENCODER,
)
"""The first, ``smooth``, is the white-box attack of the paper."""
