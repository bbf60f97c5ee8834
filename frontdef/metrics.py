"""Metric: what is measured of a defended model beside its accuracy under attack."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from frontdef.config import Config
from frontdef.errors import ConfigError
from frontdef.lazy import resolve

if TYPE_CHECKING:
    from torch import Tensor

    from frontdef.protected import Protected

    Measure = Callable[[Protected, Tensor, Tensor, Any, int], Mapping[str, Tensor]]


@dataclass(frozen=True)
class Metric:
    """A metric that a matrix can name.

    Args:
        name: Its id: lower case with dashes.
        measure: ``f(protected, x (N,C,H,W), y (N,), parameters, seed)`` → quantity → float ``(N,)``, one value a
            sample, NaN where it does not apply; or a reference ``"package.module:function"``. It is given all samples,
            and cuts them by `frontdef.memory.at_once`, or asks ``protected.predict``, which does.
        parameters: The `Config` subclass of its parameters, or a reference to it.
        summary: One line for ``frontdef ls metrics``.
        paper: Where it was defined.
        unit: Unit of the values: "dB", "ℓ2", "share"; empty for a pure number.
        better: Which way is better; empty where neither is.

    Raises:
        ConfigError: An empty name, or one that is not lower case with dashes.
    """

    name: str
    measure: str | Measure
    parameters: type[Config] | str = Config
    summary: str = ""
    paper: str = ""
    unit: str = ""
    better: Literal["higher", "lower", ""] = ""

    def __post_init__(self) -> None:
        if not self.name or not all(part.isalnum() and part == part.lower() for part in self.name.split("-")):
            raise ConfigError(f"a metric's name is lower case letters and digits with dashes, got {self.name!r}")

    def parameters_class(self) -> type[Config]:
        """The class of its parameters, imported if it was a reference."""
        return cast("type[Config]", resolve(self.parameters))

    def __call__(self, protected: Protected, x: Tensor, y: Tensor, parameters: Any, seed: int) -> dict[str, Tensor]:
        """Measure.

        Args:
            protected: The defended model, on its device.
            x: Images, float32 ``(N,C,H,W)`` in [0,1].
            y: Labels, int64 ``(N,)``.
            parameters: An instance of its parameters' class.
            seed: Of everything random in it.

        Returns:
            Quantity → values ``(N,)``.

        Raises:
            ValueError: It returned another shape.
        """
        measured = resolve(self.measure)(protected, x, y, parameters, seed)
        for name, values in measured.items():
            if values.shape != (len(x),):
                shape = tuple(values.shape)
                raise ValueError(f"metric {self.name!r} gives {name!r} as {shape}, not one value a sample")
        return {name: values.detach().cpu() for name, values in measured.items()}
