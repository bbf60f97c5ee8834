"""How far an image must move until the classifier is sure of a wrong class: the report's adversarial robustness.

Section 2.4 makes an example x of the goal class y from an image x̄ by minimizing CE(y, C(x)) + λ‖x − x̄‖₂ over [0,1]ⁿ,
by descent followed by clamping; section 3.4 takes the mean of ‖x − x̄‖₂ / ‖x̄‖₂ over examples of 95 % confidence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

import frontdef
from frontdef.memory import at_once
from frontdef.protected import Protected
from frontdef_latent.descent import STEPS, State

FACTOR = 10.0
"""By how much λ is changed while only successes, or only failures, are known of it."""


class ConfidentConfig(frontdef.Config):
    """Parameters of `measure`; the confidence is the report's, the rest of its values is not stated there."""

    confidence: float = frontdef.field(
        0.95, gt=0, lt=1, description="probability of the goal class that an example must reach"
    )
    goal: Literal["random", "next", "runner-up"] = frontdef.field(
        "random",
        description="the wrong class to reach: random, drawn for each sample; next, (label + 1) mod classes; "
        "runner-up, the likeliest wrong class of the clean image",
    )
    weight: float = frontdef.field(
        0.1, gt=0, description="λ, nats per unit of ℓ2 distance in [0,1] pixel values; the first one of a search"
    )
    searches: int = frontdef.field(
        6,
        ge=1,
        description="descents, with λ searched for each sample by bisection of its logarithm, the nearest example "
        "counts; 1: λ is fixed, as in the report",
    )
    steps: int = frontdef.field(100, ge=1, description="steps of a descent")
    optimizer: Literal["gradient", "adam"] = frontdef.field(
        "gradient", description="gradient: plain descent, the report's; adam: with moments 0.9 and 0.999"
    )
    lr: float = frontdef.field(0.5, gt=0, description="length of a step, in units of [0,1] pixel values")
    draws: int = frontdef.field(
        10, ge=1, description="draws of a randomized front end over which probabilities are averaged"
    )


@dataclass(frozen=True)
class Examples:
    """Examples of a goal class.

    Args:
        images: ``(N,C,H,W)`` in [0,1]; the clean ones where the goal was not reached.
        distances: ‖x − x̄‖₂ in [0,1] pixel values, ``(N,)``; infinite where the goal was not reached.
        goals: The goal classes, ``(N,)``.
    """

    images: Tensor
    distances: Tensor
    goals: Tensor


def measure(protected: Protected, x: Tensor, y: Tensor, parameters: ConfidentConfig, seed: int) -> dict[str, Tensor]:
    """Relative distances of correctly classified images to examples of which the model is sure.

    Args:
        protected: The model.
        x: Images ``(N,C,H,W)`` in [0,1].
        y: Labels ``(N,)``.
        parameters: The descent and its goal.
        seed: Of the goals and of randomized front ends.

    Returns:
        ``relative distance``, ‖x − x̄‖₂ / ‖x̄‖₂, NaN where the goal was not reached; ``reached``, 1 or 0; ``confidence``
        in the goal class on fresh draws, NaN where it was not reached. All are NaN where the clean image is
        misclassified, and float ``(N,)`` on the CPU.
    """
    x, y = x.to(protected.device), y.to(protected.device)
    nearest, correct = examples(protected, x, y, parameters, seed)
    reached = nearest.distances.isfinite()
    probabilities = _averaged(protected, parameters.draws).predict(nearest.images).softmax(1).to(x.device)
    relative = nearest.distances / x.flatten(1).norm(dim=1).clamp_min(1e-12)
    return {
        "relative distance": _where(reached, relative),
        "reached": _where(correct, reached.float()),
        "confidence": _where(reached, probabilities.gather(1, nearest.goals[:, None])[:, 0]),
    }


def examples(
    protected: Protected, x: Tensor, y: Tensor, parameters: ConfidentConfig, seed: int
) -> tuple[Examples, Tensor]:
    """Examples for the images that are classified correctly.

    Args:
        protected: The model, on the device of the images.
        x: Images ``(N,C,H,W)`` in [0,1].
        y: Labels ``(N,)``.
        parameters: The descent and its goal.
        seed: Of the goals and of randomized front ends.

    Returns:
        The examples, and which images are classified correctly, bool ``(N,)``; the others have no example.
    """
    model = _averaged(protected, parameters.draws)
    protected.front_end.reseed(seed)
    logits = model.predict(x).to(x.device)
    goals = choose_goals(logits, y, parameters.goal, seed)
    correct = logits.argmax(1) == y
    images, distances = x.clone(), torch.full((len(x),), torch.inf, device=x.device)
    for rows in correct.nonzero().flatten().split(at_once(x.shape[1:])):
        nearest = search(model, x[rows], goals[rows], parameters)
        images[rows], distances[rows] = nearest.images, nearest.distances
    return Examples(images, distances, goals), correct


