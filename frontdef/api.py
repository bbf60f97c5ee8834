"""The two calls that most users need: a defense for an ART pipeline, and a defended classifier for any library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from frontdef.art import FrontEndPreprocessor
from frontdef.protected import Protected
from frontdef.registry import get_defense


def load(
    name: str, *, image_shape: Sequence[int] | None = None, surrogate: str | None = None, **config: Any
) -> FrontEndPreprocessor:
    """Load a defense as an ART preprocessor.

    Use it as ``PyTorchClassifier(..., preprocessing_defences=[frontdef.load("wavelet", keep=0.03)])``; `front_end`
    is the module inside.

    Args:
        name: The defense's id, see ``frontdef ls defenses``.
        image_shape: ``(C,H,W)`` of the images; front ends that are built for one shape need it.
        surrogate: Which gradient the front end gives; None takes its default.
        config: The defense's configuration.

    Raises:
        UnknownNameError: A defense or surrogate that does not exist; the nearest name is given.
        ConfigError: Unknown configuration keys, or values outside their range.
    """
    return FrontEndPreprocessor(get_defense(name).build(config, image_shape=image_shape, surrogate=surrogate))


def protect(
    classifier: nn.Module,
    name: str = "none",
    *,
    image_shape: Sequence[int] | None = None,
    surrogate: str | None = None,
    **config: Any,
) -> Protected:
    """Put a defense in front of a classifier; every library can attack the result.

    The classifier is put into eval mode and its parameters are frozen.

    Args:
        classifier: Reads what the front end puts out, gives logits ``(N,K)``.
        name: The defense's id.
        image_shape: ``(C,H,W)`` of the images; ART needs it.
        surrogate: Which gradient the front end gives; None takes its default.
        config: The defense's configuration.

    Raises:
        UnknownNameError: A defense or surrogate that does not exist; the nearest name is given.
        ConfigError: Unknown configuration keys, or values outside their range.
    """
    front_end = get_defense(name).build(config, image_shape=image_shape, surrogate=surrogate)
    shape = None if image_shape is None else tuple(image_shape)
    return Protected(front_end, classifier, image_shape=shape)
