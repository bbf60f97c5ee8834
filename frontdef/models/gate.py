"""The gate: a model that does not reach the accuracy that its owner states is refused, and told what would mend it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from frontdef.errors import ModelError
from frontdef.images import as_images, as_labels
from frontdef.models.notes import Note
from frontdef.models.sources import UserModel
from frontdef.models.wrapped import Channels, Reading, UserClassifier, batches
from frontdef.verdicts.statistics import mcnemar, wilson
from frontdef.zoo import Normalization

MARGIN = 0.02
"""How far below the stated accuracy a model may be: two points."""

TRIAL_SAMPLES = 128
"""How many samples each trial of another reading is judged by before the best is judged by all."""

LEVEL = 0.01
"""Of the paired test that tells two readings apart; so small, because many are tried."""

NORMALIZATIONS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "ImageNet's": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "CIFAR-10's": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "CIFAR-10's means with the deviations of batch means": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "CIFAR-100's": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "SVHN's": ((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970)),
    "CLIP's": ((0.4815, 0.4578, 0.4082), (0.2686, 0.2613, 0.2758)),
    "[-1, 1]": ((0.5,), (0.5,)),
    "MNIST's": ((0.1307,), (0.3081,)),
    "Fashion-MNIST's": ((0.2860,), (0.3530,)),
}
"""What is usual: name → mean and standard deviation, of images in [0,1]."""

CAFFE = (123.68, 116.78, 103.94)
"""Means in red, green, blue that models of 0–255 subtract without dividing."""


@dataclass(frozen=True)
class Accuracy:
    """Clean accuracy on a sample.

    Args:
        correct: Right answers.
        n: Samples.
        low: Lower end of Wilson's 95 % interval.
        high: Upper end.
        notes: What is odd about it.
    """

    correct: int
    n: int
    low: float
    high: float
    notes: tuple[Note, ...] = ()

    @property
    def value(self) -> float:
        """The share of right answers."""
        return self.correct / self.n

    def reaches(self, stated: float) -> bool:
        """Whether a stated accuracy is reached: within two points, or within what so few samples allow."""
        return self.value >= stated - MARGIN or self.high >= stated

    def __str__(self) -> str:
        return f"{self.value:.1%} ({self.correct} of {self.n}, 95 % interval {self.low:.1%} to {self.high:.1%})"


def gate(
    model: UserModel | Callable[[Tensor], Tensor],
    images: Any,
    labels: Any,
    clean_accuracy: float | None = None,
    dataset: str = "",
) -> Accuracy:
    """Measure clean accuracy, and refuse a model that is more than two points below what is stated, beyond chance.

    Where it is refused, or no better than one answer for everything, other ways to read images are tried: the usual
    normalizations and none, the other order of channels, pixels in 0–255, another order of the classes. Random weights
    are only measured.

    Args:
        model: A model, or a function of images ``(N,C,H,W)`` to logits, whose readings can't be tried.
        images: ``(N,C,H,W)`` in [0,1].
        labels: Class indices ``(N,)``.
        clean_accuracy: The share that its owner states; None only measures.
        dataset: Id of the data set; its own normalization is named before others.

    Raises:
        ModelError: It is not reached; the reading that reaches it is named.
        ImageError: Images or labels that break the contract.
    """
    name = f"model {model.name!r}" if isinstance(model, UserModel) else "the model"
    module = model.module if isinstance(model, UserModel) else model
    x = as_images(images)
    logits = _logits(module, x)
    y = as_labels(labels, len(x), int(logits.shape[1]))
    measured = accuracy(logits, y)
    if clean_accuracy is not None and not measured.reaches(clean_accuracy):
        stated = clean_accuracy
        mend = _explain(module, x, y, logits, lambda tried: tried.reaches(stated), dataset)
        raise ModelError(
            f"{name} reaches {measured} on clean images, {clean_accuracy:.1%} is stated. Nothing was attacked. "
            + (mend or _NO_READING)
        )
    commonest = float(y.bincount().max()) / len(y)
    trained = not (isinstance(model, UserModel) and model.random)
    if clean_accuracy is None and trained and measured.low <= commonest < 1:
        wanted = max(2 * commonest, measured.high)
        mend = _explain(module, x, y, logits, lambda tried: tried.value >= wanted, dataset)
        text = f"{name} reaches {measured} on clean images, one answer for everything reaches {commonest:.1%}. "
        return replace(measured, notes=(Note("accuracy", text + (mend or _NO_READING), "warning"),))
    return measured


_NO_READING = (
    "No usual normalization, order of channels, range of pixels or order of classes explains it. Mend: the checkpoint "
    "and the data set that the figure belongs to (other pixels, JPEG or a resize in between cost accuracy, too)"
)


def accuracy(logits: Tensor, labels: Tensor) -> Accuracy:
    """Accuracy with its interval.

    Args:
        logits: ``(N,K)``.
        labels: ``(N,)``.
    """
    return _counted(_right(logits, labels))


def _right(logits: Tensor, labels: Tensor) -> Tensor:
    return logits.argmax(1) == labels


def _counted(right: Tensor) -> Accuracy:
    correct = int(right.sum())
    return Accuracy(correct, len(right), *wilson(correct, len(right)))


def _beats(right: Tensor, other: Tensor) -> bool:
    """Whether one is right more often than the other on the same samples, beyond chance."""
    return mcnemar(int((right & ~other).sum()), int((other & ~right).sum()), "greater") < LEVEL


def readings(reading: Reading, channels: int) -> Iterator[tuple[str, Reading]]:
    """Other ways to read images, the likeliest first, each with the name of its normalization.

    Args:
        reading: How they are read now.
        channels: Of the images.
    """
    orders: tuple[Channels, ...] = ("rgb", "bgr") if channels == 3 else (reading.channels,)
    usual = {
        name: Normalization(mean=mean, std=std)
        for name, (mean, std) in NORMALIZATIONS.items()
        if len(mean) in {1, channels}
    }
    tried = {reading}
    for order in sorted(orders, key=lambda layout: layout != reading.channels):
        flip = order == "bgr"
        ways: list[tuple[str, Normalization | None, tuple[float, float]]] = [
            ("as given", reading.normalize, reading.input_range),
            ("none", None, (0.0, 1.0)),
            *((name, _flipped(moments) if flip else moments, (0.0, 1.0)) for name, moments in usual.items()),
            ("none, in 0–255", None, (0.0, 255.0)),
            ("as given, in 0–255", reading.normalize, (0.0, 255.0)),
        ]
        if channels == 3:
            caffe = Normalization(mean=CAFFE, std=(1.0, 1.0, 1.0))
            ways.append(("Caffe's", _flipped(caffe) if flip else caffe, (0.0, 255.0)))
        for name, moments, pixels in ways:
            candidate = replace(reading, normalize=moments, input_range=pixels, channels=order)
            if candidate not in tried:
                tried.add(candidate)
                yield name, candidate


@dataclass(frozen=True)
class _Trial:
    """A reading that was tried: the name of its normalization, and which samples it is right on, ``(N,)``."""

    name: str
    reading: Reading
    right: Tensor


def _explain(
    module: nn.Module | Callable[[Tensor], Tensor],
    x: Tensor,
    y: Tensor,
    logits: Tensor,
    fits: Callable[[Accuracy], bool],
    dataset: str,
) -> str:
    """The mend, where other readings or another order of the classes fit, and better than what is there now."""
    now = _right(logits, y)
    if isinstance(module, UserClassifier):
        candidates = sorted(readings(module.reading, x.shape[1]), key=lambda pair: _changes(pair[1], module.reading))
        for _, group in groupby(candidates, key=lambda pair: _changes(pair[1], module.reading)):
            few = _undecided(module, group, x[:TRIAL_SAMPLES], y[:TRIAL_SAMPLES])
            tried = _undecided(module, [(trial.name, trial.reading) for trial in few], x, y)
            fitting = [trial for trial in tried if fits(_counted(trial.right)) and _beats(trial.right, now)]
            if fitting:
                return _told(sorted(fitting, key=lambda trial: _likeliest(trial, dataset)), module.reading)
    order = class_order(logits, y)
    if order is not None and fits(_counted(order[1])) and _beats(order[1], now[-len(order[1]) :]):
        current = module.reading.class_order if isinstance(module, UserClassifier) else None
        composed = [order[0][k] for k in current] if current else order[0]
        is_own = composed == sorted(composed)
        mend = "without class_order" if is_own else f"with class_order = {composed}"
        option = "leave --class-order out" if is_own else f"--class-order {_words(composed)}"
        return (
            f"Another order of its classes fits better: {mend} it reaches {_counted(order[1]).value:.1%} (the order "
            f"taken from one half of the samples, the accuracy from the other). On the command line: {option}"
        )
    return ""


def _undecided(module: UserClassifier, candidates: Iterable[tuple[str, Reading]], x: Tensor, y: Tensor) -> list[_Trial]:
    """The reading that is right most often, and those that the samples can't tell from it."""
    trials = [_Trial(name, way, _right(_logits(module.with_reading(way), x), y)) for name, way in candidates]
    best = max(trials, key=lambda trial: int(trial.right.sum()))
    return [trial for trial in trials if not _beats(best.right, trial.right)]


