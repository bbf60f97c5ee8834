"""What can be set: the method, the ball, and how much work an example is worth."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

import frontdef
from frontdef.threat import Norm

BETA = 6.0
"""1/λ of the TRADES row in the tables that compare with it (Zhang et al. 2019, Table 5; dissertation, 4.2.4)."""


class AdvTrainConfig(frontdef.Config):
    """Of adversarial training; what is left out is the data set's usual value (`frontdef_advtrain.recipes`)."""

    method: Literal["pgd", "fast", "trades"] = frontdef.field(
        "pgd",
        description="pgd: cross-entropy on PGD examples (Madry et al. 2018); fast: on one step of 1.25ε from a random "
        "point (Wong et al. 2020; the dissertation's R+FGSM); trades: clean cross-entropy plus β times the largest "
        "divergence in the ball (Zhang et al. 2019)",
    )
    norm: Norm = frontdef.field("linf", description="norm of the ball: linf, l2 or l1")
    eps: float | None = frontdef.field(
        None,
        gt=0,
        description="radius of the ball, [0,1] pixel values; none is the data set's in linf: 0.3 on mnist, 0.1 on "
        "fashion-mnist and digits, 8/255 elsewhere",
    )
    steps: int | None = frontdef.field(
        None,
        ge=1,
        description="attack steps an example; none is the data set's: 40 on mnist (Madry et al.), 20 on fashion-mnist, "
        "3 on digits, 10 elsewhere; fast has 1",
    )
    relative_step: float | None = frontdef.field(
        None,
        gt=0,
        le=2,
        description="step size divided by ε; none is the data set's for its own number of steps (mnist 1/30, "
        "fashion-mnist 1/10, digits 1/2, elsewhere 1/8), else 2.5 over the number of steps; fast has 1.25",
    )
    restarts: int = frontdef.field(
        1,
        ge=1,
        description="runs of the attack an example, each from a random point; one that fools counts; pgd only "
        "(the polarizing paper has 10)",
    )
    beta: float = frontdef.field(
        BETA, gt=0, description="1/λ, weight of the divergence against the clean loss; trades only"
    )
    epochs: int | None = frontdef.field(
        None, ge=1, description="passes over the training images; none is the data set's"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.norm != "linf" and self.eps is None:
            raise ValueError(f"in {self.norm} no radius is usual on every data set: give eps, in [0,1] pixel values")
        if self.norm == "linf" and self.eps is not None and self.eps > 1:
            raise ValueError(f"eps = {self.eps:g} is wider than the pixels' range [0,1]: 8 of 255 gray levels is 8/255")
        if self.method == "fast" and self.steps not in {None, 1}:
            raise ValueError(f"method 'fast' makes one step, steps = {self.steps}: method='pgd' makes more")
        if self.method != "pgd" and self.restarts != 1:
            raise ValueError(f"method {self.method!r} has no restarts: restarts=1, or method='pgd'")
        if self.method != "trades" and self.beta != BETA:
            raise ValueError(f"beta weighs the divergence of method 'trades', the method is {self.method!r}")
        return self
