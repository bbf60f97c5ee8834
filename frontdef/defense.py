"""Defense: the record that a plugin registers."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from frontdef import config as configs
from frontdef.errors import ConfigError
from frontdef.lazy import resolve
from frontdef.stage import Stage
from frontdef.threat import Norm, check_norm

if TYPE_CHECKING:
    from frontdef.certificate import Certificate
    from frontdef.frontend import FrontEnd


Recipe = tuple[Stage, ...] | str | Callable[[Any, str], Sequence[Stage]]
"""Stages, or a function ``(config, data set) -> stages``, or a reference to one; no stages: the classifier's own."""


@dataclass(frozen=True)
class Defense:
    """A defense: a front end, its configuration and what is known about it.

    References may be objects or strings ``"package.module:attribute"``; strings keep ``frontdef plugins`` free of ML
    imports.

    Args:
        name: The id by which users load it: lower case, with dashes.
        front_end: The `FrontEnd` subclass, or a reference to it.
        config: The `Config` subclass, or a reference to it.
        paper: Where it was published: an arXiv id, a DOI or a URL.
        summary: One line for ``frontdef ls defenses``.
        recipe: Stages that train it and the classifier behind it, or a function ``(config, data set) -> stages``, or a
            reference to one; no stages take the recipe of the classifier.
        classifier: Id of the classifier behind it, where the matrix's row names none; empty takes the matrix's.
        certificate: A `Certificate`, a class of one, a reference to either, or None where nothing can be proved.
        randomized: Whether the front end draws random numbers at test time.
        norms: The threat models that it was made for.
        datasets: Ids of the data sets that it is meant for; empty means any.
        license: Of the defense's method or weights, where it differs from the plugin's.

    Raises:
        ConfigError: An empty name, or one that is not lower case with dashes.
    """

    name: str
    front_end: type[FrontEnd[Any]] | str
    config: type[configs.Config] | str = configs.Config
    paper: str = ""
    summary: str = ""
    recipe: Recipe = ()
    classifier: str = ""
    certificate: Certificate | type[Certificate] | str | None = None
    randomized: bool = False
    norms: tuple[Norm, ...] = ("linf", "l2")
    datasets: tuple[str, ...] = ()
    license: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name or not all(part.isalnum() and part == part.lower() for part in self.name.split("-")):
            raise ConfigError(f"a defense's name is lower case letters and digits with dashes, got {self.name!r}")
        for norm in self.norms:
            check_norm(norm)

    @property
    def certified(self) -> bool:
        """Whether the defense proves anything."""
        return self.certificate is not None

    def front_end_class(self) -> type[FrontEnd[Any]]:
        """The front end class, imported if it was a reference."""
        return typing.cast("type[FrontEnd[Any]]", resolve(self.front_end))

    def config_class(self) -> type[configs.Config]:
        """The configuration class, imported if it was a reference."""
        return typing.cast("type[configs.Config]", resolve(self.config))

    def recipe_for(self, config: Mapping[str, Any], dataset: str) -> tuple[Stage, ...]:
        """Stages that train the defense on a data set; none where the classifier's own recipe will do.

        Args:
            config: Configuration values.
            dataset: Id of the data set.

        Raises:
            ConfigError: Invalid configuration.
        """
        recipe = self.recipe if isinstance(self.recipe, tuple) else resolve(self.recipe)
        return tuple(recipe if isinstance(recipe, tuple) else recipe(self.configure(config), dataset))

    def load_certificate(self) -> Certificate | None:
        """The certificate, imported and instantiated if need be."""
        certificate = resolve(self.certificate)
        loaded = certificate() if isinstance(certificate, type) else certificate
        return typing.cast("Certificate | None", loaded)

    def configure(self, values: Mapping[str, Any]) -> configs.Config:
        """Validate configuration values.

        Raises:
            ConfigError: Unknown keys (the nearest is named) or values outside their range.
        """
        return configs.build(self.config_class(), values, f"defense {self.name!r}")

    def build(
        self,
        values: Mapping[str, Any],
        *,
        image_shape: typing.Sequence[int] | None = None,
        surrogate: str | None = None,
    ) -> FrontEnd[Any]:
        """Make the front end.

        Args:
            values: Configuration values.
            image_shape: ``(C,H,W)`` of the images.
            surrogate: Name of the surrogate gradient; None takes the default.

        Raises:
            ConfigError: Invalid configuration, or no image shape where one is needed.
            UnknownNameError: A surrogate that is not offered.
        """
        return self.front_end_class()(self.configure(values), image_shape=image_shape, surrogate=surrogate)