def _likeliest(trial: _Trial, dataset: str) -> tuple[int, int]:
    """A key that puts the data set's own normalization first, then what is right most often."""
    name = _plain(trial.name.removesuffix("'s"))
    own = len(name) if name in _plain(dataset) else 0  # of "cifar10" and "cifar100" the longer
    return -own, -int(trial.right.sum())


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


def _told(trials: Sequence[_Trial], now: Reading) -> str:
    first, *others = trials
    beside = "; ".join(
        f"{_lines(trial.reading, now, trial.name)}: {_counted(trial.right).value:.1%}" for trial in others
    )
    return (
        f"With {_lines(first.reading, now, first.name)} it reaches {_counted(first.right).value:.1%}: write that in "
        f"[[model]], or on the command line {_options(first.reading, now)}"
        + (f". {len(first.right)} samples can't tell it from {beside}" if beside else "")
    )


def class_order(logits: Tensor, labels: Tensor) -> tuple[list[int], Tensor] | None:
    """The order of the classes that fits best, by the confusion matrix of one half of the samples.

    Args:
        logits: ``(N,K)``.
        labels: ``(N,)``.

    Returns:
        For each logit the class that it stands for, and which samples of the other half this makes right, a mask; None
        where there are too few samples to tell, or the order is the one that it has.
    """
    classes, half = int(logits.shape[1]), len(labels) // 2
    if half < 3 * classes:
        return None
    answers = logits.argmax(1).numpy()
    truth = labels.numpy()
    confusion = np.zeros((classes, classes), dtype=int)
    np.add.at(confusion, (answers[:half], truth[:half]), 1)
    from scipy.optimize import linear_sum_assignment  # importing it would cost every process a second

    _, order = linear_sum_assignment(-confusion)
    if (order == np.arange(classes)).all():
        return None
    return [int(k) for k in order], torch.from_numpy(order[answers[half:]] == truth[half:])


