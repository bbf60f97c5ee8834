"""The two calls that most users need: a defense for an ART pipeline, and a defended classifier for any library."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn

from frontdef.art import FrontEndPreprocessor
from frontdef.errors import ConfigError
from frontdef.models import saved
from frontdef.protected import Protected
from frontdef.registry import get_defense


def load(
    name: str,
    *,
    image_shape: Sequence[int] | None = None,
    surrogate: str | None = None,
    weights: str | Path | None = None,
    **config: Any,
) -> FrontEndPreprocessor:
    """Load a defense as an ART preprocessor.

    Use it as ``PyTorchClassifier(..., preprocessing_defences=[frontdef.load("wavelet", keep=0.03)])``; `front_end`
    is the module inside. A front end that learns needs its weights, which ``frontdef train NAME --out FILE`` writes.

    Args:
        name: The defense's id, see ``frontdef ls defenses``.
        image_shape: ``(C,H,W)`` of the images; front ends that are built for one shape need it.
        surrogate: Which gradient the front end gives; None takes its default.
        weights: File of a trained defense; its configuration and image shape are taken where none are given.
        config: The defense's configuration.

    Raises:
        UnknownNameError: A defense or surrogate that does not exist; the nearest name is given.
        ConfigError: Unknown configuration keys, values outside their range, or others than the weights were trained
            with.
        StoreError: Weights that are missing, damaged or do not fit.
    """
    if weights is None:
        return FrontEndPreprocessor(get_defense(name).build(config, image_shape=image_shape, surrogate=surrogate))
    trained = saved.read(weights)
    trained.require(name, config, image_shape)
    return FrontEndPreprocessor(trained.front_end(surrogate=surrogate))


def protect(
    classifier: nn.Module | None,
    name: str = "none",
    *,
    image_shape: Sequence[int] | None = None,
    surrogate: str | None = None,
    weights: str | Path | None = None,
    **config: Any,
) -> Protected:
    """Put a defense in front of a classifier; every library can attack the result.

    The classifier is put into eval mode and its parameters are frozen.

    Args:
        classifier: Reads what the front end puts out, gives logits ``(N,K)``; None takes the one of ``weights``.
        name: The defense's id.
        image_shape: ``(C,H,W)`` of the images; ART needs it.
        surrogate: Which gradient the front end gives; None takes its default.
        weights: File of a trained defense; its configuration and image shape are taken where none are given.
        config: The defense's configuration.

    Raises:
        UnknownNameError: A defense or surrogate that does not exist; the nearest name is given.
        ConfigError: Unknown configuration keys, values outside their range, or others than the weights were trained
            with; neither classifier nor weights.
        StoreError: Weights that are missing, damaged or do not fit.
    """
    if weights is not None:
        trained = saved.read(weights)
        trained.require(name, config, image_shape)
        behind = trained.classifier() if classifier is None else classifier
        return Protected(trained.front_end(surrogate=surrogate), behind, image_shape=trained.image_shape)
    if classifier is None:
        raise ConfigError(
            "without a classifier there is nothing to protect: give one, or weights=FILE of a trained defense "
            f"(`frontdef train {name} --out FILE`)"
        )
    front_end = get_defense(name).build(config, image_shape=image_shape, surrogate=surrogate)
    shape = None if image_shape is None else tuple(image_shape)
    return Protected(front_end, classifier, image_shape=shape)
