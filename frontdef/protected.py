"""Protected: front end and classifier as the one object that every attack sees."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from frontdef.config import Config
from frontdef.errors import ConfigError, MissingExtraError, UnknownNameError
from frontdef.frontend import FrontEnd, Identity
from frontdef.images import as_images, check_tensor
from frontdef.memory import Batches, at_once
from frontdef.precision import widened

Average = Literal["logits", "probabilities"]


@dataclass
class Passes:
    """Forward and backward passes, counted in samples.

    Args:
        forward: Forward passes.
        backward: Backward passes.
        stages: Of an attack in stages that tells: stage → samples tried, samples broken, forward and backward passes.
    """

    forward: int = 0
    backward: int = 0
    stages: dict[str, tuple[int, int, int, int]] = field(default_factory=dict)

    def note(self, stage: str, tried: int, broke: int, forward: int, backward: int) -> None:
        """Add what a stage did to one batch to what it did to those before."""
        before = self.stages.get(stage, (0, 0, 0, 0))
        added = zip(before, (tried, broke, forward, backward), strict=True)
        tried, broke, forward, backward = map(sum, added)
        self.stages[stage] = tried, broke, forward, backward


class Protected(nn.Module):
    """A defended classifier: images in [0,1] in, logits out, in eval mode, its parameters frozen.

    It is itself what torchattacks takes; `art_classifier` and `foolbox_model` give the views of the other two. Every
    pass through it is counted, per sample, whichever library asks.

    Args:
        front_end: The front end.
        classifier: Reads what the front end puts out, gives logits ``(N,K)``.
        image_shape: ``(C,H,W)``; taken from the front end where it knows. ART needs it.

    Raises:
        ConfigError: ``image_shape`` contradicts the front end's.
    """

    def __init__(
        self, front_end: FrontEnd[Any], classifier: nn.Module, *, image_shape: tuple[int, ...] | None = None
    ) -> None:
        super().__init__()
        if image_shape and front_end.image_shape and tuple(image_shape) != front_end.image_shape:
            raise ConfigError(
                f"the front end is built for images {front_end.image_shape}, the classifier gets {tuple(image_shape)}"
            )
        self.front_end = front_end
        self.classifier = classifier
        self.image_shape: tuple[int, ...] | None = tuple(image_shape) if image_shape else front_end.image_shape
        self.draws = 1
        self.average: Average = "logits"
        self.in_double = False
        self.passes: Passes = Passes()
        self.eval().requires_grad_(False)

    if TYPE_CHECKING:  # a module's own is untyped

        def __call__(self, x: Tensor) -> Tensor:
            """As `forward`."""

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(N,K)`` of float images ``(N,C,H,W)``, averaged over the draws of `eot`; float64 where `precise`.

        Raises:
            ImageError: Wrong type or shape.
            NotTrainedError: The front end learns, and was never trained.
        """
        x = x.to(torch.float32) if self.in_double else x
        check_tensor(x, self.image_shape)
        self.front_end.require_trained()
        if self.draws == 1:
            return self._logits(x)
        logits = self._logits(x.repeat_interleave(self.draws, dim=0)).unflatten(0, (len(x), self.draws))
        if self.average == "logits":
            return cast(Tensor, logits.mean(1))
        level = logits.logsumexp(-1, keepdim=True)
        return cast(Tensor, (logits - level).logsumexp(1) - math.log(self.draws) + level.mean(1))

    def _logits(self, x: Tensor) -> Tensor:
        logits = self._count(self.classifier(self.front_end(x)), len(x))
        return widened(logits) if self.in_double else logits

    def _count(self, logits: Tensor, samples: int) -> Tensor:
        self.passes.forward += samples
        if logits.requires_grad:
            passes = self.passes

            def count(_: Tensor) -> None:
                passes.backward += samples

            logits.register_hook(count)
        return logits

    def eot(self, n: int, *, average: Average = "logits") -> Protected:
        """The same model with every output averaged over ``n`` fresh draws of a randomized front end.

        A gradient attack on it is an attack by expectation over transformation (Athalye et al. 2018, arXiv:1707.07397).
        What is averaged matters, and the libraries differ: foolbox averages logits, torchattacks' EOTPGD the
        gradients of the loss.

        Args:
            n: Draws a sample, at least 1.
            average: ``logits``, or ``probabilities``: logits whose softmax is the mean probability, at the mean level
                (logsumexp) of the draws, so that one draw gives its own logits. An average of *losses* is not a
                function of averaged outputs, so no module of logits can express it.

        Raises:
            ConfigError: n < 1.
            UnknownNameError: Another average.
        """
        if n < 1:
            raise ConfigError(f"eot takes at least 1 draw, got {n}")
        if average not in get_args(Average):
            raise UnknownNameError("average", average, get_args(Average))
        view = self._view(self.front_end)
        view.draws, view.average = n, average
        return view

    def precise(self) -> Protected:
        """The same model handing out its logits as float64, so that a loss on them does not vanish by rounding.

        In float32 a cross-entropy is exactly 0 once the label leads by more than 17 nats, its gradient once it leads by
        104. The network computes in float32 all the same: of a gradient that float32 could not hold each row is lifted
        by a power of two, to 2⁻⁶⁴. So its direction is kept and its length is not. Images may be of either type; they
        are rounded to float32.
        """
        view = self._view(self.front_end)
        view.in_double = True
        return view

    def _view(self, front_end: FrontEnd[Any]) -> Protected:
        """The same model behind a front end, its draws and passes counted with these."""
        view = Protected(front_end, self.classifier, image_shape=self.image_shape)
        view.draws, view.average, view.in_double, view.passes = self.draws, self.average, self.in_double, self.passes
        return view

    def without(self) -> Protected:
        """The classifier alone, its passes counted with these: what the attacker sees who does not know the front end.

        Only for front ends that put out the shape that they take in.
        """
        view = self._view(Identity(Config()))
        view.draws = 1
        return view

    @contextmanager
    def surrogate(self, name: str | None) -> Iterator[Protected]:
        """Run an attack with another of the front end's surrogate gradients.

        Args:
            name: A surrogate that the front end offers; None for its default.
        """
        before = self.front_end.surrogate
        self.front_end.select_surrogate(name)
        try:
            yield self
        finally:
            self.front_end.surrogate = before

    def predict(self, images: Any, *, batch_size: int | None = None) -> Tensor:
        """Logits ``(N,K)`` on the CPU, without gradients and not counted.

        Args:
            images: Array or tensor ``(N,C,H,W)`` in [0,1].
            batch_size: Images a pass; by their size if absent, and fewer where memory does not suffice.

        Raises:
            ImageError: Images that break the contract.
            OutOfMemoryError: Memory does not suffice for one image.
        """
        tensor = as_images(images, self.image_shape)
        counted = (self.passes.forward, self.passes.backward)
        batches = Batches(batch_size or at_once(tensor.shape[1:]))
        with torch.no_grad():
            passed = batches.over(
                len(tensor), lambda rows: self(tensor[rows].to(self.device)).cpu(), note=self.front_end.note_draws
            )
            logits = torch.cat([part for _, part in passed])
        self.passes.forward, self.passes.backward = counted
        return logits

    @property
    def device(self) -> torch.device:
        """Where the parameters live; the CPU for a model without any."""
        first = next((tensor for tensor in (*self.parameters(), *self.buffers())), None)
        return torch.device("cpu") if first is None else first.device

    @property
    def n_classes(self) -> int:
        """Number of logits, found by a pass over one black image.

        Raises:
            ConfigError: The image shape is not known.
        """
        if self.image_shape is None:
            raise ConfigError("the image shape is not known: frontdef.protect(..., image_shape=(C, H, W))")
        return int(self.predict(torch.zeros(1, *self.image_shape)).shape[1])

    def art_classifier(self, optimizer: Optimizer | None = None) -> Any:
        """This model as ART's `PyTorchClassifier`, clip values (0,1), cross-entropy on logits.

        Args:
            optimizer: With which ART's ``fit`` and its trainers train it: what it holds, and nothing else, is no longer
                frozen. None for a model that is attacked only.

        Raises:
            ConfigError: The image shape is not known.
        """
        from frontdef.art import art_classifier

        n_classes = self.n_classes
        assert self.image_shape is not None
        return art_classifier(self, self.image_shape, n_classes, self.device, optimizer)

    def foolbox_model(self) -> Any:
        """This model as foolbox's `PyTorchModel` with bounds (0,1).

        Raises:
            MissingExtraError: foolbox is not installed.
        """
        try:
            import foolbox
        except ImportError:
            raise MissingExtraError("foolbox_model()", "foolbox") from None
        return foolbox.PyTorchModel(self, bounds=(0, 1), device=self.device)
