"""From a matrix to jobs: cells, certificates, diagnoses, metrics and pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from frontdef.attacks.library import AttackLibrary
from frontdef.attacks.spec import AttackSpec, Family, make_spec
from frontdef.bpda import select
from frontdef.config import build
from frontdef.errors import ConfigError, UnknownNameError, shortened
from frontdef.matrix.attack import Cell, Source
from frontdef.matrix.certify import Certify
from frontdef.matrix.decide import sized
from frontdef.matrix.diagnose import Diagnose
from frontdef.matrix.entries import AttackEntry, Matrix, MetricEntry
from frontdef.matrix.measure import Measure
from frontdef.matrix.picture import IMAGES, Picture
from frontdef.matrix.row import Row
from frontdef.matrix.rows import Lineup, line_up, offered, request_for
from frontdef.matrix.sets import get_attack_set
from frontdef.models.entry import ModelEntry
from frontdef.models.fingerprint import digest
from frontdef.models.own import OwnRequest
from frontdef.protected import Average
from frontdef.registry import (
    get_attack_libraries,
    get_attacks,
    get_defense,
    get_family,
    get_metric,
    require_plugins,
)
from frontdef.runs.job import Job
from frontdef.runs.plan import Held, Plan, Samples
from frontdef.threat import Norm, ThreatModel, check_norm, parse_eps

UNBOUNDED: dict[str, float] = {"linf": 1.0, "l2": 1e6, "l1": 1e6, "l0": 1e6}
"""The radius that minimum-norm attacks are given: none of interest, so that their cells do not depend on ε."""

EVERY = "all"
"""Of libraries and families: all that are installed."""


def make_plan(matrix: Matrix, *, device: str = "cpu") -> Plan:
    """Expand a matrix into jobs: cells, certificates, diagnoses, metrics and pictures.

    Raises:
        UnknownNameError: A data set, classifier, defense, attack family, set or library that nobody offers.
        ConfigError: ε out of range, parameters or configuration that are not allowed, missing required plugins,
            a minimum-norm attack in a norm without any ε, two rows of one title.
        ModelError: A model that can't be built.
    """
    require_plugins(matrix.required_plugins)
    samples = {dataset: Samples(dataset, matrix.samples, matrix.seed) for dataset in matrix.datasets}
    attacks_of(matrix)  # mistakes in the columns are told before any model is built
    return expand(matrix, line_up(matrix, device), samples, device)


def remake(document: Mapping[str, Any], device: str) -> Plan:
    """The plan of a matrix that was validated before, as `frontdef.runs.kind.Kind.remake` makes it."""
    return make_plan(Matrix.model_validate(document), device=device)


def expand(matrix: Matrix, lineup: Lineup, samples: Mapping[str, Samples | Held], device: str) -> Plan:
    """The jobs of rows that are known.

    Args:
        matrix: The columns, and how much of everything.
        lineup: The rows.
        samples: Id of a data set → its test samples.
        device: ``cpu`` or ``cuda``.

    Raises:
        UnknownNameError: An attack family, set, library or metric that nobody offers.
        ConfigError: ε out of range, parameters that are not allowed.
    """
    columns, radii = attacks_of(matrix)
    _check_surrogates(lineup.rows, matrix.attack)
    libraries = get_attack_libraries()
    chosen = _libraries(matrix.libraries, libraries)
    skipped = dict(lineup.skipped)
    metrics = tuple(offered(matrix.metric, get_metric, "metric", skipped))
    jobs: list[Job] = []
    for row in lineup.rows:
        jobs.append(Picture(row, min(matrix.samples, IMAGES), matrix.seed))
        jobs += _certificates(matrix, row, radii)
        jobs += _diagnoses(matrix, row, radii)
        jobs += _measurements(matrix, metrics, row)
        jobs += _attacks(matrix, row, columns, chosen, libraries, radii, device, skipped)
    distinct, twins = _distinct(jobs)
    return Plan(
        kind="matrix",
        name=matrix.name,
        document=matrix.model_dump(mode="json"),
        jobs=distinct,
        samples=samples,
        device=device,
        radii=radii,
        skipped=tuple(skipped),
        brought=tuple(lineup.brought),
        twins=twins,
    )


def _distinct(jobs: Iterable[Job]) -> tuple[tuple[Job, ...], tuple[Job, ...]]:
    """Each job once, and those of another row that come to the same: two rows that differ in their surrogate alone.

    Raises:
        ConfigError: A cell of two rows: they are one model.
    """
    kept: dict[str, Job] = {}
    twins: list[Job] = []
    for job in jobs:
        twin = kept.setdefault(job.key, job)
        if twin is job or twin.describe() == job.describe():
            continue
        if isinstance(twin, Cell) and isinstance(job, Cell):
            titles = [f"{cell.row.classifier} {cell.row.entry.title}" for cell in (twin, job)]
            raise ConfigError(
                f"{titles[0]!r} and {titles[1]!r} are one model under two names, with the same code, weights and "
                "configuration, so a comparison of them would compare nothing: leave one out, or look whether the "
                "right weights are named"
            )
        twins.append(job)
    return tuple(kept.values()), tuple(twins)


def attacks_of(matrix: Matrix) -> tuple[list[tuple[AttackEntry, AttackSpec]], dict[str, tuple[float, ...]]]:
    """The columns of a matrix with their attacks, and norm → the radii that it names, ascending.

    Raises:
        UnknownNameError: An attack family or a set that nobody offers.
        ConfigError: ε out of range, parameters that are not allowed, a minimum-norm attack in a norm without any ε.
    """
    entries = [entry for written in matrix.attack for entry in _families(written)]
    if matrix.attacks:
        entries += get_attack_set(matrix.attacks).entries(matrix.threats)
    radii: dict[str, set[float]] = {}
    for entry in entries:
        radii.setdefault(check_norm(entry.norm), set()).update(parse_eps(eps) for eps in entry.eps)
    ascending = {norm: tuple(sorted(values)) for norm, values in radii.items()}
    return [(entry, spec) for entry in entries for spec in _specs(entry, ascending, matrix.seed)], ascending


def _families(entry: AttackEntry) -> Iterator[AttackEntry]:
    """The entry, or one for every family in its norm."""
    if entry.family != EVERY:
        yield entry
        return
    for family in dict.fromkeys(attack.family.name for attack in get_attacks(norm=entry.norm)):
        yield entry.model_copy(update={"family": family})


def _libraries(names: Sequence[str], libraries: Mapping[str, AttackLibrary]) -> tuple[str, ...]:
    if not names or tuple(names) == (EVERY,):
        return tuple(libraries)
    for name in names:
        if name not in libraries:
            raise UnknownNameError("attack library", name, libraries, "`frontdef ls attacks` lists what each offers.")
    return tuple(names)


def _attacks(
    matrix: Matrix,
    row: Row,
    columns: Iterable[tuple[AttackEntry, AttackSpec]],
    chosen: Sequence[str],
    libraries: Mapping[str, AttackLibrary],
    radii: Mapping[str, Sequence[float]],
    device: str,
    skipped: dict[str, None],
) -> Iterator[Cell]:
    for entry, spec in columns:
        source = None
        if entry.source is not None:
            source = _source(matrix, row, entry.source)
        able = []
        for library in _libraries(entry.libraries, libraries) if entry.libraries else chosen:
            if library not in chosen:
                continue
            reason = _why_not(spec, libraries[library])
            if reason:
                skipped[f"{spec.family.name} {spec.threat.norm} in {library}: {reason}"] = None
                continue
            able.append(library)
        most = min(entry.samples or matrix.samples, matrix.samples)
        for library, average in product(able, _averages(matrix, row, spec, source)):
            for surrogate in _surrogates(row, entry, spec):
                cell = Cell(
                    row=row,
                    surrogate=surrogate,
                    spec=spec if average == spec.average else replace(spec, average=average),
                    library=library,
                    samples=most,
                    sample_seed=matrix.seed,
                    batch_size=matrix.batch_size,
                    eot_draws=matrix.eot_draws,
                    verify_draws=matrix.verify_draws,
                    device=device,
                    judged_eps=radii[spec.threat.norm][-1] if spec.family.minimum_norm else spec.threat.eps,
                    source=source,
                )
                yield sized(cell, matrix) if len(able) > 1 else cell


def _averages(matrix: Matrix, row: Row, spec: AttackSpec, source: Source | None) -> tuple[Average | None, ...]:
    """What an attack averages over the draws of the model that it gets; nothing where that does not draw."""
    victim = source.entry.name if source else row.entry.name
    if not get_defense(victim).randomized:
        return (None,)
    follows = spec.family.follows in {"white box", "one step"} and not spec.family.averages
    return matrix.eot_average if follows else matrix.eot_average[:1]


def _source(matrix: Matrix, row: Row, entry: ModelEntry) -> Source:
    """The model that is attacked instead; it is trained here.

    Raises:
        ConfigError: Before a user's model, and nothing says what stands behind it.
    """
    if isinstance(row.request, OwnRequest) and not entry.own_classifier:
        raise ConfigError(
            f"source {entry.title!r} is trained here, and nothing says as what: give it a classifier, "
            f'source = {{ name = {entry.name!r}, classifier = "small-cnn" }}'
        )
    return Source(entry, request_for(matrix, row.dataset, row.classifier, entry))


def _certificates(matrix: Matrix, row: Row, radii: Mapping[str, Sequence[float]]) -> Iterator[Certify]:
    if get_defense(row.entry.name).certified:
        for norm, values in radii.items():
            for eps in values:
                yield Certify(row, matrix.samples, matrix.seed, threat=ThreatModel(check_norm(norm), eps))


def _diagnoses(matrix: Matrix, row: Row, radii: Mapping[str, Sequence[float]]) -> Iterator[Diagnose]:
    first = min(matrix.diagnose_samples, matrix.samples)
    most = min(max(matrix.diagnose_most, first), matrix.samples)
    for norm in matrix.diagnose:
        if radii.get(norm) and row.entry.diagnose:
            threat = ThreatModel(norm, radii[norm][-1])
            yield Diagnose(row, most, matrix.seed, threat=threat, budget=matrix.diagnose_budget, first=first)


def _measurements(matrix: Matrix, metrics: Iterable[MetricEntry], row: Row) -> Iterator[Measure]:
    for entry in metrics:
        metric = get_metric(entry.name)
        if entry.defenses and row.entry.name not in entry.defenses:
            continue
        parameters = build(metric.parameters_class(), entry.parameters, f"metric {entry.name!r}")
        samples = min(entry.samples or matrix.samples, matrix.samples)
        yield Measure(row, samples, matrix.seed, metric=metric, parameters=parameters)


def _specs(entry: AttackEntry, radii: Mapping[str, Sequence[float]], seed: int) -> Iterable[AttackSpec]:
    family: Family = get_family(entry.family)
    norm: Norm = check_norm(entry.norm)
    if family.minimum_norm:
        if not radii.get(norm):
            raise ConfigError(
                f"attack {entry.family!r} finds minimal perturbations, and the matrix names no ε in {norm} to judge "
                "them at: give it eps = […]"
            )
        yield _spec(entry, family, norm, UNBOUNDED[norm], seed)
        return
    if not entry.eps:
        raise ConfigError(f"attack {entry.family!r} in {norm} needs eps, one or more radii")
    for eps in entry.eps:
        yield _spec(entry, family, norm, parse_eps(eps), seed)


def _spec(entry: AttackEntry, family: Family, norm: Norm, eps: float, seed: int) -> AttackSpec:
    """The spec with a seed of its own: the same for every library, defense and precision, so that outcomes pair."""
    spec = make_spec(family, norm, eps, entry.parameters, defaults=entry.defaults)
    own = digest([seed, spec.family.name, spec.threat.norm, spec.threat.eps, spec.settings()])
    return replace(spec, seed=int(own[:8], 16) % 2**31, precise=entry.precise)


def _why_not(spec: AttackSpec, library: AttackLibrary) -> str:
    try:
        realization = library.offers(spec.family.name, spec.threat.norm)
        return "not offered" if realization is None else str(realization.refusal(spec))
    except Exception as error:  # a plugin's own code: what it breaks is its own
        return f"it raises {type(error).__name__} when it is asked what it offers: {shortened(str(error))}"


def _surrogates(row: Row, attack: AttackEntry, spec: AttackSpec) -> tuple[str | None, ...]:
    entry = row.entry
    if attack.source is not None:
        return (attack.source.surrogate,)
    if attack.surrogates is not None and spec.family.gradient:
        return tuple(name for name in attack.surrogates if _name(name) in _offered(row)) or (entry.surrogate,)
    if not entry.surrogates or not spec.family.gradient:
        return (entry.surrogate,)
    if entry.surrogate:
        raise ConfigError(
            f"defense {entry.title!r} names surrogate = {entry.surrogate!r} and surrogates = {list(entry.surrogates)}: "
            "give one of the two"
        )
    available = get_defense(entry.name).front_end_class().surrogates
    if entry.surrogates == (EVERY,):
        return tuple(surrogate.name for surrogate in available)
    for name in entry.surrogates:
        select(available, name)
    return entry.surrogates


def _offered(row: Row) -> tuple[str, ...]:
    return tuple(surrogate.name for surrogate in get_defense(row.entry.name).front_end_class().surrogates)


def _name(surrogate: str) -> str:
    """Without its steepness."""
    return surrogate.partition(":")[0]


def _check_surrogates(rows: Sequence[Row], attacks: Iterable[AttackEntry]) -> None:
    """A surrogate of a column that no row offers is misspelt.

    Raises:
        UnknownNameError: There is one.
    """
    known = list(dict.fromkeys(name for row in rows for name in _offered(row)))
    for name in (name for attack in attacks for name in attack.surrogates or ()):
        if _name(name) not in known:
            raise UnknownNameError("surrogate", name, known, "An attack names those that a row's front end offers.")
