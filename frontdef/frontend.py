"""FrontEnd: the class that a plugin subclasses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from frontdef import bpda
from frontdef.config import Config
from frontdef.errors import ConfigError, NotTrainedError, UnknownNameError
from frontdef.images import check_tensor

ConfigT = TypeVar("ConfigT", bound=Config)


class FrontEnd(nn.Module, Generic[ConfigT]):
    """The part of the network that a defense owns: raw images in, what the classifier reads out.

    A subclass writes ``forward(x)`` for float32 ``(N,C,H,W)`` in [0,1]. Its value is exact; its gradient, as autograd
    computes it, is true or that of the selected surrogate (`frontdef.bpda` has the blocks). It treats each sample on
    own, so ``f(x)[i:i+1] == f(x[i:i+1])``, never changes ``x``, and draws random numbers only from `generator`.

    Args:
        config: The defense's configuration.
        image_shape: ``(C,H,W)`` of the images, for front ends that are built for one shape; None leaves it open.
        surrogate: Name of the surrogate gradient, ``"name:steepness"`` for smooth ones; None takes the first offered.

    Raises:
        UnknownNameError: A surrogate that this front end does not offer.
        ConfigError: No ``image_shape``, for a front end that needs one.
    """

    surrogates: ClassVar[tuple[bpda.Surrogate, ...]] = (bpda.TRUE,)
    """The gradients that an attacker may choose from; the first is the default."""

    randomized: ClassVar[bool] = False
    """Whether two calls with the same images may differ."""

    needs_image_shape: ClassVar[bool] = False
    """Whether the front end can only be built for a known ``(C,H,W)``."""

    keeps_range: ClassVar[bool] = True
    """Whether the output is in [0,1], as the input is."""

    learns: ClassVar[bool] = False
    """Whether it has weights that must be trained or fitted before it defends anything.

    A property where the configuration decides it, so ask an instance.
    """

    pairs_lone_images: ClassVar[bool] = False
    """Whether an image that comes alone is passed twice, for front ends that must not round it otherwise.

    oneDNN takes another kernel for a single image than for several, and its rounding can tip a threshold: a whole
    activation. With this the output of a lone image is, bit for bit, the one that it has in a batch.
    """

    modes: ClassVar[tuple[str, ...]] = ()
    """Variants of `forward` that training stages may select, in `mode`; ``""`` is the one that is attacked."""

    trained: Tensor

    def __init__(
        self,
        config: ConfigT,
        *,
        image_shape: Sequence[int] | None = None,
        surrogate: str | bpda.Surrogate | None = None,
    ) -> None:
        super().__init__()
        if self.needs_image_shape and image_shape is None:
            raise ConfigError(f"{type(self).__name__} is built for one image shape: give image_shape=(C, H, W)")
        if image_shape is not None and (len(image_shape) != 3 or min(image_shape) < 1):
            raise ConfigError(f"image_shape is (C, H, W) with positive numbers, got {tuple(image_shape)}")
        self.config = config
        self.image_shape: tuple[int, ...] | None = None if image_shape is None else tuple(image_shape)
        self.surrogate: bpda.Surrogate = bpda.select(self.surrogates, surrogate)
        self.mode: str = ""
        if self.learns:
            self.register_buffer("trained", torch.zeros((), dtype=torch.bool))
        self._ready = not self.learns
        self._seed = 0
        self._generators: dict[torch.device, torch.Generator] = {}

    def __call__(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Check the shape and type of ``x`` (`ImageError`), then run `forward`."""
        check_tensor(x, self.image_shape)
        lone = self.pairs_lone_images and len(x) == 1
        result: Tensor = super().__call__(x.expand(2, -1, -1, -1) if lone else x, *args, **kwargs)
        return result[:1] if lone else result

    def forward(self, x: Tensor) -> Tensor:
        """Transform images.

        Args:
            x: float32 ``(N,C,H,W)`` in [0,1].

        Returns:
            ``(N,…)``, what the classifier reads.
        """
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def select_surrogate(self, surrogate: str | bpda.Surrogate | None) -> None:
        """Switch to another of the offered surrogates; None for the default.

        Raises:
            UnknownNameError: Not offered.
        """
        self.surrogate = bpda.select(self.surrogates, surrogate)

    def generator(self, device: torch.device) -> torch.Generator:
        """The front end's own source of randomness on a device; the global one is never touched."""
        if device not in self._generators:
            self._generators[device] = torch.Generator(device).manual_seed(self._seed)
        return self._generators[device]

    def reseed(self, seed: int) -> None:
        """Start the draws of a randomized front end, and of any front end inside it, from a seed."""
        for module in self.modules():
            if isinstance(module, FrontEnd):
                module._seed = seed
                module._generators = {}

    def note_draws(self) -> Callable[[], None]:
        """Note where the draws of this front end, and of any inside it, stand; what is returned goes back there."""
        noted = [
            (module, module._seed, {device: drawn.get_state() for device, drawn in module._generators.items()})
            for module in self.modules()
            if isinstance(module, FrontEnd)
        ]

        def go_back() -> None:
            for module, seed, states in noted:
                module._seed = seed
                module._generators = {device: torch.Generator(device) for device in states}
                for device, state in states.items():
                    module._generators[device].set_state(state)

        return go_back

    @property
    def needs_fit(self) -> bool:
        """Whether `fit` has something to prepare: where a class defines it, unless the configuration says otherwise."""
        return type(self).fit is not FrontEnd.fit

    def fit(self, images: Tensor) -> None:
        """Prepare without labels (a dictionary); by default there is nothing to prepare.

        A front end that learns and is ready after it calls `mark_trained`.

        Args:
            images: Training images, float32 ``(N,C,H,W)`` in [0,1].
        """

    def losses(self) -> Mapping[str, Callable[[Tensor, Tensor], Tensor]]:
        """Losses that a training stage may name in place of cross-entropy.

        Returns:
            Name → ``f(logits (N,K), labels (N,)) -> scalar``.
        """
        return {}

    def penalties(self) -> Mapping[str, Callable[[Tensor, nn.Module], Tensor]]:
        """Terms that a training stage may add to its loss, or minimize alone.

        Returns:
            Name → ``f(images (N,C,H,W), classifier) -> scalar``.
        """
        return {}

    def after_stage(self, name: str) -> None:
        """Called after each training stage with its name, to keep a picture of what it did."""

    def finish(self, classifier: nn.Module) -> None:
        """Called once after the last training stage; it may change the front end and the classifier behind it.

        Args:
            classifier: Reads what the front end puts out.
        """

    @contextmanager
    def in_mode(self, mode: str) -> Iterator[None]:
        """Select a variant of `forward` for a while.

        Args:
            mode: One of `modes`, or ``""``.

        Raises:
            UnknownNameError: Another name.
        """
        if mode and mode not in self.modes:
            raise UnknownNameError(f"mode of {type(self).__name__}", mode, self.modes)
        before, self.mode = self.mode, mode
        try:
            yield
        finally:
            self.mode = before

    def mark_trained(self) -> None:
        """Say that the weights are in place; kept with them."""
        if self.learns:
            self.trained.fill_(True)

    def require_trained(self) -> None:
        """Raise where an attack, or a user, would get a front end that was never trained.

        Raises:
            NotTrainedError: It learns, and has not.
        """
        self._ready = self._ready or bool(self.trained)
        if not self._ready:
            raise NotTrainedError(type(self).__name__)

    def figures(self, images: Tensor) -> Mapping[str, Tensor]:
        """Pictures of what the front end does to some images, for the report.

        Args:
            images: float32 ``(N,C,H,W)`` in [0,1].

        Returns:
            Title → pictures ``(n,C,H,W)`` in [0,1]: one a sample, or any number of the front end itself. By default the
            output, where it is an image.
        """
        with torch.no_grad():
            output = self(images)
        return {"after the front end": output.clamp(0, 1)} if output.shape == images.shape else {}


class Identity(FrontEnd[Config]):
    """No front end: the undefended baseline. Offers the true gradient."""

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` as it is."""
        return x.view_as(x)
