"""A model that somebody else trained, with a front end before it: as it is, or fine-tuned behind it by a recipe."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from frontdef import training
from frontdef.classifiers.network import seeded
from frontdef.errors import FrontdefError
from frontdef.frontend import FrontEnd, Identity
from frontdef.models.cache import ModelCache, TrainedModel, fit, restore
from frontdef.models.check import check_model
from frontdef.models.fingerprint import code_of, computing, requirements_of, version_of
from frontdef.models.gate import gate
from frontdef.models.load import Means, load_model
from frontdef.models.request import Keyed
from frontdef.models.saved import Saved
from frontdef.models.sketch import training_passes
from frontdef.models.sources import UserModel
from frontdef.protected import Protected
from frontdef.registry import defense_entries, get_dataset, get_defense
from frontdef.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontdef.datasets import Split


@dataclass(frozen=True, eq=False)
class OwnRequest(Keyed):
    """A user's model behind a front end.

    Args:
        user: The model.
        dataset: Id of the data set, or the name of samples that are at hand.
        image_shape: ``(C,H,W)`` of its images.
        defense: Id of the defense in front of it.
        config: The defense's full configuration, JSON values.
        recipe: Stages that fine-tune it behind the front end; none leave it as it is.
        train_samples: Training images for the recipe; None takes all.
        seed: Of the front end's preparation and of the recipe.
    """

    user: UserModel
    dataset: str
    image_shape: tuple[int, ...]
    defense: str
    config: Mapping[str, Any]
    recipe: tuple[Stage, ...] = ()
    train_samples: int | None = None
    seed: int = 0

    @property
    def classifier(self) -> str:
        """The model's name."""
        return self.user.name

    @property
    def training(self) -> str:
        """What was done to the model."""
        return "fine-tuned" if self.recipe else "as it is"

    def describe(self) -> dict[str, Any]:
        """All that decides what it computes, JSON values."""
        plugin = next(entry.plugin for entry in defense_entries() if entry.name == self.defense)
        front_end = get_defense(self.defense).front_end
        return {
            "model": self.user.key,
            "image_shape": list(self.image_shape),
            "defense": [self.defense, dict(self.config)],
            "plugin": [plugin.pin, code_of(front_end), requirements_of(plugin.distribution)],
            "seed": self.seed,
            "code": computing("frontdef.models.wrapped", __name__),
            "torch": version_of("torch"),
            **(self._training_data() if self.recipe or self._prepared else {}),
        }

    def _training_data(self) -> dict[str, Any]:
        return {
            "recipe": [stage.model_dump(mode="json") for stage in self.recipe],
            "dataset": get_dataset(self.dataset).describe(),
            "train_samples": self.train_samples,
            "training": computing("frontdef.models.cache"),
        }

    @cached_property
    def _prepared(self) -> bool:
        """Whether the front end is fitted to images without labels before it is used."""
        return self.build().needs_fit

    def build(self) -> FrontEnd[Any]:
        """The front end, before it is fitted or trained.

        Raises:
            ConfigError: A configuration or an image shape that it can't serve.
        """
        with seeded(self.seed):
            return get_defense(self.defense).build(self.config, image_shape=self.image_shape)

    def __str__(self) -> str:
        return f"{self.dataset} {self.user.name} {self.defense}"


def misfit(request: OwnRequest, *, trainable: bool) -> str:
    """Why a front end can't stand before a model, without its name; empty where it can.

    Args:
        request: Both.
        trainable: Whether there are training images.
    """
    try:
        front_end = request.build()
    except FrontdefError as error:
        return str(error)
    if (front_end.learns or request._prepared or request.recipe) and not trainable:
        return (
            "it is fitted or trained on training images, and the samples at hand are there to be attacked. Name a "
            "data set that has some: `frontdef evaluate SOURCE --dataset …`, or a matrix with [[model]]"
        )
    if front_end.learns and not request.recipe:
        return f"it learns, and nothing is trained before a model as it is: {_TRAINED}"
    if isinstance(front_end, Identity) and get_defense(request.defense).recipe and not request.recipe:
        return (
            f"it is a recipe alone, no front end, and nothing is trained of a model as it is, so that it would be "
            f"the row without a defense: {_TRAINED}"
        )
    if request.recipe or request._prepared:
        return ""
    with torch.no_grad():
        shape = tuple(front_end.eval()(torch.full((1, *request.image_shape), 0.5)).shape[1:])
    if shape != tuple(request.image_shape):
        reads = tuple(request.image_shape)
        return f"it puts out {shape}, the model reads images {reads}: it needs a model trained behind it"
    return ""


