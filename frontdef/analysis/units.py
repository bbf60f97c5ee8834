"""Units of work: what a study asks for, each a pure function of its key, each ending in rows of one table."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from frontdef._version import __version__
from frontdef.analysis.layers import linear_list
from frontdef.analysis.partial import NAMES, find_cut, parse_code
from frontdef.analysis.study import Study
from frontdef.classifiers import Classifier
from frontdef.errors import ConfigError
from frontdef.matrix.entries import DefenseEntry
from frontdef.matrix.jobs import digest
from frontdef.models.recipes import recipe_of
from frontdef.models.request import ModelRequest
from frontdef.registry import get_classifier, get_dataset, get_defense
from frontdef.stage import Stage

REVISION = 1
"""Raise it when a change in this package changes what is found: finished units are known under it."""

SETTINGS: Mapping[str, frozenset[str]] = {
    "layers": frozenset(),
    "ratios": frozenset({"attack", "ratio", "samples", "seed"}),
    "filters": frozenset(),
    "batch_norm": frozenset(),
    "singular_values": frozenset({"weights"}),
    "partial": frozenset({"attack", "seed"}),
}
"""Table → what of the study decides its rows, beside the model."""

MEASURED: Mapping[str, tuple[str, ...]] = {
    "psr": ("layers", "ratios"),
    "weights": ("layers", "filters", "batch_norm", "singular_values"),
}
"""What is asked → the tables that a model is looked at for."""


@dataclass(frozen=True)
class Unit:
    """One piece of work.

    Args:
        table: The table whose rows it gives.
        where: Columns that say which piece it is: model, or code, mode, cut, seed.
        request: The model that it looks at, or starts from.
        surrogate: The gradient that the attack follows; None for the front end's default.
        settings: All else that decides the result, JSON values.
        stages: The second training, for ``partial``.
    """

    table: str
    where: Mapping[str, Any]
    request: ModelRequest
    surrogate: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    stages: tuple[Stage, ...] = ()

    @cached_property
    def key(self) -> str:
        """Hash of all that decides the result."""
        return digest(
            {
                "table": self.table,
                "where": dict(self.where),
                "model": self.request.key(),
                "surrogate": self.surrogate,
                "settings": dict(self.settings),
                "stages": [stage.model_dump(mode="json") for stage in self.stages],
                "revision": REVISION,
                "torch": importlib.metadata.version("torch"),
                "frontdef": __version__,
            }
        )

    def __str__(self) -> str:
        return " ".join([self.table.replace("_", " "), *(str(value) for value in self.where.values() if value != "")])


def make_units(study: Study, device: str = "cpu") -> tuple[Unit, ...]:
    """All units of a study, those of one model together.

    Raises:
        UnknownNameError: A data set, classifier, defense, code or layer that does not exist.
        ConfigError: A cut out of range, or partial training without two models that show both trainings.
    """
    get_dataset(study.dataset)
    requests = {model.title: request(study, model, study.seed) for model in study.model}
    tables = tuple(dict.fromkeys(table for what in study.what for table in MEASURED.get(what, ())))
    found = [
        Unit(table, {"model": model.title}, requests[model.title], model.surrogate, _settings(study, table, device))
        for model in study.model
        for table in tables
    ]
    return (*found, *(_partial(study, device) if "partial" in study.what else ()))


def request(study: Study, entry: DefenseEntry, seed: int) -> ModelRequest:
    """The trained model of a row.

    Raises:
        UnknownNameError: A defense or classifier that does not exist.
        ConfigError: A configuration that is not allowed.
    """
    defense = get_defense(entry.name)
    classifier = _classifier(study, entry).name
    config = defense.configure(entry.config).model_dump(mode="json")
    recipe = entry.recipe or study.recipe or recipe_of(defense, config, study.dataset, classifier)
    return ModelRequest(study.dataset, classifier, entry.name, config, tuple(recipe), study.train_samples, seed)


def _classifier(study: Study, entry: DefenseEntry) -> Classifier:
    return get_classifier(entry.classifier or get_defense(entry.name).classifier or study.classifier)


def _settings(study: Study, table: str, device: str) -> dict[str, Any]:
    return {**study.model_dump(mode="json", include=set(SETTINGS[table])), "device": device}


def _partial(study: Study, device: str) -> list[Unit]:
    asked = study.partial
    rows = {"N": study.entry(asked.natural), "A": study.entry(asked.adversarial)}
    trainings = {letter: request(study, entry, study.seed) for letter, entry in rows.items()}
    _check_trainings(trainings)
    layers = linear_list(_untrained(study, rows["N"]))
    found: list[Unit] = []
    for mode in asked.modes:
        every: Sequence[int | str] = range(1 if mode == "single" else 0, len(layers) + 1)
        cuts = [find_cut(layers, cut, mode) for cut in (asked.cuts or every)]
        for text in asked.codes:
            code = parse_code(text)
            for seed in asked.seeds or (study.seed,):
                first = request(study, rows[code.first], seed)
                settings = _settings(study, "partial", device) | {"samples": asked.samples or study.samples}
                found += [
                    Unit(
                        "partial",
                        {"code": text, "mode": mode, "cut": cut, "seed": seed},
                        first,
                        rows[code.first].surrogate,
                        settings,
                        trainings[code.second].recipe,
                    )
                    for cut in dict.fromkeys(cuts)
                ]
    return found


def _check_trainings(trainings: Mapping[str, ModelRequest]) -> None:
    natural, adversarial = trainings["N"], trainings["A"]
    if (natural.classifier, natural.defense, natural.config) != (
        adversarial.classifier,
        adversarial.defense,
        adversarial.config,
    ):
        raise ConfigError(
            "partial training exchanges layers between two trainings of one network: the natural and the adversarial "
            "model have one defense, one configuration and one classifier, and differ in their recipes alone"
        )
    for letter, request_ in trainings.items():
        attacked = [stage for stage in request_.recipe if stage.adversarial]
        if bool(attacked) != (letter == "A"):
            raise ConfigError(
                f"the model that shows {NAMES[letter]} training has "
                + ("no adversarial stage in its recipe: " if letter == "A" else "an adversarial stage in its recipe: ")
                + 'recipe = [{ epochs = 5, adversarial = "linf", eps = 0.3 }] trains on attacks, and without '
                "adversarial on clean images"
            )


def _untrained(study: Study, entry: DefenseEntry) -> Any:
    """The network whose layers are counted."""
    import torch

    dataset = get_dataset(study.dataset)
    front_end = get_defense(entry.name).build(entry.config, image_shape=dataset.image_shape)
    with torch.no_grad():
        in_shape = tuple(front_end(torch.zeros(1, *dataset.image_shape)).shape[1:])
    return _classifier(study, entry).build(in_shape, dataset.n_classes)
