"""From a matrix to what will be run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, TypeVar

from frontdef.attacks.spec import AttackSpec, Family, make_spec
from frontdef.bpda import select
from frontdef.config import build
from frontdef.defense import Defense
from frontdef.errors import ConfigError, UnknownNameError
from frontdef.matrix.entries import AttackEntry, DefenseEntry, Matrix, MetricEntry, ModelEntry
from frontdef.matrix.jobs import Cell, Certification, Diagnosing, Measuring, digest
from frontdef.models.recipes import recipe_of
from frontdef.models.request import ModelRequest
from frontdef.registry import (
    get_attack_libraries,
    get_classifier,
    get_dataset,
    get_defense,
    get_family,
    get_metric,
    require_plugins,
)
from frontdef.threat import Norm, ThreatModel, check_norm, format_eps, parse_eps

Entry = TypeVar("Entry", DefenseEntry, MetricEntry)

UNBOUNDED: dict[str, float] = {"linf": 1.0, "l2": 1e6, "l1": 1e6, "l0": 1e6}
"""The radius that minimum-norm attacks are given: none of interest, so that their cells do not depend on ε."""


@dataclass(frozen=True)
class Plan:
    """All that a matrix asks for, in the order in which it is run: cells of one model stand together."""

    matrix: Matrix
    cells: tuple[Cell, ...]
    certifications: tuple[Certification, ...]
    diagnoses: tuple[Diagnosing, ...]
    measurements: tuple[Measuring, ...]
    radii: Mapping[str, tuple[float, ...]]
    """Norm → the radii of the matrix, at which minimum-norm attacks are judged."""

    skipped: tuple[str, ...]
    """What no cell was made for, and why, one line each."""

    @property
    def requests(self) -> tuple[ModelRequest, ...]:
        """The models that are attacked or measured, each once."""
        requests = [cell.request for cell in self.cells] + [job.request for job in self.measurements]
        return tuple({request.key(): request for request in requests}.values())


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
    measurements: list[Measuring] = []
    skipped: dict[str, None] = {}
    rows = tuple(_offered(matrix.defense, get_defense, "defense", skipped))
    metrics = tuple(_offered(matrix.metric, get_metric, "metric", skipped))
    for dataset, table, entry in product(matrix.datasets, matrix.classifiers, rows):
        defense = get_defense(entry.name)
        if _own_classifier(entry) and table != matrix.classifiers[0]:
            continue
        request = _request(matrix, dataset, table, entry)
        for attack, spec in specs:
            source = attack.source
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
                        request, entry, table, surrogate, spec, library, samples, matrix.seed, matrix.batch_size,
                        matrix.eot_draws, matrix.verify_draws, device, source,
                        None if source is None else _request(matrix, dataset, table, source),
                    )
                    for surrogate in _surrogates(entry, defense, attack, spec)
                ]  # fmt: skip
        diagnoses += [
            Diagnosing(
                request,
                entry,
                table,
                ThreatModel(norm, radii[norm][-1]),
                min(matrix.diagnose_samples, matrix.samples),
                matrix.seed,
            )
            for norm in matrix.diagnose
            if radii.get(norm) and entry.diagnose
        ]
        measurements += _measurements(matrix, metrics, request, entry, table)
        if defense.certified:
            certifications += [
                Certification(request, entry, table, ThreatModel(check_norm(norm), eps), matrix.samples, matrix.seed)
                for norm in radii
                for eps in radii[norm]
            ]
    return Plan(
        matrix,
        tuple({cell.key: cell for cell in cells}.values()),
        tuple({job.key: job for job in certifications}.values()),
        tuple({job.key: job for job in diagnoses}.values()),
        tuple({job.key: job for job in measurements}.values()),
        radii,
        tuple(skipped),
    )


def _offered(
    entries: Iterable[Entry], find: Callable[[str], Any], kind: str, skipped: dict[str, None]
) -> Iterator[Entry]:
    """The entries that the installed plugins can serve; an optional one that they can't is noted and left out."""
    for entry in entries:
        try:
            find(entry.name)
        except UnknownNameError:
            if not entry.optional:
                raise
            skipped[f"{kind} {entry.name}: no installed plugin offers it; `frontdef plugins` lists them"] = None
        else:
            yield entry


def _measurements(
    matrix: Matrix, metrics: Iterable[MetricEntry], request: ModelRequest, entry: DefenseEntry, table: str
) -> Iterator[Measuring]:
    for wanted in metrics:
        metric = get_metric(wanted.name)
        if wanted.defenses and entry.name not in wanted.defenses:
            continue
        parameters = build(metric.parameters_class(), wanted.parameters, f"metric {wanted.name!r}")
        samples = min(wanted.samples or matrix.samples, matrix.samples)
        yield Measuring(request, entry, table, metric, parameters, samples, matrix.seed)


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


def _surrogates(entry: DefenseEntry, defense: Defense, attack: AttackEntry, spec: AttackSpec) -> tuple[str | None, ...]:
    if attack.source is not None:
        return (attack.source.surrogate,)
    if not entry.surrogates or not spec.family.gradient:
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


def _own_classifier(entry: ModelEntry) -> str:
    """The classifier that a row or its defense names; empty where the matrix's stand behind it."""
    return entry.classifier or get_defense(entry.name).classifier


def _request(matrix: Matrix, dataset: str, table: str, entry: ModelEntry) -> ModelRequest:
    defense, classifier = get_defense(entry.name), _own_classifier(entry) or table
    get_dataset(dataset)
    get_classifier(classifier)
    config = defense.configure(entry.config).model_dump(mode="json")
    recipe = entry.recipe or recipe_of(defense, config, dataset, classifier, matrix.recipe)
    return ModelRequest(dataset, classifier, entry.name, config, recipe, matrix.train_samples, matrix.seed)


def describe_radii(radii: Mapping[str, Sequence[float]]) -> str:
    """The radii in words, for ``frontdef plan``."""
    return "; ".join(
        f"{norm}: {', '.join(format_eps(eps) for eps in values)}" for norm, values in radii.items() if values
    )
