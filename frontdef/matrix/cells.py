"""The cells of a row: which attacks of which libraries are run on it, through which surrogates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product

from frontdef.attacks.library import AttackLibrary
from frontdef.attacks.spec import AttackSpec
from frontdef.bpda import select
from frontdef.errors import ConfigError, UnknownNameError, shortened
from frontdef.matrix.attack import Cell, Source
from frontdef.matrix.decide import sized
from frontdef.matrix.entries import EVERY, AttackEntry, Matrix
from frontdef.matrix.row import Asked, Row
from frontdef.matrix.rows import request_for
from frontdef.models.entry import ModelEntry
from frontdef.models.own import OwnRequest
from frontdef.protected import Average
from frontdef.registry import get_attack_libraries, get_defense


def jobs(asked: Asked, row: Row) -> Iterator[Cell]:
    """Every attack that a matrix asks for, in each library that can run it; what none can is noted.

    Raises:
        UnknownNameError: A library or a surrogate that nobody offers.
        ConfigError: Surrogates that contradict each other, or a model to attack instead without a classifier.
    """
    matrix, libraries = asked.matrix, get_attack_libraries()
    for entry, spec in asked.columns:
        source = None
        if entry.source is not None:
            source = _source(matrix, row, entry.source)
        elif spec.family.gradient and isinstance(row.request, OwnRequest) and not row.request.user.differentiable:
            what = f"{spec.family.name} {spec.threat.norm} on {row.classifier}"
            asked.skipped[f"{what}: it needs a gradient, and the model gives none"] = None
            continue
        able = []
        for library in libraries_of(entry.libraries) if entry.libraries else asked.libraries:
            if library not in asked.libraries:
                continue
            reason = _why_not(spec, libraries[library])
            if reason:
                asked.skipped[f"{spec.family.name} {spec.threat.norm} in {library}: {reason}"] = None
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
                    device=asked.device,
                    judged_eps=asked.radii[spec.threat.norm][-1] if spec.family.minimum_norm else spec.threat.eps,
                    source=source,
                )
                yield sized(cell, matrix) if len(able) > 1 else cell


def libraries_of(names: Sequence[str]) -> tuple[str, ...]:
    """The libraries of these names; none, or ``all``, are all that are installed.

    Raises:
        UnknownNameError: One that nobody offers.
    """
    libraries = get_attack_libraries()
    if not names or EVERY in names:
        return tuple(libraries)
    for name in names:
        if name not in libraries:
            raise UnknownNameError("attack library", name, libraries, "`frontdef ls attacks` lists what each offers.")
    return tuple(names)


def check_surrogates(rows: Sequence[Row], attacks: Iterable[AttackEntry]) -> None:
    """A surrogate of a column that no row offers is misspelt.

    Raises:
        UnknownNameError: There is one.
    """
    known = list(dict.fromkeys(name for row in rows for name in _offered(row)))
    for name in (name for attack in attacks for name in attack.surrogates or ()):
        if _name(name) not in known:
            raise UnknownNameError("surrogate", name, known, "An attack names those that a row's front end offers.")


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
