"""Attack families: each is named once, with one set of parameters for every library."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Self

from pydantic import model_validator

from frontdef import config as configs
from frontdef.errors import ConfigError
from frontdef.threat import NORM_LABELS, Norm, ThreatModel, check_norm

Agreement = Literal["exact", "loss-level", "distribution-level", "no peer"]
"""What can be expected of two libraries that run a family with the same parameters (see docs/attacks.md)."""

Loss = Literal["cross-entropy", "margin", "dlr"]


class Parameters(configs.Config):
    """Parameters of a family without any."""


class StepParameters(Parameters):
    """Of the iterated gradient attacks."""

    steps: int = configs.field(20, ge=1, description="gradient steps")
    relative_step: float = configs.field(0.1, gt=0, le=2, description="step size divided by ε")


class PGDParameters(StepParameters):
    """Of projected gradient descent."""

    random_start: bool = configs.field(False, description="start at a random point of the ball instead of the image")
    restarts: int = configs.field(
        1, ge=1, description="runs, each from a new random start; one that succeeds counts, per sample"
    )
    loss: Loss = configs.field(
        "cross-entropy",
        description="what is maximized: cross-entropy, margin (Carlini-Wagner), DLR (Croce & Hein 2020)",
    )
    fast: bool = configs.field(
        False,
        description="drop a sample once it is misclassified (native only); False runs every step on every sample",
    )

    @model_validator(mode="after")
    def _restarts_need_a_random_start(self) -> Self:
        if self.restarts > 1 and not self.random_start:
            raise ValueError(
                f"restarts={self.restarts} repeat one and the same run: set random_start=true or restarts=1"
            )
        return self


class MomentumParameters(StepParameters):
    """Of the momentum iterative method."""

    decay: float = configs.field(1.0, ge=0, description="factor on the accumulated gradient, a step")


class CWParameters(Parameters):
    """Of Carlini and Wagner's ℓ2 attack."""

    steps: int = configs.field(100, ge=1, description="optimizer steps for each constant")
    lr: float = configs.field(0.01, gt=0, description="learning rate of the optimizer, in tanh space")
    confidence: float = configs.field(0.0, ge=0, description="margin κ by which the wrong logit must win, in logits")
    initial_const: float = configs.field(
        1.0, gt=0, description="weight of the loss against the squared distance, to begin with"
    )
    binary_search_steps: int = configs.field(1, ge=1, description="constants that are tried for each sample")


class DeepFoolParameters(Parameters):
    """Of DeepFool."""

    steps: int = configs.field(50, ge=1, description="linearizations at most")
    overshoot: float = configs.field(0.02, ge=0, description="share by which a step goes beyond the boundary")


class NoiseParameters(Parameters):
    """Of the random-noise baseline."""

    draws: int = configs.field(10, ge=1, description="draws a sample; the first that is misclassified counts")


@dataclass(frozen=True)
class Family:
    """A family of attacks.

    Args:
        name: Its id.
        title: Its name in the literature.
        paper: arXiv id of the paper.
        norms: The norms it exists in.
        parameters: Its parameter class.
        agreement: What can be expected of two libraries with the same parameters.
        minimum_norm: Whether it looks for the smallest perturbation and so takes no ε.
        gradient: Whether it needs gradients (white box).
        deterministic: Whether two runs with the default parameters give the same examples.
    """

    name: str
    title: str
    paper: str
    norms: tuple[Norm, ...]
    parameters: type[Parameters]
    agreement: Agreement
    minimum_norm: bool = False
    gradient: bool = True
    deterministic: bool = True


FAMILIES: tuple[Family, ...] = (
    Family("fgsm", "Fast gradient (sign) method", "arXiv:1412.6572", ("linf", "l2", "l1"), Parameters, "exact"),
    Family("bim", "Basic iterative method", "arXiv:1607.02533", ("linf", "l2", "l1"), StepParameters, "exact"),
    Family("pgd", "Projected gradient descent", "arXiv:1706.06083", ("linf", "l2", "l1"), PGDParameters, "exact"),
    Family("mifgsm", "Momentum iterative FGSM", "arXiv:1710.06081", ("linf",), MomentumParameters, "exact"),
    Family("cw", "Carlini-Wagner", "arXiv:1608.04644", ("l2",), CWParameters, "distribution-level", minimum_norm=True),
    Family(
        "deepfool",
        "DeepFool",
        "arXiv:1511.04599",
        ("l2", "linf"),
        DeepFoolParameters,
        "distribution-level",
        minimum_norm=True,
    ),
    Family(
        "noise",
        "Uniform random noise",
        "",
        ("linf", "l2"),
        NoiseParameters,
        "distribution-level",
        gradient=False,
        deterministic=False,
    ),
)


@dataclass(frozen=True)
class AttackSpec:
    """One attack, fully specified: what every library is asked to run.

    Args:
        family: The family's name.
        threat: Norm and radius; for minimum-norm families the largest radius that is of interest.
        parameters: The family's parameters.
        seed: For libraries that take one; the runner seeds numpy's and torch's global generators with it as well.
    """

    family: Family
    threat: ThreatModel
    parameters: Any = field(default_factory=Parameters)
    seed: int = 0

    def __str__(self) -> str:
        given = ", ".join(f"{key}={value}" for key, value in self.parameters.model_dump(exclude_defaults=True).items())
        where = NORM_LABELS[self.threat.norm] if self.family.minimum_norm else str(self.threat)
        return f"{self.family.name} {where}" + (f" ({given})" if given else "")

    @property
    def step_size(self) -> float:
        """Absolute step size of the iterated attacks, in [0,1] pixel values."""
        return float(self.parameters.relative_step * self.threat.eps)


def make_spec(
    family: Family, norm: str, eps: float, parameters: dict[str, Any] | None = None, seed: int = 0
) -> AttackSpec:
    """Validate a family, a norm, a radius and parameters into an `AttackSpec`.

    Raises:
        ConfigError: A norm that the family does not have, ε out of range, unknown or invalid parameters.
        UnknownNameError: No norm at all.
    """
    if check_norm(norm) not in family.norms:
        raise ConfigError(f"attack family {family.name!r} exists in {', '.join(family.norms)}, not in {norm}")
    values = configs.build(family.parameters, parameters or {}, f"attack family {family.name!r}")
    return AttackSpec(family, ThreatModel(check_norm(norm), eps), values, seed)
