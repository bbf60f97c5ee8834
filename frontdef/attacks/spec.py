"""What an attack is: a family, a threat model and parameters that every library understands alike."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from frontdef import config as configs
from frontdef.errors import ConfigError
from frontdef.threat import NORM_LABELS, Norm, ThreatModel, check_norm

if TYPE_CHECKING:
    from frontdef.protected import Average

Agreement = Literal["exact", "loss-level", "distribution-level", "no peer"]
"""What can be expected of two libraries that run a family with the same parameters (see docs/attacks.md)."""

Loss = Literal["cross-entropy", "margin", "dlr"]

Follows = Literal["white box", "one step", "another model", "no gradient"]
"""What an attack follows: the gradient of the model that it attacks over several steps, or less than that."""

Target = Literal["none", "next", "least-likely"]
"""Which class an attack wants: any wrong one, the label + 1, or the one with the lowest clean logit."""


REPEATED = (
    "steps",
    "restarts",
    "binary_search_steps",
    "draws",
    "classes",
    "queries",
    "max_eval",
    "neighbors",
    "scales",
)
"""Parameters that say how often something is repeated; together they are what an attack costs."""


class Parameters(configs.Config):
    """Parameters of a family without any."""

    @property
    def passes(self) -> int | None:
        """Forward and backward passes of a sample that stands, each counted, where no product of repetitions says it.

        As the family's paper has it, of ten classes; a library that spends more or less says so in its row
        (`frontdef.attacks.library.Realization.passes`).
        """
        return None

    @property
    def repetitions(self) -> int:
        """How often a gradient, or of a family without gradients an answer, is asked for."""
        values: dict[str, Any] = self.model_dump()
        return math.prod(int(values.get(name, 1)) for name in REPEATED)


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
        follows: What it follows. Nothing that follows less should break more than a white-box attack.
        deterministic: Whether two runs with the default parameters give the same examples.
        averages: Whether it chooses by itself what it averages over the draws of a randomized model.
    """

    name: str
    title: str
    paper: str
    norms: tuple[Norm, ...]
    parameters: type[Parameters]
    agreement: Agreement
    minimum_norm: bool = False
    follows: Follows = "white box"
    deterministic: bool = True
    averages: bool = False

    @property
    def gradient(self) -> bool:
        """Whether it needs gradients, of whatever model."""
        return self.follows != "no gradient"


@dataclass(frozen=True)
class AttackSpec:
    """One attack, fully specified: what every library is asked to run.

    Args:
        family: The family's name.
        threat: Norm and radius; for minimum-norm families the largest radius that is of interest.
        parameters: The family's parameters.
        seed: For libraries that take one; the runner seeds numpy's and torch's global generators with it as well.
        defaults: Whether each library runs with its own defaults, given nothing but the threat model; ``parameters``
            are then those of the family and not used.
        precise: Whether the attacked model hands out float64 logits (`frontdef.protected.Protected.precise`), where a
            library gets float32 by itself.
        average: What the attacked view of a randomized model averages over its draws; None of one that does not draw.
    """

    family: Family
    threat: ThreatModel
    parameters: Any = field(default_factory=Parameters)
    seed: int = 0
    defaults: bool = False
    precise: bool = False
    average: Average | None = None

    def __str__(self) -> str:
        return self._said

    @cached_property
    def _said(self) -> str:
        where = NORM_LABELS[self.threat.norm] if self.family.minimum_norm else str(self.threat)
        said = worded(self.family, self.settings())
        return f"{self.family.name} {where}" + (f" ({said})" if said else "")

    def settings(self) -> dict[str, Any]:
        """What is asked for beside the threat model, as JSON values; ``precise`` and ``average`` where they apply."""
        asked = {"defaults": True} if self.defaults else self.parameters.model_dump(mode="json")
        return (
            asked
            | ({"precise": True} if self.precise else {})
            | ({"average": self.average} if self.average is not None else {})
        )

    @cached_property
    def written(self) -> str:
        """`settings` as JSON; many cells of a run share a spec."""
        return json.dumps(self.settings(), sort_keys=True)

    @property
    def target(self) -> Target:
        """The class that the attack wants; ``none`` for any wrong one."""
        target: Target = getattr(self.parameters, "target", "none")
        return target

    @property
    def targeted(self) -> bool:
        """Whether one class counts as success, instead of any wrong one."""
        return self.target != "none"

    @property
    def passes(self) -> int:
        """Forward and backward passes of a sample that stands, each counted, as its family says."""
        own: int | None = self.parameters.passes
        return self.parameters.repetitions * (2 if self.family.gradient else 1) if own is None else own

    @property
    def step_size(self) -> float:
        """Absolute step size of the iterated attacks, in [0,1] pixel values."""
        return float(self.parameters.relative_step * self.threat.eps)


def worded(family: Family, settings: Mapping[str, Any]) -> str:
    """``steps=10, precise``: what was asked for beside the threat model, as far as it is not the family's default.

    Args:
        family: The family.
        settings: As `AttackSpec.settings` gives them.
    """
    own = {name: value for name, value in settings.items() if name not in SWITCHES}
    parameters = family.parameters.model_validate(own).model_dump(exclude_defaults=True)
    switches = (word(settings[name]) for name, word in SWITCHES.items() if name in settings)
    return ", ".join([*(f"{name}={value}" for name, value in parameters.items()), *switches])


SWITCHES: Mapping[str, Callable[[Any], str]] = {
    "defaults": lambda _: "the library's defaults",
    "precise": lambda _: "precise",
    "average": lambda average: f"average of {average}",
}
"""What `AttackSpec.settings` says beside the family's parameters → the words for it."""

FROM = " from "


def shown(family: str, source: str) -> str:
    """An attack as tables show it: its family, and the model that it was run on where that is another one.

    Args:
        family: Id of the family.
        source: Title of that model; empty where the defense itself was attacked.
    """
    return f"{family}{FROM}{source}" if source else family


def family_of(attack: str) -> str:
    """Id of the family of an attack as `shown`."""
    return attack.partition(FROM)[0]


def make_spec(
    family: Family,
    norm: str,
    eps: float,
    parameters: dict[str, Any] | None = None,
    seed: int = 0,
    *,
    defaults: bool = False,
    precise: bool = False,
) -> AttackSpec:
    """Validate a family, a norm, a radius and parameters into an `AttackSpec`.

    Raises:
        ConfigError: A norm that the family does not have, ε out of range, unknown or invalid parameters, or parameters
            together with ``defaults``.
        UnknownNameError: No norm at all.
    """
    if check_norm(norm) not in family.norms:
        raise ConfigError(f"attack family {family.name!r} exists in {', '.join(family.norms)}, not in {norm}")
    if defaults and parameters:
        raise ConfigError(
            f"attack family {family.name!r} is to run with each library's defaults, so it takes no parameters: "
            f"{', '.join(parameters)}"
        )
    values = configs.build(family.parameters, parameters or {}, f"attack family {family.name!r}")
    return AttackSpec(family, ThreatModel(check_norm(norm), eps), values, seed, defaults, precise)
