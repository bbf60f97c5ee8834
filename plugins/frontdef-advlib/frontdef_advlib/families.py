"""The families that only adv-lib has."""

from __future__ import annotations

import frontdef
from frontdef.attacks.families import TargetableParameters
from frontdef.attacks.spec import Family, Parameters


class ALMAParameters(TargetableParameters):
    """Of the augmented Lagrangian method."""

    steps: int = frontdef.field(1000, ge=1, description="gradient steps")
    lr: float = frontdef.field(0.1, gt=0, description="first learning rate")
    lr_reduction: float = frontdef.field(
        0.01, gt=0, le=1, description="last learning rate divided by the first; it falls from the first example on"
    )
    alpha: float = frontdef.field(0.9, ge=0, lt=1, description="memory of the moving averages")
    check_steps: int = frontdef.field(10, ge=1, description="steps between two looks at the constraint")
    tau: float = frontdef.field(0.95, gt=0, le=1, description="improvement of the constraint that leaves ρ as it is")
    gamma: float = frontdef.field(1.2, ge=1, description="factor on the penalty parameter ρ otherwise")


class SigmaZeroParameters(Parameters):
    """Of σ-zero."""

    steps: int = frontdef.field(1000, ge=1, description="gradient steps")
    lr: float = frontdef.field(1.0, gt=0, description="first step size η, which falls as a cosine")
    sigma: float = frontdef.field(0.001, gt=0, description="sharpness σ of the smooth ℓ0 norm")
    threshold: float = frontdef.field(0.3, ge=0, le=1, description="first threshold τ below which a change is dropped")
    threshold_step: float = frontdef.field(0.01, ge=0, description="change of τ in a step, in units of η")


class PDPGDParameters(TargetableParameters):
    """Of primal-dual proximal gradient descent."""

    steps: int = frontdef.field(500, ge=2, description="gradient steps")
    primal_lr: float = frontdef.field(0.1, gt=0, description="first learning rate of the perturbation")
    dual_lr: float = frontdef.field(0.1, gt=0, description="first learning rate of the multiplier")
    dual_ratio: float = frontdef.field(
        0.01, gt=0, description="first weight of the distance divided by that of the constraint"
    )
    proximal_steps: int = frontdef.field(5, ge=1, description="proximal steps after a gradient step, at most")


FAMILIES: tuple[Family, ...] = (
    Family(
        "alma",
        "Augmented Lagrangian method",
        "arXiv:2011.11857",
        ("l2", "l1"),
        ALMAParameters,
        "no peer",
        minimum_norm=True,
    ),
    Family("sigmazero", "σ-zero", "arXiv:2402.01879", ("l0",), SigmaZeroParameters, "no peer", minimum_norm=True),
    Family(
        "pdpgd",
        "Primal-dual proximal gradient descent",
        "arXiv:2106.01538",
        ("l0", "l1", "l2", "linf"),
        PDPGDParameters,
        "no peer",
        minimum_norm=True,
    ),
)
