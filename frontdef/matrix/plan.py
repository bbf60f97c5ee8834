"""From a matrix file to cells: what will be run, and the key by which each result is known."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import resources
from itertools import product
from pathlib import Path
from typing import Any

from frontdef._version import __version__
from frontdef.attacks.spec import AttackSpec, Family, make_spec
from frontdef.bpda import select
from frontdef.config import Config, build, field
from frontdef.defense import Defense
from frontdef.errors import ConfigError, UnknownNameError
from frontdef.matrix.models import ModelRequest
from frontdef.matrix.recipes import recipe_of
from frontdef.registry import (
    get_attack_libraries,
    get_classifier,
    get_dataset,
    get_defense,
    get_family,
    require_plugins,
)
from frontdef.stage import Stage
from frontdef.threat import Norm, ThreatModel, check_norm, format_eps, parse_eps

UNBOUNDED: dict[str, float] = {"linf": 1.0, "l2": 1e6, "l1": 1e6, "l0": 1e6}
"""The radius that minimum-norm attacks are given: none of interest, so that their cells do not depend on ε."""


class DefenseEntry(Config):
    """A row of the matrix: a defense with its configuration."""

    name: str = field(description="id of the defense")
    config: dict[str, Any] = field(default_factory=dict, description="its configuration")
    surrogate: str | None = field(
        None, description="surrogate gradient that the attacks use; the defense's default if absent"
    )
    surrogates: tuple[str, ...] = field(
        (),
        description="surrogate gradients that every gradient attack is run with, each a cell of its own, the strongest "
        "counts per sample; ['all'] for all that the front end offers",
    )
    classifier: str = field(
        "", description="classifier behind it; the defense's own if absent, or else each of the matrix's"
    )
    recipe: tuple[Stage, ...] = field((), description="training stages; the matrix's or the defense's own if absent")
    label: str = field("", description="name in tables; made from name and configuration if absent")

    @property
    def title(self) -> str:
        """The name in tables."""
        return self.label or " ".join([self.name, *(f"{key}={value}" for key, value in self.config.items())])


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
    samples: int | None = field(
        None, ge=1, description="test images, the first of the matrix's samples; all of these if absent"
    )
    libraries: tuple[str, ...] = field((), description="libraries that run it; all that offer it if absent")


class Matrix(Config):
    """What to compare: every combination of the entries is one cell, where the library offers it."""

    name: str = field("matrix", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="name of the run folder")
    seed: int = field(0, ge=0, lt=2**31, description="every cell derives its own from it")
    samples: int = field(200, ge=1, description="test images, the same ones in every cell")
    train_samples: int | None = field(None, ge=1, description="training images; all if absent")
    datasets: tuple[str, ...] = field(("digits",), min_length=1, description="data sets")
    classifiers: tuple[str, ...] = field(("small-cnn",), min_length=1, description="classifiers behind the front ends")
    libraries: tuple[str, ...] = field((), description="attack libraries; all installed if absent")
    batch_size: int = field(256, ge=1, description="images an attack call gets at once")
    eot_draws: int = field(
        10, ge=1, description="draws over which attacks on randomized front ends average their logits"
    )
    verify_draws: int = field(10, ge=1, description="fresh draws over which randomized front ends are judged")
    diagnose: tuple[Norm, ...] = field(
        (), description="norms in which each model's gradient is diagnosed, at the matrix's largest ε in that norm"
    )
    diagnose_samples: int = field(64, ge=10, description="test images for a diagnosis, the first of the samples")
    required_plugins: tuple[str, ...] = field(
        (), description="distributions that must be installed, as 'frontdef-wavelet>=0.1'"
    )
    recipe: tuple[Stage, ...] = field(
        (), description="training stages for every model; each defense's or classifier's own if absent"
    )
    defense: tuple[DefenseEntry, ...] = field((DefenseEntry(name="none"),), min_length=1, description="rows")
    attack: tuple[AttackEntry, ...] = field((), description="columns")


def packaged(name: str = "digits") -> str:
    """TOML text of a matrix that comes with frontdef."""
    return resources.files("frontdef.matrix").joinpath(f"{name}.toml").read_text(encoding="utf-8")


def parse_matrix(text: str, source: str = "matrix") -> Matrix:
    """Read a matrix from TOML text.

    Raises:
        ConfigError: Not TOML, unknown keys (the nearest is named), or values that are not allowed.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source} is not valid TOML: {error}") from None
    return build(Matrix, values, source)


