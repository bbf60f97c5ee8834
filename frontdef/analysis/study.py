"""A study: which models, which samples, what to look at. A TOML file, as a matrix is."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Literal, Self

from pydantic import field_validator, model_validator

from frontdef.analysis.partial import CODES, parse_code
from frontdef.analysis.settings import Settings
from frontdef.config import Config, build, field
from frontdef.errors import ConfigError
from frontdef.models.entry import ModelEntry
from frontdef.stage import Stage

What = Literal["psr", "weights", "partial"]


class PartialSettings(Config):
    """Partial adversarial training, chapter 3.1.2.1."""

    codes: tuple[str, ...] = field(
        ("A1N2", "N1A2", "N2A1", "A2N1"), min_length=1, description=f"any of {', '.join(CODES)}"
    )
    modes: tuple[Literal["block", "single"], ...] = field(
        ("block",), min_length=1, description="block: all layers before the cut; single: one layer"
    )
    cuts: tuple[int | str, ...] = field(
        (), description="numbers of layers before the cut (in mode single: the layer), or names; all if absent"
    )
    seeds: tuple[int, ...] = field((), description="of both trainings; the study's if absent")
    natural: str = field("natural", description="label of the model that shows what natural training is")
    adversarial: str = field("adversarial", description="label of the model that shows what adversarial training is")
    samples: int | None = field(None, ge=1, description="test images, the first of the study's; all of these if absent")

    @field_validator("codes")
    @classmethod
    def _known(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        for code in codes:
            parse_code(code)
        return codes


class Study(Settings):
    """What to analyze."""

    name: str = field("layers", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="name of the folder")
    seed: int = field(0, ge=0, lt=2**31, description="of trainings, samples and attacks")
    dataset: str = field("digits", description="data set")
    classifier: str = field("small-cnn", description="classifier of the models that name none")
    samples: int = field(200, ge=1, description="test images, the same ones for every model")
    train_samples: int | None = field(None, ge=1, description="training images; all if absent")
    what: tuple[What, ...] = field(("psr", "weights"), min_length=1, description="psr, weights, partial")
    recipe: tuple[Stage, ...] = field((), description="training of the models that name none")
    model: tuple[ModelEntry, ...] = field((ModelEntry(name="none"),), min_length=1, description="models")
    partial: PartialSettings = field(default_factory=PartialSettings, description="partial adversarial training")

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        titles = [model.title for model in self.model]
        if len(set(titles)) < len(titles):
            raise ValueError(f"two models have one name ({', '.join(titles)}): give them labels")
        return self

    def entry(self, title: str) -> ModelEntry:
        """The model of a title.

        Raises:
            ConfigError: None.
        """
        for model in self.model:
            if model.title == title:
                return model
        raise ConfigError(
            f"partial training takes its two recipes from models of this study, and there is none labeled {title!r}: "
            f"it has {', '.join(repr(model.title) for model in self.model)}. Label two, one with an adversarial recipe "
            '(adversarial = "linf", eps = …), and name them in [partial] natural = …, adversarial = …'
        )


def parse_study(text: str, source: str = "study") -> Study:
    """Read a study from TOML text.

    Raises:
        ConfigError: Not TOML, unknown keys (the nearest is named), or values that are not allowed.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source} is not valid TOML: {error}") from None
    return build(Study, values, source)


def load_study(path: Path | None) -> Study:
    """Read a study's file; None gives the packaged one, a natural and an adversarial classifier of digits.

    Raises:
        ConfigError: No such file, or what `parse_study` refuses.
    """
    if path is None:
        text = resources.files("frontdef.analysis").joinpath("digits.toml").read_text(encoding="utf-8")
        return parse_study(text, "the packaged digits study")
    try:
        return parse_study(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise ConfigError(
            f"cannot read the study {path}: {error.strerror}. `frontdef analyze` without a file looks at digits"
        ) from None