def _changes(reading: Reading, now: Reading) -> int:
    return sum(
        (reading.normalize != now.normalize, reading.input_range != now.input_range, reading.channels != now.channels)
    )


def _lines(reading: Reading, now: Reading, name: str) -> str:
    """What to write in ``[[model]]``, and why."""
    told = []
    if reading.normalize != now.normalize:
        if reading.normalize is None:
            told.append("no `normalize` (the model does it itself, so it was done twice)")
        else:
            moments = reading.normalize
            told.append(f"normalize = {{ mean = {list(moments.mean)}, std = {list(moments.std)} }} ({name})")
    if reading.input_range != now.input_range:
        told.append(f"input_range = [{reading.input_range[0]:g}, {reading.input_range[1]:g}]")
    if reading.channels != now.channels:
        told.append(f'channels = "{reading.channels}"')
    return " and ".join(told)


def _options(reading: Reading, now: Reading) -> str:
    """The same as options of a command line."""
    told = []
    if reading.normalize != now.normalize:
        moments = reading.normalize
        told.append(
            "without --mean and --std"
            if moments is None
            else f"--mean {_words(moments.mean)} --std {_words(moments.std)}"
        )
    if reading.input_range != now.input_range:
        told.append(f"--input-range {_words(reading.input_range)}")
    if reading.channels != now.channels:
        told.append(f"--channels {reading.channels}")
    return " ".join(told)


def _words(numbers: Iterable[float]) -> str:
    return ",".join(f"{number:g}" for number in numbers)


def _flipped(moments: Normalization) -> Normalization:
    return Normalization(mean=moments.mean[::-1], std=moments.std[::-1])


def _logits(predict: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    device = (
        next((tensor.device for tensor in predict.parameters()), x.device) if isinstance(predict, nn.Module) else None
    )
    with torch.no_grad():
        return torch.cat([predict(batch if device is None else batch.to(device)).cpu() for batch in batches(x)])