def load_matrix(path: str | Path | None) -> Matrix:
    """Read a matrix file; None gives the packaged ``digits`` matrix.

    Raises:
        ConfigError: No such file, or what `parse_matrix` refuses.
    """
    if path is None:
        return parse_matrix(packaged(), "the packaged digits matrix")
    try:
        return parse_matrix(Path(path).read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise ConfigError(
            f"cannot read the matrix {path}: {error.strerror}. `frontdef run` without a file runs digits"
        ) from None


@dataclass(frozen=True)
class Cell:
    """One result: a pure function of what its key hashes.

    Args:
        request: The model: data set, classifier, defense, recipe, seed.
        entry: The defense's row.
        surrogate: Surrogate gradient of the attack; None for the front end's default.
        spec: The attack, with the cell's own seed.
        library: Id of the attack library.
        samples: Number of test images.
        sample_seed: Decides which.
        batch_size: Images an attack call gets at once.
        eot_draws: Draws an attack on a randomized front end averages.
        verify_draws: Fresh draws that judge a randomized front end.
        device: Type of device.
    """

    request: ModelRequest
    entry: DefenseEntry
    surrogate: str | None
    spec: AttackSpec
    library: str
    samples: int
    sample_seed: int
    batch_size: int
    eot_draws: int
    verify_draws: int
    device: str

    @cached_property
    def key(self) -> str:
        """Hash of all that decides the result."""
        return digest(self.describe())

    def describe(self) -> dict[str, Any]:
        """All that decides the result, as JSON values."""
        spec, randomized = self.spec, get_defense(self.entry.name).randomized
        return {
            "model": self.request.key(),
            "surrogate": self.surrogate,
            "family": spec.family.name,
            "norm": spec.threat.norm,
            "eps": spec.threat.eps,
            "parameters": spec.settings(),
            "seed": spec.seed,
            "library": self.library,
            "library_version": get_attack_libraries()[self.library].version(),
            "samples": self.samples,
            "sample_seed": self.sample_seed,
            "batch_size": self.batch_size,
            "draws": [self.eot_draws, self.verify_draws] if randomized else None,
            "device": self.device,
            "torch": importlib.metadata.version("torch"),
            "frontdef": __version__,
        }

    @property
    def eps(self) -> float | None:
        """The radius; None for a minimum-norm attack."""
        return None if self.spec.family.minimum_norm else self.spec.threat.eps

    def __str__(self) -> str:
        defense = f"{self.entry.title} through {self.surrogate}" if self.surrogate else self.entry.title
        return f"{self.request.dataset} {self.request.classifier} {defense} · {self.spec} · {self.library}"


@dataclass(frozen=True)
class Certification:
    """One certificate to compute: a model and a threat model."""

    request: ModelRequest
    entry: DefenseEntry
    threat: ThreatModel
    samples: int
    sample_seed: int

    @cached_property
    def key(self) -> str:
        """Hash of all that decides the result."""
        return digest(
            [self.request.key(), self.threat.norm, self.threat.eps, self.samples, self.sample_seed, __version__]
        )


@dataclass(frozen=True)
class Diagnosing:
    """One diagnosis to make: is the gradient of a model lying?"""

    request: ModelRequest
    entry: DefenseEntry
    threat: ThreatModel
    samples: int
    sample_seed: int

    @cached_property
    def key(self) -> str:
        """Hash of all that decides the result."""
        what = ["diagnosis", self.request.key(), self.entry.surrogate, self.threat.norm, self.threat.eps]
        return digest([*what, self.samples, self.sample_seed, __version__])


@dataclass(frozen=True)
class Plan:
    """All that a matrix asks for, in the order in which it is run: cells of one model stand together."""

    matrix: Matrix
    cells: tuple[Cell, ...]
    certifications: tuple[Certification, ...]
    diagnoses: tuple[Diagnosing, ...]
    radii: Mapping[str, tuple[float, ...]]
    """Norm → the radii of the matrix, at which minimum-norm attacks are judged."""

    skipped: tuple[str, ...]
    """What no cell was made for, and why, one line each."""

    @property
    def requests(self) -> tuple[ModelRequest, ...]:
        """The models, each once."""
        return tuple({cell.request.key(): cell.request for cell in self.cells}.values())


def digest(value: Any) -> str:
    """Hash of JSON values, the same on every machine."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def radii_of(matrix: Matrix) -> dict[str, tuple[float, ...]]:
    """Norm → the radii that the matrix names, ascending."""
    found: dict[str, set[float]] = {}
    for entry in matrix.attack:
        found.setdefault(check_norm(entry.norm), set()).update(parse_eps(eps) for eps in entry.eps)
    return {norm: tuple(sorted(values)) for norm, values in found.items()}


def make_plan(matrix: Matrix, *, device: str = "cpu") -> Plan:
    """Expand a matrix into cells.

    Raises:
        UnknownNameError: A data set, classifier, defense, attack family or library that nobody offers.
        ConfigError: ε out of range, parameters or configuration that are not allowed, missing required plugins,
            a minimum-norm attack in a norm without any ε.
    """
    require_plugins(matrix.required_plugins)
    libraries = get_attack_libraries()
    chosen = tuple(_known_library(name, libraries) for name in matrix.libraries) or tuple(libraries)
    radii = radii_of(matrix)
    specs = [(entry, spec) for entry in matrix.attack for spec in _specs(entry, radii, matrix.seed)]
    cells: list[Cell] = []
    certifications: list[Certification] = []
    diagnoses: list[Diagnosing] = []
    skipped: dict[str, None] = {}
    for dataset, classifier, entry in product(matrix.datasets, matrix.classifiers, matrix.defense):
        defense = get_defense(entry.name)
        request = _request(matrix, dataset, classifier, entry, defense)
        for attack, spec in specs:
            for library in tuple(_known_library(name, libraries) for name in attack.libraries) or chosen:
                if library not in chosen:
                    continue
                reason = _why_not(spec, libraries[library])
                if reason:
                    skipped[f"{spec.family.name} {spec.threat.norm} in {library}: {reason}"] = None
                    continue
                samples = min(attack.samples or matrix.samples, matrix.samples)
                cells += [
                    Cell(
                        request, entry, surrogate, spec, library, samples, matrix.seed, matrix.batch_size,
                        matrix.eot_draws, matrix.verify_draws, device,
                    )
                    for surrogate in (_surrogates(entry, defense) if spec.family.gradient else (entry.surrogate,))
                ]  # fmt: skip
        diagnoses += [
            Diagnosing(
                request,
                entry,
                ThreatModel(norm, radii[norm][-1]),
                min(matrix.diagnose_samples, matrix.samples),
                matrix.seed,
            )
            for norm in matrix.diagnose
            if radii.get(norm)
        ]
        if defense.certified:
            certifications += [
                Certification(request, entry, ThreatModel(check_norm(norm), eps), matrix.samples, matrix.seed)
                for norm in radii
                for eps in radii[norm]
            ]
    return Plan(
        matrix,
        tuple({cell.key: cell for cell in cells}.values()),
        tuple({job.key: job for job in certifications}.values()),
        tuple({job.key: job for job in diagnoses}.values()),
        radii,
        tuple(skipped),
    )


def _known_library(name: str, libraries: Mapping[str, Any]) -> str:
    if name not in libraries:
        raise UnknownNameError("attack library", name, libraries, "`frontdef ls attacks` lists what each offers.")
    return name


def _specs(entry: AttackEntry, radii: Mapping[str, Sequence[float]], seed: int) -> Iterable[AttackSpec]:
    family: Family = get_family(entry.family)
    norm: Norm = check_norm(entry.norm)
    if family.minimum_norm:
        if not radii.get(norm):
            raise ConfigError(
                f"attack {entry.family!r} finds minimal perturbations, and the matrix names no ε in {norm} to judge "
                "them at: give it eps = […]"
            )
        yield _seeded(make_spec(family, norm, UNBOUNDED[norm], entry.parameters, defaults=entry.defaults), seed)
        return
    if not entry.eps:
        raise ConfigError(f"attack {entry.family!r} in {norm} needs eps, one or more radii")
    for eps in entry.eps:
        yield _seeded(make_spec(family, norm, parse_eps(eps), entry.parameters, defaults=entry.defaults), seed)


def _seeded(spec: AttackSpec, seed: int) -> AttackSpec:
    """Give the spec its own seed: the same for every library and defense, so that their outcomes pair."""
    own = digest([seed, spec.family.name, spec.threat.norm, spec.threat.eps, spec.settings()])
    return replace(spec, seed=int(own[:8], 16) % 2**31)


def _why_not(spec: AttackSpec, library: Any) -> str:
    realisation = library.offers(spec.family.name, spec.threat.norm)
    return "not offered" if realisation is None else str(realisation.refusal(spec))


def _surrogates(entry: DefenseEntry, defense: Defense) -> tuple[str | None, ...]:
    if not entry.surrogates:
        return (entry.surrogate,)
    if entry.surrogate:
        raise ConfigError(
            f"defense {entry.title!r} names surrogate = {entry.surrogate!r} and surrogates = {list(entry.surrogates)}: "
            "give one of the two"
        )
    offered = defense.front_end_class().surrogates
    if entry.surrogates == ("all",):
        return tuple(surrogate.name for surrogate in offered)
    for name in entry.surrogates:
        select(offered, name)
    return entry.surrogates


def _request(matrix: Matrix, dataset: str, classifier: str, entry: DefenseEntry, defense: Defense) -> ModelRequest:
    get_dataset(dataset)
    get_classifier(classifier)
    config = defense.configure(entry.config).model_dump(mode="json")
    recipe = entry.recipe or matrix.recipe or recipe_of(defense, config, dataset, classifier)
    return ModelRequest(dataset, classifier, entry.name, config, recipe, matrix.train_samples, matrix.seed)


def describe_radii(radii: Mapping[str, Sequence[float]]) -> str:
    """The radii in words, for ``frontdef plan``."""
    return "; ".join(
        f"{norm}: {', '.join(format_eps(eps) for eps in values)}" for norm, values in radii.items() if values
    )
