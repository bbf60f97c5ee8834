"""Stage: one stage of a training recipe, as data."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, model_validator

from frontdef import config as configs
from frontdef.threat import Norm, parse_eps


def _radius(value: Any) -> Any:
    return parse_eps(value) if isinstance(value, str) else value


class Stage(configs.Config):
    """One stage of a training recipe; data, so that it can be stored, hashed and shown.

    What is minimized is ``loss + weight · penalty``. Losses and penalties beyond the core's are named by the front
    end (`FrontEnd.losses`, `FrontEnd.penalties`), as are its modes.
    """

    epochs: int = configs.field(ge=1, description="passes over the training images")
    name: str = configs.field(default="", description="what the stage is for, in progress and messages")
    trains: Literal["all", "front-end", "classifier"] = configs.field(
        default="all", description="whose parameters are trained; the others are frozen and in eval mode"
    )
    mode: str = configs.field(
        default="",
        description="variant of the front end's forward pass, one of its modes; the one that is attacked if absent",
    )
    loss: str = configs.field(
        default="cross-entropy",
        description="cross-entropy, trades (Zhang et al. 2019; needs adversarial), none (the penalty alone; the "
        "classifier is not run), or a loss that the front end offers",
    )
    beta: float = configs.field(default=6.0, gt=0, description="weight of the divergence in trades, the paper's 1/λ")
    penalty: str = configs.field(default="", description="a term that the front end offers, added to the loss")
    penalty_weight: float = configs.field(
        default=1.0, ge=0, description="its weight, in the last epoch where it is ramped"
    )
    penalty_start: float | None = configs.field(
        default=None,
        ge=0,
        description="its weight in the first epoch, from where it rises linearly, epoch by epoch; None: no ramp",
    )
    lr: float = configs.field(
        default=1e-3, gt=0, description="learning rate at the start of the stage; cyclic: at its peak"
    )
    final_lr: float | None = configs.field(
        default=None, gt=0, description="learning rate at the end, reached by a cosine; None keeps lr"
    )
    optimizer: Literal["adam", "sgd"] = configs.field(
        default="adam",
        description="adam with decoupled weight decay, or sgd with momentum and weight decay in the gradient",
    )
    momentum: float = configs.field(default=0.9, ge=0, lt=1, description="of sgd")
    schedule: Literal["cosine", "cyclic", "steps"] = configs.field(
        default="cosine",
        description="cosine to final_lr; cyclic: a triangle 0, lr, 0; steps: a tenth at each milestone",
    )
    milestones: tuple[int, ...] = configs.field(
        default=(), description="epochs of the stage after which lr falls to a tenth"
    )
    batch_size: int = configs.field(default=64, ge=1, description="images a step")
    weight_decay: float = configs.field(default=0.0, ge=0, description="weight decay")
    augment: Literal["none", "crop-flip"] = configs.field(
        default="none", description="crop-flip: a random crop of the image padded by 4 pixels, mirrored at random"
    )
    adversarial: Norm | None = configs.field(
        default=None, description="train on PGD examples of this norm (Madry et al. 2018); None trains on clean images"
    )
    eps: Annotated[float, BeforeValidator(_radius)] = configs.field(
        default=0.0, ge=0, description="radius of these examples, in [0,1] pixel values, or as '8/255'"
    )
    attack_steps: int = configs.field(default=10, ge=1, description="PGD steps an example")
    attack_step: float | None = configs.field(
        default=None,
        gt=0,
        description="step size over eps; None: 2.5 over the number of steps, enough to cross the ball",
    )
    attack_restarts: int = configs.field(
        default=1, ge=1, description="PGD runs an example, each from a random start; the first that fools counts"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.loss == "trades" and not self.adversarial:
            raise ValueError("loss='trades' compares clean and adversarial images: name the norm in adversarial")
        if self.loss == "none" and not self.penalty:
            raise ValueError("loss='none' leaves nothing to minimize: name a penalty")
        if self.penalty_start is not None and not self.penalty:
            raise ValueError("penalty_start is the weight of a penalty: name the penalty")
        if bool(self.milestones) != (self.schedule == "steps"):
            raise ValueError("milestones belong to schedule='steps', and it needs at least one")
        if list(self.milestones) != sorted(set(self.milestones)) or not all(
            0 < m < self.epochs for m in self.milestones
        ):
            raise ValueError(f"milestones ascend between 1 and epochs - 1 = {self.epochs - 1}, got {self.milestones}")
        if self.final_lr is not None and self.schedule != "cosine":
            raise ValueError(f"final_lr is the end of a cosine, the schedule is {self.schedule!r}")
        return self

    @property
    def relative_step(self) -> float:
        """Step size of the attack over eps."""
        return self.attack_step or 2.5 / self.attack_steps

    def weight(self, epoch: int) -> float:
        """Weight of the penalty in an epoch of the stage, counted from 0."""
        if self.penalty_start is None:
            return self.penalty_weight
        done = epoch / (self.epochs - 1) if self.epochs > 1 else 1.0
        return self.penalty_start + done * (self.penalty_weight - self.penalty_start)
