"""From a matrix to jobs: cells, certificates, diagnoses, metrics and pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from frontdef.attacks.spec import AttackSpec, Family, make_spec
from frontdef.config import build
from frontdef.errors import ConfigError, shortened
from frontdef.lazy import resolve
from frontdef.matrix.cells import check_surrogates, libraries_of
from frontdef.matrix.entries import EVERY, AttackEntry, Matrix
from frontdef.matrix.row import Asked, RowJob
from frontdef.matrix.rows import Lineup, line_up
from frontdef.matrix.sets import get_attack_set
from frontdef.matrix.tables import FIGURES, KINDS
from frontdef.models.fingerprint import digest
from frontdef.registry import get_attacks, get_family, require_plugins
from frontdef.runs.plan import Held, Plan, Samples
from frontdef.threat import Norm, check_norm, parse_eps

UNBOUNDED: dict[str, float] = {"linf": 1.0, "l2": 1e6, "l1": 1e6, "l0": 1e6}
"""The radius that minimum-norm attacks are given: none of interest, so that their cells do not depend on ε."""


NOTHING = 'an attack: the matrix names none; add attacks = "standard" and threats.linf = ["0.1"], or an [[attack]]'
"""What there is no job for in a matrix without any question, such as an empty file."""


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
    return make_plan(build(Matrix, document, "the matrix that the run names"), device=device)


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
    check_surrogates(lineup.rows, matrix.attack)
    asked = Asked(matrix, columns, libraries_of(matrix.libraries), radii, device, dict(lineup.skipped))
    distinct, twins = _distinct(job for row in lineup.rows for jobs in KINDS for job in resolve(jobs)(asked, row))
    if all(job.table.name == FIGURES.name for job in distinct):
        asked.skipped[NOTHING] = None
    return Plan(
        kind="matrix",
        name=matrix.name,
        document=matrix.model_dump(mode="json"),
        jobs=distinct,
        samples=samples,
        device=device,
        radii=radii,
        skipped=tuple(asked.skipped),
        brought=tuple(lineup.brought),
        twins=twins,
    )


def _distinct(jobs: Iterable[RowJob]) -> tuple[tuple[RowJob, ...], tuple[RowJob, ...]]:
    """Each job once, and those of another row that come to the same: two rows that differ in their surrogate alone.

    Raises:
        ConfigError: A job of two rows that these can't share: they are one model.
    """
    kept: dict[str, RowJob] = {}
    twins: list[RowJob] = []
    for job in jobs:
        twin = kept.setdefault(job.key, job)
        if twin is job or twin.describe() == job.describe():
            continue
        if not job.shared:
            titles = [f"{same.row.classifier} {same.row.entry.title}" for same in (twin, job)]
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
        entries += _set_of(matrix)
    radii: dict[str, set[float]] = {}
    for entry in entries:
        radii.setdefault(check_norm(entry.norm), set()).update(parse_eps(eps) for eps in entry.eps)
    ascending = {norm: tuple(sorted(values)) for norm, values in radii.items()}
    return [(entry, spec) for entry in entries for spec in _specs(entry, ascending, matrix.seed)], ascending


def _set_of(matrix: Matrix) -> tuple[AttackEntry, ...]:
    """The attacks of the set that a matrix names.

    Raises:
        UnknownNameError: No such set.
        ConfigError: A norm in which it has no attack.
    """
    entries = get_attack_set(matrix.attacks).entries(matrix.threats)
    for norm in matrix.threats:
        if norm not in {entry.norm for entry in entries}:
            families = ", ".join(dict.fromkeys(attack.family.name for attack in get_attacks(norm=norm)))
            raise ConfigError(
                f"no attack of the set {matrix.attacks!r} exists in {norm}, so nothing would be attacked. In {norm} "
                f"there are: {families or 'none'}; [[attack]] entries name them (in Python attacks = ['FAMILY'])"
            )
    return entries


def _families(entry: AttackEntry) -> Iterator[AttackEntry]:
    """The entry, or one for every family in its norm."""
    if entry.family != EVERY:
        yield entry
        return
    for family in dict.fromkeys(attack.family.name for attack in get_attacks(norm=entry.norm)):
        yield entry.model_copy(update={"family": family})


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


def _require_numbers(family: Family, parameters: Mapping[str, Any]) -> None:
    """A truth value or a text where a number is meant is a mistake, though it could be read as one."""
    for name, value in parameters.items():
        known = family.parameters.model_fields.get(name)
        if known is not None and known.annotation in (int, float) and isinstance(value, bool | str):
            raise ConfigError(
                f"attack family {family.name!r}: {name} is a number, got {shortened(repr(value))}; its default is "
                f"{name} = {known.default}"
            )


def _spec(entry: AttackEntry, family: Family, norm: Norm, eps: float, seed: int) -> AttackSpec:
    """The spec with a seed of its own: the same for every library, defense and precision, so that outcomes pair."""
    _require_numbers(family, entry.parameters)
    spec = make_spec(family, norm, eps, entry.parameters, defaults=entry.defaults)
    own = digest([seed, spec.family.name, spec.threat.norm, spec.threat.eps, spec.settings()])
    return replace(spec, seed=int(own[:8], 16) % 2**31, precise=entry.precise)
