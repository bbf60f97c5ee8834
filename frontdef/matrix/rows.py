"""From a matrix to its rows: which defended models there are, and which defenses fit neither the data nor the model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

from frontdef.datasets import Dataset
from frontdef.errors import ConfigError, FrontdefError, UnknownNameError
from frontdef.matrix.entries import DefenseEntry, Matrix, MetricEntry
from frontdef.matrix.row import Row
from frontdef.models.entry import ModelEntry, request_of
from frontdef.models.fingerprint import digest
from frontdef.models.fromfile import open_trained
from frontdef.models.own import BroughtModel, OwnRequest, misfit
from frontdef.models.request import ModelRequest, Request
from frontdef.models.sources import UserModel, open_model
from frontdef.registry import get_dataset, get_defense, get_defenses

Entry = TypeVar("Entry", DefenseEntry, MetricEntry)


@dataclass
class Lineup:
    """The rows of a matrix.

    Args:
        rows: The defended models.
        brought: Models that somebody else trained, to be looked at before anything is attacked.
        skipped: What there is no row for, and why, one line each.
    """

    rows: list[Row] = field(default_factory=list)
    brought: list[BroughtModel] = field(default_factory=list)
    skipped: dict[str, None] = field(default_factory=dict)


def line_up(matrix: Matrix, device: str) -> Lineup:
    """The rows of a matrix.

    Raises:
        UnknownNameError: A data set, classifier or defense that nobody offers.
        ConfigError: A configuration that is not allowed, two rows of one title, a defense that is named and fits
            neither the data nor the model.
        ModelError: A model that can't be built, or weights that do not fit it.
    """
    lineup = Lineup()
    every = matrix.defense == "all"
    entries = _entries(matrix, lineup)
    for name in matrix.datasets:
        dataset = get_dataset(name)
        lineup.rows += _trained(matrix, dataset, entries, every, lineup)
        for source in matrix.model:
            user = open_model(
                source,
                base=matrix.base or ".",
                n_classes=dataset.n_classes,
                image_shape=dataset.image_shape,
                device=device,
            )
            lineup.brought.append(BroughtModel(user, name, dataset.n_classes, source.clean_accuracy))
            before = [entry for entry in entries if not (entry.classifier or entry.weights)]
            lineup.rows += own_rows(
                user, before, lineup,
                dataset=name, data=digest(dataset.describe()), image_shape=dataset.image_shape,
                trainable=dataset.n_train != 0,
                train_samples=matrix.train_samples, seed=matrix.seed, every=every,
            )  # fmt: skip
    return lineup


def own_rows(
    user: UserModel,
    entries: Iterable[DefenseEntry],
    lineup: Lineup,
    *,
    dataset: str,
    data: str,
    image_shape: tuple[int, ...],
    trainable: bool,
    train_samples: int | None = None,
    seed: int = 0,
    every: bool = False,
) -> Iterator[Row]:
    """Front ends before a model that somebody else trained.

    Args:
        user: The model.
        entries: The front ends.
        lineup: Where what does not fit is noted.
        dataset: Id of the data set, or the name of samples that are at hand.
        data: Hash of what decides the test images.
        image_shape: ``(C,H,W)``.
        trainable: Whether there are training images.
        train_samples: Training images for recipes; None takes all.
        seed: Of preparation and recipes.
        every: Whether a defense that does not fit is noted; otherwise it is refused.

    Raises:
        ConfigError: A defense that is named and does not fit.
    """
    for entry in entries:
        config = get_defense(entry.name).configure(entry.config).model_dump(mode="json")
        request = OwnRequest(user, dataset, image_shape, entry.name, config, entry.recipe, train_samples, seed)
        reason = misfit(request, trainable=trainable)
        if not reason:
            yield Row(request, entry, user.name, data)
        elif every:
            lineup.skipped[f"defense {entry.title} before {user.name} on {dataset}: {reason}"] = None
        else:
            raise ConfigError(f"defense {entry.title!r} does not fit the model {user.name!r} on {dataset}: {reason}")


def defense_entries_of(names: Iterable[str] | str) -> tuple[DefenseEntry, ...]:
    """Rows of defenses as they come: those of some names, or ``all`` for each of each installed plugin."""
    if names == "all":
        registered = sorted((defense.name for defense in get_defenses()), key=lambda name: (name != "none", name))
        return tuple(DefenseEntry(name=name) for name in registered)
    return tuple(DefenseEntry(name=name) for name in names)


def offered(
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


def check_titles(entries: Iterable[DefenseEntry]) -> None:
    """Rows are told apart by their titles, so two of one title would be taken for one model.

    Raises:
        ConfigError: There are two.
    """
    for title, count in Counter(entry.title for entry in entries).items():
        if count > 1:
            raise ConfigError(
                f"{count} rows of the matrix have the title {title!r}, so their results could not be told apart: give "
                'each [[defense]] a label = "…" of its own'
            )


def request_for(matrix: Matrix, dataset: str, classifier: str, entry: ModelEntry) -> ModelRequest:
    """The model that an entry of a matrix asks to be trained."""
    return request_of(
        entry,
        dataset=dataset,
        classifier=classifier,
        recipe=matrix.recipe,
        train_samples=matrix.train_samples,
        seed=matrix.seed,
    )


def _entries(matrix: Matrix, lineup: Lineup) -> tuple[DefenseEntry, ...]:
    if isinstance(matrix.defense, str):
        return defense_entries_of(matrix.defense)
    entries = tuple(offered(matrix.defense, get_defense, "defense", lineup.skipped))
    check_titles(entries)
    return entries


def _trained(
    matrix: Matrix, dataset: Dataset, entries: Iterable[DefenseEntry], every: bool, lineup: Lineup
) -> Iterator[Row]:
    """Models that are trained here; a row with a classifier of its own stands once, in the first table."""
    tables = matrix.trained or (matrix.model[0].name,)
    for table, entry in product(tables, entries):
        if not matrix.trained and not (entry.classifier or entry.weights):
            continue
        if (entry.own_classifier or entry.weights) and table != tables[0]:
            continue
        reason = _unfit(dataset, entry) if every else ""
        if reason:
            lineup.skipped[f"defense {entry.title} on {dataset.name}: {reason}"] = None
        else:
            yield Row(_request(matrix, dataset.name, table, entry), entry, table, digest(dataset.describe()))


def _request(matrix: Matrix, dataset: str, table: str, entry: DefenseEntry) -> Request:
    """A model to be trained, or one whose weights lie in a file."""
    if not entry.weights:
        return request_for(matrix, dataset, table, entry)
    base = Path(matrix.base or ".")
    return open_trained(
        entry.weights, base, dataset=dataset, defense=entry.name, config=entry.config, classifier=entry.classifier
    )


def _unfit(dataset: Dataset, entry: DefenseEntry) -> str:
    """Why a defense does not fit a data set; empty where it does."""
    defense = get_defense(entry.name)
    if defense.datasets and dataset.name not in defense.datasets:
        return f"it is meant for {', '.join(defense.datasets)}"
    try:
        defense.build(entry.config, image_shape=dataset.image_shape)
    except FrontdefError as error:
        return str(error)
    return ""
