"""Is it a classifier that attacks can be believed on? Refuses what can't be, and says what is odd."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from frontdef.errors import ModelError
from frontdef.images import as_images, as_labels
from frontdef.models.notes import Note
from frontdef.models.sources import UserModel, require_classes
from frontdef.models.wrapped import batches

SAMPLES = 64
"""How many samples are looked at."""

TOLERANCE = 1e-3
"""How far logits may differ between a batch and a single image, relative to their range: float32 leaves 1e-5."""


def check_model(model: UserModel, images: Any, labels: Any, *, n_classes: int | None = None) -> list[Note]:
    """Try a model on samples of the data set that it is to be attacked on.

    Args:
        model: Its module in eval mode and frozen.
        images: ``(N,C,H,W)`` in [0,1]; the first 64 are tried.
        labels: Class indices ``(N,)``.
        n_classes: Number of classes of the data set; None where only the labels are known.

    Returns:
        What is odd: probabilities in place of logits, randomness, one answer for everything (of a trained model).

    Raises:
        ModelError: NaN, another number of classes than the labels have, an answer that depends on the rest of the
        batch. ImageError: Images or labels that break the contract.
    """
    what = f"model {model.name!r}"
    x = as_images(images)[:SAMPLES].to(_device(model.module))
    logits = _logits(model.module, x)
    classes = int(logits.shape[1])
    require_classes(classes, n_classes, what)
    y = _labels(labels, len(as_images(images)), classes, what)
    broken = ~logits.isfinite().all(1)
    if bool(broken.any()):
        kind = "NaN" if bool(logits.isnan().any()) else "infinite logits"
        raise ModelError(
            f"{what} gives {kind} on {int(broken.sum())} of {len(x)} images; a wrong answer would count as a success "
            "of "
            "every attack. Mend: look at its weights and its normalization (a std near 0, a logarithm of 0)"
        )
    notes = _probabilities(logits, what)
    if not model.random:
        notes += _one_answer(logits, y[: len(x)], what)
    if float((_logits(model.module, x) - logits).abs().max()) <= TOLERANCE * _span(logits):
        _require_one_image(model.module, x, logits, what)
    else:
        text = (
            f"{what} answers differently when it is asked twice: it draws random numbers. Its robust accuracy is that "
            "of a "
            "draw; attacks by expectation over transformation (eot) are the ones to believe. If it is not meant to, "
            "look "
            "for dropout that stays on in eval mode"
        )
        notes.append(Note("randomness", text, "warning"))
    return notes


def _require_one_image(module: nn.Module, x: Tensor, logits: Tensor, what: str) -> None:
    """Check that an image's answer does not depend on the images beside it."""
    alone = torch.cat([_logits(module, image[None]) for image in x[:8]])
    gap = float((alone - logits[:8]).abs().max())
    if gap <= TOLERANCE * _span(logits):
        return
    culprits = [
        name
        for name, child in module.named_modules()
        if isinstance(child, nn.modules.batchnorm._BatchNorm) and (child.training or child.running_mean is None)
    ]
    why = (
        f"{', '.join(culprits[:3])} normalizes with the batch's own statistics (track_running_stats=False, or "
        "training mode)"
        if culprits
        else "something in it reads across the batch, or stays in training mode"
    )
    raise ModelError(
        f"{what} is no function of one image: alone an image gets other logits than in a batch (by up to {gap:.3g}). "
        f"{why}. "
        "An attack could then change an answer without touching the image. Mend: running statistics, and eval() that "
        "reaches every layer"
    )


def _probabilities(logits: Tensor, what: str) -> list[Note]:
    if bool((logits >= 0).all()) and bool(((logits.sum(1) - 1).abs() < 1e-3).all()):
        text = (
            f"{what} gives probabilities, not logits: cross-entropy takes a softmax of a softmax, its gradient all but "
            "vanishes, and attacks look weaker than they are. Mend: leave the last softmax out, or output = … if it "
            "returns "
            "the logits as well; until then believe the masking checks and the attacks without gradients"
        )
        return [Note("probabilities", text, "warning")]
    return []


def _one_answer(logits: Tensor, labels: Tensor, what: str) -> list[Note]:
    answers = logits.argmax(1).unique()
    if len(answers) == 1 and len(labels.unique()) > 1:
        text = f"{what} answers class {int(answers)} to all of {len(logits)} images of {len(labels.unique())} classes"
        return [Note("constant", text + ": wrong weights, or a wrong normalization", "warning")]
    return []


def _labels(labels: Any, count: int, classes: int, what: str) -> Tensor:
    tensor = torch.as_tensor(labels)
    if tensor.ndim == 1 and not tensor.is_floating_point() and len(tensor) and int(tensor.max()) >= classes:
        raise ModelError(
            f"{what} tells {classes} classes apart, the labels go up to {int(tensor.max())}. Mend: the data set that "
            "it was "
            "trained on" + (", with labels from 0" if int(tensor.max()) == classes and int(tensor.min()) >= 1 else "")
        )
    return as_labels(labels, count, classes)


def _logits(module: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.cat([module(batch).cpu() for batch in batches(x)])


def _span(logits: Tensor) -> float:
    return max(float(logits.max() - logits.min()), 1e-6)


def _device(module: nn.Module) -> torch.device:
    first = next((tensor for tensor in (*module.parameters(), *module.buffers())), None)
    return torch.device("cpu") if first is None else first.device