_TRAINED = "give its row a recipe = […], or train it: `frontdef train NAME --model SOURCE`"


@load_model.register(OwnRequest)
def _load(
    request: OwnRequest,
    means: Means,
    progress: Callable[[int, int, float, float], None] | None = None,
    waiting: Callable[[str], None] | None = None,
) -> Protected:
    """The model behind its front end, fine-tuned if it is not in the cache."""
    device = torch.device(means.device)
    front_end: FrontEnd[Any]
    classifier: nn.Module
    if request.recipe:
        model = ModelCache(means.cache).get_or_train(
            request,
            device=device,
            data_root=means.data,
            download=means.download,
            progress=progress,
            waiting=waiting,
        )
        front_end, classifier = model.front_end, model.classifier
    else:
        front_end, classifier = request.build(), request.user.module
        if request._prepared:
            images = _train_split(request, means.data, means.download).images
            training.prepare(front_end, images, seed=request.seed, device=device)
    if isinstance(classifier, Protected) and request.defense == "none":
        return classifier.eval().requires_grad_(False)
    return Protected(front_end, classifier, image_shape=request.image_shape).to(device)


@fit.register(OwnRequest)
def _fine_tune(
    request: OwnRequest,
    device: torch.device,
    data_root: Any,
    download: bool,
    progress: Any,
    checkpoint: training.Checkpoint,
) -> TrainedModel:
    dataset = get_dataset(request.dataset)
    split = _train_split(request, data_root, download)
    front_end = request.build()
    training.prepare(front_end, split.images, seed=request.seed, device=device)
    classifier = copy.deepcopy(request.user.module).requires_grad_(True)
    log = training.fit_classifier(
        front_end, classifier, split, request.recipe,
        seed=request.seed, device=device, progress=progress, checkpoint=checkpoint,
    )  # fmt: skip
    about = {
        "request": request.describe(),
        "key": request.key(),
        "in_shape": list(request.image_shape),
        "image_shape": list(request.image_shape),
        "n_classes": dataset.n_classes,
        "samples": len(split),
        "device": device.type,
        "losses": list(log.losses),
        "seconds": log.seconds,
    }
    return TrainedModel(front_end.cpu(), classifier.cpu(), about)


@restore.register(OwnRequest)
def _restore(request: OwnRequest, saved: Saved) -> TrainedModel:
    classifier = copy.deepcopy(request.user.module)
    saved.load_classifier(classifier)
    return TrainedModel(saved.front_end(), classifier.eval(), saved.about)


@training_passes.register(OwnRequest)
def _passes(request: OwnRequest, means: Means) -> int:
    if not request.recipe or ModelCache(means.cache).has(request):
        return 0
    samples = request.train_samples or len(_train_split(request, means.data, False))
    return sum(samples * stage.epochs for stage in request.recipe)


def _train_split(request: OwnRequest, data_root: Any, download: bool) -> Split:
    return get_dataset(request.dataset).load(
        "train", root=data_root, download=download, samples=request.train_samples, seed=request.seed
    )


@dataclass(frozen=True, eq=False)
class BroughtModel:
    """A user's model before anything is attacked.

    Args:
        user: The model.
        dataset: The samples that it is judged on.
        n_classes: Classes of these.
        clean_accuracy: What its owner states; None states nothing.
    """

    user: UserModel
    dataset: str
    n_classes: int | None
    clean_accuracy: float | None

    def admit(self, split: Split) -> list[str]:
        """Look at it on the run's samples.

        Returns:
            What is worth knowing, the first line its accuracy.

        Raises:
            ModelError: It can't be believed on: NaN, another number of classes, batch statistics, or an accuracy below
                what is stated; the mend is named.
        """
        notes = [*self.user.notes, *check_model(self.user, split.images, split.labels, n_classes=self.n_classes)]
        measured = gate(self.user, split.images, split.labels, self.clean_accuracy, self.dataset)
        return [
            f"model {self.user.name!r} on {self.dataset}: {measured} right on clean images",
            *(note.text for note in (*notes, *measured.notes)),
        ]
