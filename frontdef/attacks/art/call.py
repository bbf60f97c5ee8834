"""How an attack of ART is called: which model it sees, what every attack is given, and who seeds its generators."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from frontdef.attacks.library import Cause, Realization, Run, Violation

if TYPE_CHECKING:
    from torch import Tensor, nn

    from frontdef.attacks.spec import AttackSpec
    from frontdef.protected import Protected

Arguments = Callable[["AttackSpec", Any], dict[str, Any]]
"""``(spec, ART's classifier)`` → keyword arguments of an ART attack."""

Reads = Literal["logits", "probabilities"]
"""What an attack takes the classifier's outputs for."""

NORMS = {"linf": math.inf, "l2": 2, "l1": 1}


def offer(
    call: str,
    arguments: Arguments,
    minimal: Arguments | None,
    difference: str = "",
    *causes: Cause,
    unsupported: Mapping[str, Any] | None = None,
    caveat: str = "",
    reads: Reads = "logits",
    image_by_image: bool = False,
    where: tuple[str, ...] = (),
    violations: tuple[Violation, ...] | None = None,
    weakens: tuple[Cause, ...] = (),
    strengthens: tuple[Cause, ...] = (),
    passes: Callable[[Any], int] | None = None,
) -> Realization:
    """A call of ``art.attacks.evasion``.

    Args:
        call: The attack's class, with what distinguishes this call from others in parentheses.
        arguments: Every parameter mapped.
        minimal: The threat model alone, for the library's own defaults; None where those do nothing.
        difference: As in `Realization`.
        causes: As in `Realization`.
        unsupported: As in `Realization`.
        caveat: As in `Realization`.
        reads: What the attack takes the classifier's outputs for.
        image_by_image: Whether the attack has one result for a whole batch, so that each image is a batch of its own.
        where: As in `Realization`.
        violations: As in `Realization`.
        weakens: As in `Realization`.
        strengthens: As in `Realization`.
        passes: As in `Realization`.
    """
    attack = call.partition("(")[0]
    return Realization(
        call,
        _run(attack, arguments, reads, image_by_image),
        difference,
        unsupported,
        caveat,
        causes,
        defaults=_run(attack, minimal, reads, image_by_image) if minimal else None,
        where=where,
        violations=violations,
        weakens=weakens,
        strengthens=strengthens,
        modules=("frontdef.art",),
        passes=passes,
    )


def nothing(_: AttackSpec, __: Any) -> dict[str, Any]:
    """No arguments."""
    return {}


def radius(spec: AttackSpec, _: Any) -> dict[str, Any]:
    """The radius alone."""
    return {"eps": spec.threat.eps}


def ball(spec: AttackSpec, _: Any) -> dict[str, Any]:
    """Radius and norm."""
    return {"eps": spec.threat.eps, "norm": NORMS[spec.threat.norm]}


def _run(attack: str, arguments: Arguments, reads: Reads, image_by_image: bool) -> Run:
    """A run of ``art.attacks.evasion.<attack>``."""

    def run(spec: AttackSpec, protected: Protected, x: Tensor, y: Tensor) -> Tensor:
        import numpy as np
        import torch
        from art.attacks import evasion

        method = getattr(evasion, attack)
        classifier = _classifier(protected, reads)
        known: dict[str, Any] = {"targeted": spec.targeted, "verbose": False}
        if not spec.defaults:
            known["batch_size"] = len(x)
        keywords = {name: value for name, value in known.items() if name in method.attack_params}
        keywords.update(arguments(spec, classifier))
        # One-hot always: indices raise an IndexError in reduce_labels, and without labels ART attacks its predictions.
        # A targeted attack takes them as the classes to reach.
        labels = torch.nn.functional.one_hot(y, classifier.nb_classes).float().cpu().numpy()
        images = x.detach().cpu().numpy().copy()
        size = 1 if image_by_image else len(x)
        with _seeded():
            examples = [
                _quiet(method(classifier, **keywords)).generate(images[i : i + size], y=labels[i : i + size])
                for i in range(0, len(x), size)
            ]
        return torch.from_numpy(np.concatenate(examples)).to(x)

    return run


def _classifier(protected: Protected, reads: Reads) -> Any:
    """ART's classifier for a model.

    Under numpy 2, HopSkipJump and others promote images to float64, which a float32 model refuses: it gets them rounded
    to float32.
    """
    import torch

    from frontdef.art import art_classifier

    class Float32(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.float()

    n_classes = protected.n_classes
    assert protected.image_shape is not None
    layers: list[nn.Module] = [Float32(), protected]
    if reads == "probabilities":
        layers.append(torch.nn.Softmax(dim=1))
    model = torch.nn.Sequential(*layers).eval()
    return art_classifier(model, protected.image_shape, n_classes, protected.device)


def _quiet(method: Any) -> Any:
    """An attack whose parts, those of an ensemble, print no progress bars."""
    for member in getattr(method, "attacks", ()):
        if "verbose" in member.attack_params:
            member.set_params(verbose=False)
    return method


@contextmanager
def _seeded() -> Iterator[None]:
    """Let every generator that ART draws from follow numpy's global one, which the runner seeds.

    HopSkipJump and BoundaryAttack start from ``np.random.RandomState()``, which numpy seeds from the operating system;
    SquareAttack asks Python's `random`.
    """
    import random
    from unittest.mock import patch

    import numpy as np

    seeds = np.random.RandomState()
    seeds.set_state(np.random.get_state())

    class Following(np.random.RandomState):
        def __init__(self, seed: Any = None) -> None:
            super().__init__(seeds.randint(2**31) if seed is None else seed)

    before = random.getstate()
    random.seed(seeds.randint(2**31))
    try:
        with patch.object(np.random, "RandomState", Following):
            yield
    finally:
        random.setstate(before)
