"""Known liars and honest models: whoever judges gradients has to tell them apart.

``python -m tests.zoo`` prints the confusion table of `docs/masking.md`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from frontdef.protected import Protected

from .lab import Lab
from .tasks import Task

Kind = Literal["liar", "honest"]


@dataclass(frozen=True)
class Member:
    """A model whose gradient is known to lie, or not to.

    Args:
        name: Its name.
        kind: What it is.
        seen: Whether it was judged before the last change of a rule, so that the rules may have been made for it.
        story: How it fools an evaluation, or why it looks as if it did.
        build: Makes it.
        task: What its images show.
        hint: Whether its lie can be hinted at only: no attack that is not told of it finds what it hides.
        slow: Whether the fast suite leaves it out.
        sure: Whether it is judged rightly; those that are not stand in the table, and in no test.
    """

    name: str
    kind: Kind
    seen: bool
    story: str
    build: Callable[[Lab], Protected]
    task: Task = "digits"
    hint: bool = False
    slow: bool = False
    sure: bool = True

    @property
    def right(self) -> tuple[str, ...]:
        """Verdicts that judge it rightly."""
        if self.kind == "honest":
            return ("trusted",)
        return ("masked", "invalid", "suspicious") if self.hint else ("masked", "invalid")

    @property
    def allowed(self) -> tuple[str, ...]:
        """Verdicts that are not wrong: one that only calls for a closer look never is, if there is a reason for one."""
        return (*self.right, "suspicious") if self.kind == "honest" else self.right

    def protected(self, lab: Lab) -> tuple[Protected, Lab]:
        """The model, and the laboratory that has its images."""
        there = lab.on(self.task)
        return self.build(there), there


ZOO: list[Member] = []


def member(
    name: str,
    kind: Kind,
    *,
    seen: bool,
    task: Task = "digits",
    hint: bool = False,
    slow: bool = False,
    sure: bool = True,
) -> Callable[[Callable[[Lab], Protected]], Callable[[Lab], Protected]]:
    """Put a model into the zoo; the docstring of its builder is its story."""

    def register(build: Callable[[Lab], Protected]) -> Callable[[Lab], Protected]:
        ZOO.append(Member(name, kind, seen, " ".join((build.__doc__ or "").split()), build, task, hint, slow, sure))
        return build

    return register


from . import architectures, decisions, gradients, honest, liars, memories, unseen  # noqa: E402, F401  they fill the zoo
