"""From a study to jobs: each model looked at for each table, and partial trainings."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from frontdef.analysis.layers import linear_list
from frontdef.analysis.look import Look
from frontdef.analysis.partial import NAMES, find_cut, parse_code
from frontdef.analysis.retraining import Retraining
from frontdef.analysis.study import Entry, OwnEntry, Study
from frontdef.analysis.tables import MEASURES, measured
from frontdef.config import build
from frontdef.errors import ConfigError
from frontdef.models.entry import ModelEntry, request_of
from frontdef.models.fingerprint import digest
from frontdef.models.own import BroughtModel, OwnRequest, misfit
from frontdef.models.request import ModelRequest
from frontdef.models.sources import open_model
from frontdef.registry import get_classifier, get_dataset, get_defense
from frontdef.runs.job import Job
from frontdef.runs.plan import Plan, Samples

if TYPE_CHECKING:
    from torch import nn


def remake(document: Mapping[str, Any], device: str) -> Plan:
    """The plan of a study that was validated before, as `frontdef.runs.kind.Kind.remake` makes it."""
    return make_plan(build(Study, document, "the study that the run names"), device=device)


def make_plan(study: Study, *, device: str = "cpu") -> Plan:
    """All jobs of a study, those of one model together.

    Raises:
        UnknownNameError: A data set, classifier, defense, code or layer that does not exist.
        ConfigError: A cut out of range, or partial training without two models that show both trainings.
    """
    dataset = get_dataset(study.dataset)
    rows = [(entry, _model(study, entry, device)) for entry in study.model]
    jobs: list[Job] = [
        Look(
            of=table,
            title=entry.title,
            request=request,
            dataset=study.dataset,
            settings=study,
            seed=study.seed,
            chosen=_settings(study, MEASURES[table].settings, device),
            surrogate=None if isinstance(entry, OwnEntry) else entry.surrogate,
        )
        for entry, request in rows
        for table in measured(study.what)
    ]
    jobs += _partial(study, device) if "partial" in study.what else []
    return Plan(
        kind="study",
        name=study.name,
        document=study.model_dump(mode="json"),
        jobs=tuple({job.key: job for job in jobs}.values()),
        samples={study.dataset: Samples(study.dataset, study.samples, study.seed)},
        device=device,
        brought=tuple(
            BroughtModel(request.user, study.dataset, dataset.n_classes, entry.clean_accuracy)
            for entry, request in rows
            if isinstance(entry, OwnEntry) and isinstance(request, OwnRequest)
        ),
    )


def _model(study: Study, entry: Entry, device: str) -> ModelRequest | OwnRequest:
    """A model that is trained here, or one that somebody else trained.

    Raises:
        ModelError: One that can't be built, or weights that do not fit it.
        ConfigError: A defense that does not fit it.
    """
    if not isinstance(entry, OwnEntry):
        return _request(study, entry, study.seed)
    dataset = get_dataset(study.dataset)
    user = open_model(
        entry, base=study.base or ".", n_classes=dataset.n_classes, image_shape=dataset.image_shape, device=device
    )
    config = get_defense(entry.defense).configure(entry.config).model_dump(mode="json")
    request = OwnRequest(user, study.dataset, dataset.image_shape, entry.defense, config, seed=study.seed)
    if reason := misfit(request, trainable=dataset.n_train != 0):
        raise ConfigError(f"defense {entry.defense!r} does not fit the model {entry.name!r}: {reason}")
    return request


def _request(study: Study, entry: ModelEntry, seed: int) -> ModelRequest:
    return request_of(
        entry,
        dataset=study.dataset,
        classifier=study.classifier,
        recipe=study.recipe,
        train_samples=study.train_samples,
        seed=seed,
    )


def _settings(study: Study, names: Collection[str], device: str) -> dict[str, Any]:
    data = digest(get_dataset(study.dataset).describe())
    return {**study.model_dump(mode="json", include=set(names)), "device": device, "data": data}


def _partial(study: Study, device: str) -> list[Retraining]:
    asked = study.partial
    rows = {"N": study.entry(asked.natural), "A": study.entry(asked.adversarial)}
    trainings = {letter: _request(study, entry, study.seed) for letter, entry in rows.items()}
    _check_trainings(trainings)
    layers = linear_list(_untrained(study, rows["N"]))
    jobs: list[Retraining] = []
    for mode, text, seed in product(asked.modes, asked.codes, asked.seeds or (study.seed,)):
        every: Sequence[int | str] = range(1 if mode == "single" else 0, len(layers) + 1)
        cuts = [find_cut(layers, cut, mode) for cut in (asked.cuts or every)]
        code = parse_code(text)
        jobs += [
            Retraining(
                code=text,
                mode=mode,
                cut=cut,
                seed=seed,
                first=_request(study, rows[code.first], seed),
                stages=trainings[code.second].recipe,
                settings=study,
                chosen=_settings(study, {"attack"}, device),
                samples=min(asked.samples or study.samples, study.samples),
                attack_seed=study.seed,
                surrogate=rows[code.first].surrogate,
            )
            for cut in dict.fromkeys(cuts)
        ]
    return jobs


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


def _untrained(study: Study, entry: ModelEntry) -> nn.Module:
    """The network whose layers are counted."""
    import torch

    request, dataset = _request(study, entry, study.seed), get_dataset(study.dataset)
    front_end = get_defense(entry.name).build(entry.config, image_shape=dataset.image_shape)
    with torch.no_grad():
        in_shape = tuple(front_end(torch.zeros(1, *dataset.image_shape)).shape[1:])
    return get_classifier(request.classifier).build(in_shape, dataset.n_classes)
