"""From a matrix to what will be run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, TypeVar

from frontdef.attacks.library import AttackLibrary
from frontdef.attacks.spec import AttackSpec, Family, make_spec
from frontdef.bpda import select
from frontdef.config import build
from frontdef.defense import Defense
from frontdef.errors import ConfigError, UnknownNameError
from frontdef.matrix.attack import Attack, Source
from frontdef.matrix.certify import Certify
from frontdef.matrix.diagnose import Diagnose
from frontdef.matrix.entries import AttackEntry, DefenseEntry, Matrix, MetricEntry
from frontdef.matrix.measure import Measure
from frontdef.matrix.picture import Picture
from frontdef.matrix.row import Row
from frontdef.models.entry import ModelEntry, request_of
from frontdef.models.fingerprint import digest
from frontdef.models.request import ModelRequest
from frontdef.registry import (
    get_attack_libraries,
    get_defense,
    get_family,
    get_metric,
    require_plugins,
)
from frontdef.runs.job import Job
from frontdef.runs.plan import Plan, Samples
from frontdef.threat import Norm, ThreatModel, check_norm, format_eps, parse_eps

Entry = TypeVar("Entry", DefenseEntry, MetricEntry)

UNBOUNDED: dict[str, float] = {"linf": 1.0, "l2": 1e6, "l1": 1e6, "l0": 1e6}
"""The radius that minimum-norm attacks are given: none of interest, so that their cells do not depend on ε."""


def radii_of(matrix: Matrix) -> dict[str, tuple[float, ...]]:
    """Norm → the radii that the matrix names, ascending."""
    found: dict[str, set[float]] = {}
    for entry in matrix.attack:
        found.setdefault(check_norm(entry.norm), set()).update(parse_eps(eps) for eps in entry.eps)
    return {norm: tuple(sorted(values)) for norm, values in found.items()}


def make_plan(matrix: Matrix, *, device: str = "cpu") -> Plan:
    """Expand a matrix into jobs: cells, certificates, diagnoses, metrics and pictures.

    Raises:
        UnknownNameError: A data set, classifier, defense, attack family or library that nobody offers.
        ConfigError: ε out of range, parameters or configuration that are not allowed, missing required plugins,
            a minimum-norm attack in a norm without any ε, two rows of one title.
    """
    require_plugins(matrix.required_plugins)
    libraries = get_attack_libraries()
    chosen = tuple(_known_library(name, libraries) for name in matrix.libraries) or tuple(libraries)
    radii = radii_of(matrix)
    specs = [(entry, spec) for entry in matrix.attack for spec in _specs(entry, radii, matrix.seed)]
    skipped: dict[str, None] = {}
    entries = tuple(_offered(matrix.defense, get_defense, "defense", skipped))
    metrics = tuple(_offered(matrix.metric, get_metric, "metric", skipped))
    _check_titles(entries)
    jobs: list[Job] = []
    for dataset, classifier, entry in product(matrix.datasets, matrix.classifiers, entries):
        if entry.own_classifier and classifier != matrix.classifiers[0]:
            continue
        row = Row(_request(matrix, dataset, classifier, entry), entry, classifier)
        jobs.append(Picture(row, matrix.samples, matrix.seed))
        jobs += _certificates(matrix, row, radii)
        jobs += _diagnoses(matrix, row, radii)
        jobs += _measurements(matrix, metrics, row)
        jobs += _attacks(matrix, row, specs, chosen, libraries, radii, device, skipped)
    return Plan(
        kind="matrix",
        name=matrix.name,
        document=matrix.model_dump(mode="json"),
        jobs=tuple({job.key: job for job in jobs}.values()),
        samples={dataset: Samples(dataset, matrix.samples, matrix.seed) for dataset in matrix.datasets},
        device=device,
        radii=radii,
        skipped=tuple(skipped),
    )


def _check_titles(entries: Iterable[DefenseEntry]) -> None:
    """Rows are told apart by their titles, so two of one title would be taken for one model."""
    titles = Counter(entry.title for entry in entries)
    for title, count in titles.items():
        if count > 1:
            raise ConfigError(
                f"{count} rows of the matrix have the title {title!r}, so their results could not be told apart: give "
                'each [[defense]] a label = "…" of its own'
            )


def _attacks(
    matrix: Matrix,
    row: Row,
    specs: Iterable[tuple[AttackEntry, AttackSpec]],
    chosen: Sequence[str],
    libraries: Mapping[str, AttackLibrary],
    radii: Mapping[str, Sequence[float]],
    device: str,
    skipped: dict[str, None],
) -> Iterator[Attack]:
    for entry, spec in specs:
        source = None
        if entry.source is not None:
            source = Source(entry.source, _request(matrix, row.dataset, row.classifier, entry.source))
        for library in tuple(_known_library(name, libraries) for name in entry.libraries) or chosen:
            if library not in chosen:
                continue
            reason = _why_not(spec, libraries[library])
            if reason:
                skipped[f"{spec.family.name} {spec.threat.norm} in {library}: {reason}"] = None
                continue
            for surrogate in _surrogates(row.entry, get_defense(row.entry.name), entry, spec):
                yield Attack(
                    row=row,
                    surrogate=surrogate,
                    spec=spec,
                    library=library,
                    samples=min(entry.samples or matrix.samples, matrix.samples),
                    sample_seed=matrix.seed,
                    batch_size=matrix.batch_size,
                    eot_draws=matrix.eot_draws,
                    verify_draws=matrix.verify_draws,
                    device=device,
                    judged_eps=radii[spec.threat.norm][-1] if spec.family.minimum_norm else spec.threat.eps,
                    source=source,
                )


def _certificates(matrix: Matrix, row: Row, radii: Mapping[str, Sequence[float]]) -> Iterator[Certify]:
    if get_defense(row.entry.name).certified:
        for norm, values in radii.items():
            for eps in values:
                yield Certify(row, ThreatModel(check_norm(norm), eps), matrix.samples, matrix.seed)


def _diagnoses(matrix: Matrix, row: Row, radii: Mapping[str, Sequence[float]]) -> Iterator[Diagnose]:
    samples = min(matrix.diagnose_samples, matrix.samples)
    for norm in matrix.diagnose:
        if radii.get(norm) and row.entry.diagnose:
            yield Diagnose(row, ThreatModel(norm, radii[norm][-1]), samples, matrix.seed)


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


def _measurements(matrix: Matrix, metrics: Iterable[MetricEntry], row: Row) -> Iterator[Measure]:
    for entry in metrics:
        metric = get_metric(entry.name)
        if entry.defenses and row.entry.name not in entry.defenses:
            continue
        parameters = build(metric.parameters_class(), entry.parameters, f"metric {entry.name!r}")
        samples = min(entry.samples or matrix.samples, matrix.samples)
        yield Measure(row, metric, parameters, samples, matrix.seed)


def _known_library(name: str, libraries: Mapping[str, AttackLibrary]) -> str:
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


def _why_not(spec: AttackSpec, library: AttackLibrary) -> str:
    realization = library.offers(spec.family.name, spec.threat.norm)
    return "not offered" if realization is None else str(realization.refusal(spec))


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


def _request(matrix: Matrix, dataset: str, classifier: str, entry: ModelEntry) -> ModelRequest:
    return request_of(
        entry,
        dataset=dataset,
        classifier=classifier,
        recipe=matrix.recipe,
        train_samples=matrix.train_samples,
        seed=matrix.seed,
    )


def describe_radii(radii: Mapping[str, Sequence[float]]) -> str:
    """The radii in words, for ``frontdef plan``."""
    return "; ".join(
        f"{norm}: {', '.join(format_eps(eps) for eps in values)}" for norm, values in radii.items() if values
    )
