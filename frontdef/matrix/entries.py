"""What a matrix file says: rows, columns and measurements, as validated configuration."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, model_validator

from frontdef.checks.masking.budget import Budget
from frontdef.config import Config, build, field
from frontdef.models.entry import ModelEntry
from frontdef.models.sources import ModelSource
from frontdef.protected import Average
from frontdef.stage import Stage
from frontdef.threat import Norm
from frontdef.toml import parse_toml, read_toml

EVERY = "all"
"""Of libraries, families and surrogates: all that there are."""

Libraries = Annotated[tuple[str, ...], BeforeValidator(lambda names: (names,) if names == "all" else names)]
"""Ids of attack libraries, or ``all``."""


class DefenseEntry(ModelEntry):
    """A row of the matrix."""

    surrogates: tuple[str, ...] = field(
        (),
        description="surrogate gradients that every gradient attack is run with, each a cell of its own, the strongest "
        "counts per sample; ['all'] for all that the front end offers",
    )
    weights: str = field(
        "",
        description="file of the trained defense, classifier included, as `frontdef train NAME --out FILE` writes it, "
        "relative to the matrix file; nothing is trained",
    )
    optional: bool = field(False, description="leave the row out, with a note, where no installed plugin offers it")
    diagnose: bool = field(True, description="whether its gradient is diagnosed, in the norms that the matrix names")

    @model_validator(mode="after")
    def _trained_once(self) -> Self:
        if self.weights and self.recipe:
            raise ValueError("weights are of a defense that is trained, and recipe would train it: give one of the two")
        return self


class AttackEntry(Config):
    """A column of the matrix: an attack family in a norm, with its parameters."""

    family: str = field(description="id of the attack family")
    norm: str = field("linf", description="linf, l2 or l1")
    eps: tuple[float | str, ...] = field(
        (),
        description="radii in [0,1] pixel values or as '8/255'; for minimum-norm families the radii at which they are "
        "judged, those of the other attacks if absent",
    )
    parameters: dict[str, Any] = field(default_factory=dict, description="parameters of the family")
    defaults: bool = field(
        False, description="run each library with its own defaults, given nothing but norm and ε: what a user gets"
    )
    precise: bool = field(
        False,
        description="the attacked model hands out float64 logits, so that no loss on them is 0 by rounding; by "
        "themselves the libraries get float32",
    )
    samples: int | None = field(
        None, ge=1, description="test images, the first of the matrix's samples; all of these if absent"
    )
    libraries: Libraries = field((), description="libraries that run it; all that offer it if absent, or 'all'")
    surrogates: tuple[str, ...] | None = field(
        None,
        description="surrogate gradients that it is run with, those of them that a front end offers, in place of the "
        "row's; [] for each front end's own",
    )
    source: ModelEntry | None = field(
        None, description="another trained model that is attacked instead; its examples are judged on the defenses"
    )


class MetricEntry(Config):
    """A measurement of every model beside the attacks."""

    name: str = field(description="id of the metric")
    parameters: dict[str, Any] = field(default_factory=dict, description="its parameters")
    samples: int | None = field(
        None, ge=1, description="test images, the first of the matrix's samples; all of these if absent"
    )
    defenses: tuple[str, ...] = field((), description="ids of the defenses that are measured; all if absent")
    optional: bool = field(False, description="leave it out, with a note, where no installed plugin offers it")


class Matrix(Config):
    """What to compare: every combination of the entries is one cell, where the library offers it."""

    name: str = field(
        "matrix", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100, description="name of the run folder"
    )
    seed: int = field(0, ge=0, lt=2**31, description="every cell derives its own from it")
    samples: int = field(200, ge=1, description="test images, the same ones in every cell")
    train_samples: int | None = field(None, ge=1, description="training images; all if absent")
    datasets: tuple[str, ...] = field(("digits",), min_length=1, description="data sets")
    classifiers: tuple[str, ...] = field(
        (), description="classifiers that are trained behind the front ends; small-cnn if absent and there is no model"
    )
    model: tuple[ModelSource, ...] = field((), description="models that somebody else trained, attacked as they are")
    base: str = field("", description="folder where the models' relative paths start; the matrix file's own if absent")
    libraries: Libraries = field((), description="attack libraries; all installed if absent, or 'all'")
    attacks: str = field("", description="a set of attacks by name, run at the threats: quick, standard, thorough")
    threats: dict[Norm, tuple[float | str, ...]] = field(
        default_factory=dict, description="norm → radii of the set, as linf = ['8/255']"
    )
    batch_size: int = field(256, ge=1, description="images an attack call gets at once")
    eot_draws: int = field(10, ge=1, description="draws over which attacks on randomized front ends average")
    eot_average: tuple[Average, ...] = field(
        ("probabilities", "logits"),
        min_length=1,
        description="what they average: 'probabilities', as the judge does, 'logits', or both, each a cell of its own "
        "for gradient attacks; the strongest counts per sample",
    )
    verify_draws: int = field(10, ge=1, description="fresh draws over which randomized front ends are judged")
    decide: bool = field(
        False,
        description="compare libraries on few of the samples first, and on twice as many, up to all, while it is "
        "undecided; the error rates hold over all looks",
    )
    decide_samples: int = field(100, ge=10, description="samples of a comparison's first look, where it is to decide")
    grown: dict[str, int] = field(
        default_factory=dict,
        description="written by a run that decides: hash of a comparison → samples of its look",
    )
    diagnose: tuple[Norm, ...] = field(
        (), description="norms in which each model's gradient is diagnosed, at the matrix's largest ε in that norm"
    )
    diagnose_samples: int = field(
        64, ge=10, description="test images for the first look of a diagnosis, the first of the samples"
    )
    diagnose_most: int = field(
        256,
        ge=10,
        description="test images up to which a diagnosis goes on, doubling, with questions that are undecided; "
        "no more than the samples",
    )
    diagnose_budget: Budget = field(
        default_factory=Budget, description="what a diagnosis may spend; the defaults are for small images"
    )
    required_plugins: tuple[str, ...] = field(
        (), description="distributions that must be installed, as 'frontdef-wavelet>=0.1'"
    )
    recipe: tuple[Stage, ...] = field(
        (),
        description="training stages for every defense that has none of its own; the classifier's if absent",
    )
    defense: tuple[DefenseEntry, ...] | Literal["all"] = field(
        (DefenseEntry(name="none"),), description="rows, or 'all' for each defense of each installed plugin as it comes"
    )
    attack: tuple[AttackEntry, ...] = field((), description="columns")
    metric: tuple[MetricEntry, ...] = field((), description="measurements beside the attacks")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.defense:
            raise ValueError("defense is empty: rows, or 'all'")
        if self.attacks and not any(self.threats.values()):
            raise ValueError(f"attacks = {self.attacks!r} needs threats = {{ linf = ['8/255'] }}: norms and radii")
        if self.threats and not self.attacks:
            raise ValueError("threats are the radii of a set of attacks: attacks = 'standard'")
        names = [source.name for source in self.model]
        if repeated := {name for name in (*names, *self.classifiers) if [*names, *self.classifiers].count(name) > 1}:
            raise ValueError(f"two models are called {sorted(repeated)[0]!r}, so their results could not be told apart")
        return self

    @property
    def trained(self) -> tuple[str, ...]:
        """The classifiers that are trained here."""
        return self.classifiers or (() if self.model else ("small-cnn",))


def packaged(name: str = "digits") -> str:
    """TOML text of a matrix that comes with frontdef."""
    return resources.files("frontdef.matrix").joinpath(f"{name}.toml").read_text(encoding="utf-8")


def parse_matrix(text: str, source: str = "matrix") -> Matrix:
    """Read a matrix from TOML text.

    Raises:
        ConfigError: Not TOML, unknown keys (the nearest is named), or values that are not allowed.
    """
    return build(Matrix, parse_toml(text, source), source)


def load_matrix(path: str | Path | None) -> Matrix:
    """Read a matrix file; None gives the packaged ``digits`` matrix.

    Raises:
        ConfigError: No such file, or what `parse_matrix` refuses.
    """
    if path is None:
        return parse_matrix(packaged(), "the packaged digits matrix")
    text = read_toml(Path(path), "`frontdef run` without a file runs digits")
    matrix = parse_matrix(text, str(path))
    return matrix if matrix.base else matrix.model_copy(update={"base": str(Path(path).resolve().parent)})
