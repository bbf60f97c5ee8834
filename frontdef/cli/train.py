"""``frontdef train``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import torch
from torch import Tensor

from frontdef.cli.answer import answer
from frontdef.cli.arguments import COUNT, PATH, SEED, parse_config, split_words
from frontdef.cli.complete import names
from frontdef.cli.model import own_model_options, own_request, source_of
from frontdef.config import build
from frontdef.device import check_device
from frontdef.errors import ConfigError
from frontdef.memory import at_once
from frontdef.models import saved
from frontdef.models.cache import ModelCache, TrainedModel
from frontdef.models.gate import accuracy
from frontdef.models.own import BroughtModel
from frontdef.models.recipes import recipe_of
from frontdef.models.train import make_request
from frontdef.protected import Protected
from frontdef.registry import get_dataset, get_defense
from frontdef.stage import Stage

if TYPE_CHECKING:
    from frontdef.models.request import Request


TESTED = 1000
"""Test images on which a trained model is looked at, at most."""


@click.command()
@click.argument("name", shell_complete=names("defense"))
@click.argument("values", nargs=-1, metavar="[KEY=VALUE]...")
@own_model_options
@click.option(
    "--stage", "stages", multiple=True, metavar="'KEY=VALUE …'",
    help="A stage of training, as 'epochs=3 lr=0.001'; repeatable. Default: the defense's own, or the classifier's.",
)  # fmt: skip
@click.option(
    "--dataset", default="digits", show_default=True, shell_complete=names("data set"), help="Data set to train on."
)
@click.option(
    "--classifier",
    shell_complete=names("classifier"),
    help="Classifier behind it; default: the defense's own, or small-cnn.",
)
@click.option("--train-samples", type=COUNT, help="Training images; default: all.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Decides samples, initial weights and training.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option("--data", type=PATH, help="Folder of the data sets; default: FRONTDEF_DATA.")
@click.option("--cache", type=PATH, help="Folder of trained models; default: FRONTDEF_CACHE.")
@click.option("--download", is_flag=True, help="Allow data sets to be downloaded.")
@click.option("--out", type=PATH, help="File to write; default: NAME-DATASET.safetensors, here.")
def train(name: str, values: tuple[str, ...], **options: Any) -> None:
    """Train the defense NAME with a classifier behind it, and write its weights.

    With --model, a model of yours stands behind it and is fine-tuned; its own file of weights is left alone.
    Configuration follows as KEY=VALUE, values in TOML. A training that is stopped goes on from its last checkpoint. The
    file serves `frontdef.load(NAME, weights=FILE)` in an ART pipeline and `frontdef.protect(None, NAME, weights=FILE)`;
    of a model of yours, whose code is not in it, `frontdef evaluate SOURCE --weights FILE --weights-key
    classifier.body`.
    """
    check_device(options["device"])
    path = options["out"] or Path(f"{name}-{options['dataset']}.safetensors".replace("/", "-").replace(":", "-"))
    if path.suffix != ".safetensors":
        raise ConfigError(f"--out names a file that ends in .safetensors, got {str(path)!r}")
    request = _request(name, parse_config(values), options)
    model = ModelCache(options["cache"]).get_or_train(
        request, device=options["device"], data_root=options["data"], download=options["download"], progress=_report,
        waiting=lambda holder: click.echo(f"{request} is being trained by {holder}: waiting", err=True),
    )  # fmt: skip
    saved.save(path, model.front_end, model.classifier, {key: v for key, v in model.about.items() if key != "sha256"})
    answer(path=path, defense=name, dataset=options["dataset"], classifier=request.classifier)
    click.echo(f"{name} on {options['dataset']}, {request.classifier} behind it: {path}")
    _tell_accuracy(model, options)


def _tell_accuracy(model: TrainedModel, options: dict[str, Any]) -> None:
    """Say what share of test images it gets right, and warn where one answer for everything does as well."""
    dataset, device = get_dataset(options["dataset"]), options["device"]
    count = None if dataset.n_test is None else min(TESTED, dataset.n_test)
    split = dataset.load("test", root=options["data"], download=options["download"], samples=count, seed=0)
    protected = Protected(model.front_end, model.classifier, image_shape=dataset.image_shape).to(device)
    measured = accuracy(_logits(protected, split.images, device), split.labels)
    answer(test_accuracy=measured.value, low=measured.low, high=measured.high, n=len(split))
    click.echo(f"test accuracy {measured}")
    commonest = float(split.labels.bincount().max()) / len(split)
    if measured.low <= commonest:
        click.echo(
            f"warning: one answer for everything gets {commonest:.1%} right, and this model is not shown to be better: "
            "train longer (--stage 'epochs=… lr=…'), or look at the training accuracy above",
            err=True,
        )


def _logits(protected: Protected, images: Tensor, device: str) -> Tensor:
    with torch.no_grad():
        return torch.cat([protected(lot.to(device)).cpu() for lot in images.split(at_once(images.shape[1:]))])


def _request(name: str, config: dict[str, Any], options: dict[str, Any]) -> Request:
    stages = tuple(
        build(Stage, parse_config(tuple(split_words(text, "--stage"))), "--stage") for text in options["stages"]
    )
    source = source_of(options["source"], options)
    if source is None:
        return make_request(
            name, options["dataset"], options["classifier"], stages, options["train_samples"], options["seed"], config
        )
    if options["classifier"]:
        raise ConfigError("--model and --classifier both say what stands behind the defense: give one of the two")
    defense = get_defense(name)
    recipe = stages or recipe_of(defense, defense.configure(config).model_dump(mode="json"), options["dataset"], "")
    tell = partial(click.echo, err=True)
    request = own_request(
        source, options["dataset"], name, config, device=options["device"],
        recipe=recipe, train_samples=options["train_samples"], seed=options["seed"], tell=tell,
    )  # fmt: skip
    dataset = get_dataset(request.dataset)
    split = dataset.load("test", root=options["data"], download=options["download"], samples=None, seed=0)
    for line in BroughtModel(request.user, request.dataset, dataset.n_classes, source.clean_accuracy).admit(split):
        tell(line)
    return request


def _report(epoch: int, epochs: int, loss: float, accuracy: float) -> None:
    share = "" if accuracy != accuracy else f", training accuracy {accuracy:.1%}"
    click.echo(f"epoch {epoch}/{epochs}: loss {loss:.4f}{share}")