def _averaged(protected: Protected, draws: int) -> Protected:
    return protected.eot(draws, average="probabilities") if protected.front_end.randomized else protected


def _where(applies: Tensor, values: Tensor) -> Tensor:
    return torch.where(applies, values, torch.nan).cpu()


def choose_goals(logits: Tensor, y: Tensor, goal: str, seed: int) -> Tensor:
    """A wrong class for each sample, ``(N,)``.

    Args:
        logits: Of the clean images, ``(N,K)``.
        y: Labels ``(N,)``.
        goal: ``random``, ``next`` or ``runner-up``; see `ConfidentConfig`.
        seed: Of random ones.
    """
    n_classes = logits.shape[1]
    ways: dict[str, Callable[[], Tensor]] = {
        "random": lambda: (
            (y + torch.randint(1, n_classes, y.shape, generator=torch.Generator().manual_seed(seed)).to(y)) % n_classes
        ),
        "next": lambda: (y + 1) % n_classes,
        "runner-up": lambda: logits.scatter(1, y[:, None], -torch.inf).argmax(1),
    }
    return ways[goal]()


def search(model: Protected, x: Tensor, goals: Tensor, parameters: ConfidentConfig) -> Examples:
    """The nearest examples over several descents, λ searched for each sample on its own.

    A descent that reaches the goal is repeated with a larger λ, one that does not with a smaller.

    Args:
        model: The model.
        x: Images ``(N,C,H,W)`` in [0,1].
        goals: Classes to reach, ``(N,)``.
        parameters: The descent.
    """
    best = Examples(x.clone(), torch.full((len(x),), torch.inf, device=x.device), goals)
    weight = torch.full_like(best.distances, parameters.weight)
    low, high = torch.zeros_like(weight), torch.full_like(weight, torch.inf)
    for _ in range(parameters.searches):
        candidates = descend(model, x, goals, weight, parameters)
        nearer = candidates.distances < best.distances
        best = Examples(
            torch.where(nearer[:, None, None, None], candidates.images, best.images),
            torch.where(nearer, candidates.distances, best.distances),
            goals,
        )
        reached = candidates.distances.isfinite()
        low, high = torch.where(reached, weight, low), torch.where(reached, high, weight)
        between = (low * high).sqrt()
        weight = torch.where(low == 0, high / FACTOR, torch.where(high.isinf(), low * FACTOR, between))
    return best


def descend(model: Protected, x: Tensor, goals: Tensor, weight: Tensor, parameters: ConfidentConfig) -> Examples:
    """One descent on CE + λ‖x − x̄‖₂ with clamping to [0,1]; of its points, the nearest one that is sure of the goal.

    Args:
        model: The model.
        x: Images ``(N,C,H,W)`` in [0,1].
        goals: Classes to reach, ``(N,)``.
        weight: λ of each sample, ``(N,)``.
        parameters: Number and length of steps, optimizer, confidence.
    """
    n_moments, step = STEPS[parameters.optimizer]
    state: State = (x, *[torch.zeros_like(x)] * n_moments)
    images, distances = x.clone(), torch.full_like(weight, torch.inf)
    for t in range(parameters.steps + 1):
        point = state[0].detach().requires_grad_()
        log_probabilities = model(point).log_softmax(1).gather(1, goals[:, None])[:, 0]
        # The tiny constant gives the norm a derivative, zero, at the start.
        distance = ((point - x).flatten(1).square().sum(1) + 1e-12).sqrt()
        sure = log_probabilities.detach().exp() >= parameters.confidence
        nearer = sure & (distance.detach() < distances)
        images = torch.where(nearer[:, None, None, None], point.detach(), images)
        distances = torch.where(nearer, distance.detach(), distances)
        if t == parameters.steps:
            break
        (gradient,) = torch.autograd.grad((weight * distance - log_probabilities).sum(), point)
        moved, *moments = step((point.detach(), *state[1:]), gradient, t, parameters.lr)
        state = (moved.clamp(0, 1), *moments)
    return Examples(images, distances, goals)
