"""AttackLibrary: what a library of attacks must offer to take part."""

from __future__ import annotations

import importlib.metadata
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from frontdef.code import code_of, code_reached, version_of
from frontdef.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from torch import Tensor

    from frontdef.attacks.spec import AttackSpec
    from frontdef.protected import Protected

_EVERY_ATTACK = ("frontdef.attacks.goal", "frontdef.attacks.guard", "frontdef.attacks.spec")
"""What decides labels, seeds and step sizes, whatever the attack."""

Run = Callable[["AttackSpec", "Protected", "Tensor", "Tensor"], "Tensor"]

Cause = Literal[
    "batch",
    "budget",
    "clipping",
    "dtype",
    "early stop",
    "failure value",
    "labels",
    "loss",
    "optimizer",
    "overshoot",
    "projection",
    "random start",
    "schedule",
    "search",
    "step rule",
]
"""What a difference is about: the words in which a verdict says why two libraries disagree."""


@dataclass(frozen=True)
class Violation:
    """An invariant that a call is known to break (`frontdef check-attack`).

    Args:
        check: The invariant's name.
        why: The reason, in one sentence.
        measured: What the check measured with the release that `AttackLibrary.read` names.
        rounding: Whether the processor's rounding decides, so that it may not show on another one.
    """

    check: str
    why: str
    measured: str
    rounding: bool = False


@dataclass(frozen=True)
class Realization:
    """How one library realizes one family in one norm.

    Args:
        call: The library's own name for it, as a user would type it.
        run: ``run(spec, protected, x, y) -> x_adv``.
        difference: Empty where the parameters map exactly; otherwise what differs, in one sentence.
        causes: What the difference is about; given exactly where there is one.
        defaults: The same with the library's own defaults, given nothing but the threat model; None where it has none.
        unsupported: Parameters that the library cannot express: name → the only value that it has. A spec that asks for
            another value is refused, never approximated.
        caveat: On which unusual inputs it departs from the family all the same; empty where none is known.
        where: Where in the library's source that is, Markdown; given exactly where there is a difference or a caveat.
        weakens: Those of the causes that make this call weaker than one without them.
        strengthens: Those that make it stronger; one that stands in both may do either, and one in neither changes
            examples and is said to change no outcome much.
        single: Whether it takes float32 logits only and raises on others, so that ``precise`` is refused.
        modules: Modules of frontdef that ``run`` imports when it is called; `AttackLibrary.code` reads them.
        passes: Its parameters → forward and backward passes of a sample of ten classes that stands, each counted; None
            where the family says it.
        violations: The invariants that it is known to break, none of them for an empty tuple; None where nobody has
            examined it yet.
    """

    call: str
    run: Run
    difference: str = ""
    unsupported: Mapping[str, Any] | None = None
    caveat: str = ""
    causes: tuple[Cause, ...] = ()
    defaults: Run | None = None
    where: tuple[str, ...] = ()
    violations: tuple[Violation, ...] | None = None
    modules: tuple[str, ...] = ()
    weakens: tuple[Cause, ...] = ()
    strengthens: tuple[Cause, ...] = ()
    single: bool = False
    passes: Callable[[Any], int] | None = None

    def __post_init__(self) -> None:
        if stray := {*self.weakens, *self.strengthens} - {*self.causes}:
            raise ConfigError(f"{self.call}: {', '.join(sorted(stray))} has a direction and is none of its causes")
        if bool(self.difference) != bool(self.causes):
            raise ConfigError(f"{self.call}: a difference and its causes are given together or not at all")
        if self.where and not (self.difference or self.caveat):
            raise ConfigError(
                f"{self.call}: a place in the source is that of a difference or a caveat, and there is none"
            )

    @property
    def exact(self) -> bool:
        """Whether it does what the family says, so that two exact ones give the same examples to 1e-4."""
        return not self.difference

    def cost(self, spec: AttackSpec) -> int | None:
        """Forward and backward passes of a sample that stands; None with the library's own defaults, which say none."""
        if spec.defaults and self.defaults is not self.run:
            return None
        return self.passes(spec.parameters) if self.passes else spec.passes

    def refusal(self, spec: AttackSpec) -> str:
        """Why this realization can't run the spec; empty where it can."""
        if spec.precise and self.single:
            return f"{self.call} takes float32 logits only, so not precise = true"
        if spec.defaults:
            return "" if self.defaults else f"{self.call} has no defaults of its own"
        for name, only in (self.unsupported or {}).items():
            if getattr(spec.parameters, name, only) != only:
                return f"{self.call} has {name}={only!r} only"
        return ""


class AttackLibrary(ABC):
    """A library of attacks.

    Subclasses are registered by the hook ``frontdef_attacks`` and list what they offer in a table.
    """

    name: ClassVar[str]
    """The id of the library."""

    distribution: ClassVar[str]
    """The distribution whose version decides its results."""

    read: ClassVar[str] = ""
    """The version in whose source the differences were read, and with which the violations were measured."""

    @abstractmethod
    def table(self) -> Mapping[tuple[str, str], Realization]:
        """What is offered: ``(family, norm)`` → `Realization`."""

    def offers(self, family: str, norm: str) -> Realization | None:
        """The realization of a family in a norm, or None: nothing stands in for what is missing."""
        return self.table().get((family, norm))

    def run(self, spec: AttackSpec, protected: Protected, x: Tensor, y: Tensor) -> Tensor:
        """Attack.

        Args:
            spec: What to run.
            protected: The model: images in, logits out.
            x: Images, float32 ``(N,C,H,W)`` in [0,1], on the model's device.
            y: Labels to leave, for a targeted spec labels to reach (`frontdef.attacks.goal`), int64 ``(N,)``, on the
                model's device.

        Returns:
            The examples as the library returns them, ``(N,C,H,W)``; the caller verifies them.

        Raises:
            ConfigError: Not offered, or a parameter that the library cannot express.
        """
        realization = self.offers(spec.family.name, spec.threat.norm)
        if realization is None:
            raise ConfigError(f"{self.name} does not offer {spec.family.name} in {spec.threat.norm}")
        if refusal := realization.refusal(spec):
            raise ConfigError(f"{self.name} cannot run {spec}: {refusal}")
        call = realization.defaults if spec.defaults else realization.run
        assert call is not None
        return call(spec, protected, x, y)

    def code(self, family: str, norm: str) -> str:
        """Hash of the code that runs a family in a norm: results of an edited attack are not those of the old one.

        Of a plugin the whole package counts. Of frontdef's own libraries: the adapter, the attack where it is native,
        and what picks labels, seeds and parameters for all of them.

        Args:
            family: The family's name.
            norm: The norm.

        Returns:
            16 hexadecimal digits; empty where there is no source file.

        Raises:
            ConfigError: Not offered.
        """
        row = self.offers(family, norm)
        if row is None:
            raise ConfigError(f"{self.name} does not offer {family} in {norm}")
        adapter = type(self).__module__
        if adapter.partition(".")[0] != "frontdef":
            return code_of(type(self))
        return code_reached((adapter, *row.modules, *_EVERY_ATTACK), within="frontdef.attacks")

    def version(self) -> str:
        """Version of the library that is installed.

        Raises:
            MissingExtraError: It is not installed.
        """
        try:
            return version_of(self.distribution)
        except importlib.metadata.PackageNotFoundError:
            raise MissingExtraError(f"attack library {self.name!r}", self.distribution) from None
