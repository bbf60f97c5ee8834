"""Models for tests of attacks: one that is fitted to digits in no time, and linear ones whose answers are known."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from frontdef.attacks.guard import isolated
from frontdef.attacks.library import AttackLibrary
from frontdef.attacks.spec import make_spec
from frontdef.config import Config
from frontdef.frontend import Identity
from frontdef.protected import Protected
from frontdef.registry import get_attack_libraries, get_family

HELD_OUT = 300
"""Digits at the end that no model here is fitted to."""


def undefended(net: nn.Module, image_shape: tuple[int, ...]) -> Protected:
    """A module that maps images to logits, without a front end."""
    return Protected(Identity(Config()), net, image_shape=image_shape)


def linear_model(weight: Any, bias: Any = None, image_shape: tuple[int, ...] | None = None) -> Protected:
    """Logits Wx + b.

    Args:
        weight: ``(K,M)``.
        bias: ``(K,)``; 0 if absent.
        image_shape: ``(C,H,W)`` of M values; ``(1,1,M)`` if absent.
    """
    weight = torch.as_tensor(weight, dtype=torch.float32)
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(torch.zeros(len(weight)) if bias is None else torch.as_tensor(bias, dtype=torch.float32))
    return undefended(nn.Sequential(nn.Flatten(), layer), image_shape or (1, 1, weight.shape[1]))


@cache
def small_digits(side: int) -> tuple[Tensor, Tensor]:
    """scikit-learn's digits with exact zeros around the strokes, float32 ``(1797,1,side,side)`` in [0,1]; labels."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    small = torch.tensor(pixels, dtype=torch.float32).view(-1, 1, 8, 8) / 16
    large = F.interpolate(small, (side, side), mode="bilinear").clamp(0, 1)
    return large, torch.tensor(labels, dtype=torch.int64)


@cache
def fitted_cnn(side: int = 14) -> Protected:
    """A small CNN: random convolutions, a readout fitted by least squares on all but the last 300 digits.

    Args:
        side: Of the images, pixels.
    """
    images, labels = (tensor[:-HELD_OUT] for tensor in small_digits(side))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        features = nn.Sequential(
            nn.Conv2d(1, 16, 3, stride=2), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2), nn.ReLU(), nn.Flatten()
        )
        with torch.no_grad():
            width = features(images[:1]).shape[1]
        readout = nn.Linear(width, 10)
    with torch.no_grad():
        inputs = F.pad(features(images).double(), (0, 1), value=1.0)
        ridge = 1e-3 * torch.eye(inputs.shape[1], dtype=torch.float64)
        targets = 10 * F.one_hot(labels, 10).double()
        solution = torch.linalg.solve(inputs.T @ inputs + ridge, inputs.T @ targets).T
        readout.weight.copy_(solution[:, :-1])
        readout.bias.copy_(solution[:, -1])
    return undefended(nn.Sequential(features, readout), (1, side, side))


@cache
def unseen_digits(side: int) -> tuple[Tensor, Tensor]:
    """Of the last 100 digits those that `fitted_cnn` gets right, with their labels."""
    images, labels = (tensor[-100:] for tensor in small_digits(side))
    known = fitted_cnn(side).predict(images).argmax(1) == labels
    return images[known], labels[known]


def attack(
    library: str | AttackLibrary,
    family: str,
    norm: str,
    eps: float,
    protected: Protected,
    x: Tensor,
    y: Tensor,
    *,
    seed: int = 0,
    defaults: bool = False,
    precise: bool = False,
    **parameters: Any,
) -> Tensor:
    """Run an attack, seeded and isolated as the runner does it.

    Args:
        library: Its id, or itself.
        family: Id of the family.
        norm: Of the threat model.
        eps: Its radius.
        protected: The model.
        x: Images ``(N,C,H,W)`` in [0,1].
        y: Labels to leave, of a targeted attack labels to reach.
        seed: Of all generators.
        defaults: Whether the library's own defaults are taken.
        precise: Whether the attack gets float64 logits.
        parameters: Of the family.
    """
    chosen = get_attack_libraries()[library] if isinstance(library, str) else library
    spec = make_spec(get_family(family), norm, eps, parameters, seed, defaults=defaults, precise=precise)
    with isolated(protected, seed):
        return chosen.run(spec, protected.precise() if precise else protected, x, y)
