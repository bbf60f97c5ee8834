"""A study: which models, which samples, what to look at. A TOML file, as a matrix is."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, field_validator, model_validator

from frontdef.analysis.partial import CODES, parse_code
from frontdef.analysis.settings import LayerSettings
from frontdef.config import FOLDER_NAME, Config, build, field
from frontdef.errors import ConfigError
from frontdef.models.entry import ModelEntry
from frontdef.models.sources import ModelSource
from frontdef.stage import Stage
from frontdef.toml import parse_toml, read_toml

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


class OwnEntry(ModelSource):
    """A model that somebody else trained, as a matrix names it in ``[[model]]``, and a defense in front of it."""

    defense: str = field("none", description="id of the defense in front of it")
    config: dict[str, Any] = field(default_factory=dict, description="its configuration")

    @property
    def title(self) -> str:
        """What figures call it."""
        return self.name


def _row(row: Any) -> Any:
    """A row by its keys: one that has a key of `OwnEntry` alone is one of these."""
    if not isinstance(row, Mapping):
        return row
    own = set(row) & (set(OwnEntry.model_fields) - set(ModelEntry.model_fields))
    return build(OwnEntry if own else ModelEntry, row, f"model {row.get('name', '')!r}")


Entry = Annotated[ModelEntry | OwnEntry, BeforeValidator(_row)]
"""A model of a study: one that is trained here, or, where it names a ``source``, one that somebody else trained."""


class Study(LayerSettings):
    """What to analyze."""

    name: str = field("layers", pattern=FOLDER_NAME, description="name of the folder")
    seed: int = field(0, ge=0, lt=2**31, description="of trainings, samples and attacks")
    dataset: str = field("digits", description="data set")
    classifier: str = field("small-cnn", description="classifier of the models that name none")
    samples: int = field(200, ge=1, description="test images, the same ones for every model")
    train_samples: int | None = field(None, ge=1, description="training images; all if absent")
    what: tuple[What, ...] = field(("psr", "weights"), min_length=1, description="psr, weights, partial")
    recipe: tuple[Stage, ...] = field((), description="training of the models that name none")
    model: tuple[Entry, ...] = field(
        (ModelEntry(name="none"),), min_length=1, description="models: trained here, or with a source somebody else's"
    )
    base: str = field("", description="folder where the sources' relative paths start; the study file's own if absent")
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
            ConfigError: None, or one that is not trained here.
        """
        for model in self.model:
            if model.title == title and isinstance(model, OwnEntry):
                raise ConfigError(
                    f"partial training trains the layers of a model anew, and {title!r} is somebody else's: it is "
                    'looked at by what = ["psr", "weights"]'
                )
            if model.title == title and isinstance(model, ModelEntry):
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
    return build(Study, parse_toml(text, source), source)


def load_study(path: Path | None) -> Study:
    """Read a study's file; None gives the packaged one, a natural and an adversarial classifier of digits.

    Raises:
        ConfigError: No such file, or what `parse_study` refuses.
    """
    if path is None:
        text = resources.files("frontdef.analysis").joinpath("digits.toml").read_text(encoding="utf-8")
        return parse_study(text, "the packaged digits study")
    study = parse_study(read_toml(path, "`frontdef analyze` without a file looks at digits"), str(path))
    return study if study.base else study.model_copy(update={"base": str(path.resolve().parent)})
