"""Known liars and honest models: whoever judges gradients has to tell them apart.

``python -m tests.zoo`` prints the confusion table of `docs/masking.md`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from frontdef.protected import Protected

from .lab import Lab

Kind = Literal["liar", "honest"]


@dataclass(frozen=True)
class Member:
    """A model whose gradient is known to lie, or not to.

    Args:
        name: Its name.
        kind: What it is.
        seen: Whether the thresholds were chosen with it in view; the others were judged once they stood.
        story: How it fools an evaluation, or why it looks as if it did.
        build: Makes it.
    """

    name: str
    kind: Kind
    seen: bool
    story: str
    build: Callable[[Lab], Protected]

    @property
    def allowed(self) -> tuple[str, ...]:
        """Verdicts that judge it rightly."""
        return ("masked", "invalid") if self.kind == "liar" else ("trusted", "suspicious")


ZOO: list[Member] = []


def member(name: str, kind: Kind, *, seen: bool) -> Callable[[Callable[[Lab], Protected]], Callable[[Lab], Protected]]:
    """Put a model into the zoo; the docstring of its builder is its story."""

    def register(build: Callable[[Lab], Protected]) -> Callable[[Lab], Protected]:
        ZOO.append(Member(name, kind, seen, " ".join((build.__doc__ or "").split()), build))
        return build

    return register


from . import honest, liars  # noqa: E402, F401  they fill the zoo
