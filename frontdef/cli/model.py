"""Which model is meant, on every command line that takes one that somebody else trained."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from frontdef.cli.arguments import parse_config
from frontdef.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

    from frontdef.models.own import OwnRequest
    from frontdef.models.sources import ModelSource
    from frontdef.protected import Protected
    from frontdef.stage import Stage

KEYS = (
    *("weights", "weights_key", "sha256", "arguments", "mean", "std"),
    *("input_range", "channels", "class_order", "output", "clean_accuracy"),
)
"""Names of the options that `model_options` adds."""


def model_options(command: Any) -> Any:
    """What says which model is meant, beside its source: the keys of ``[[model]]``."""
    for option in reversed(
        [
            click.option("--weights", help="File of its weights, .safetensors or .pt; of a zoo also their name."),
            click.option("--weights-key", help="Where in the file the weights lie, if not in a usual place."),
            click.option("--sha256", help="Of the file of weights; refused if another."),
            click.option(
                "--argument", "arguments", multiple=True, metavar="KEY=VALUE", help="Of its function; repeatable."
            ),
            click.option("--mean", help="What it subtracts, one number or one a channel, separated by commas."),
            click.option("--std", help="What it divides by, likewise; neither: it does it itself."),
            click.option("--input-range", help="What pixel values 0 and 1 become, as 0,255."),
            click.option("--channels", type=click.Choice(["rgb", "bgr"]), help="The order that it reads."),
            click.option("--class-order", help="Its logit k is of the data set's class k of this list, as 1,0,2."),
            click.option("--output", help="Attribute or key of the logits in what it returns."),
            click.option("--clean-accuracy", type=float, help="Share that it reaches; refused where it does not."),
        ]
    ):
        command = option(command)
    return command


def own_model_options(command: Any) -> Any:
    """``--model SOURCE`` and what `model_options` adds."""
    text = "A model of your own: FILE.py:function, package.module:function, or a name of a zoo."
    return click.option("--model", "source", metavar="SOURCE", help=text)(model_options(command))


def model_of(source: str, options: dict[str, Any], name: str | None = None) -> dict[str, Any]:
    """The keys of ``[[model]]`` that a command line gives.

    Args:
        source: What builds it.
        options: Those of `model_options`.
        name: What tables call it; None takes it from its source and weights.

    Raises:
        ConfigError: A mean without a standard deviation, or numbers that are none.
    """
    if (options["mean"] is None) != (options["std"] is None):
        raise ConfigError("--mean and --std belong together: what is subtracted, and what is divided by")
    fields = {
        "weights": options["weights"],
        "weights_key": options["weights_key"],
        "sha256": options["sha256"],
        "arguments": parse_config(options["arguments"]) or None,
        "input_range": _numbers(options["input_range"], "--input-range"),
        "channels": options["channels"],
        "class_order": _numbers(options["class_order"], "--class-order"),
        "output": options["output"],
        "clean_accuracy": options["clean_accuracy"],
    }
    if options["mean"] is not None:
        fields["normalize"] = {name: _numbers(options[name], f"--{name}") for name in ("mean", "std")}
    kept = {key: value for key, value in fields.items() if value is not None}
    return {"name": name or _name(source, options["weights"]), "source": source, **kept}


def source_of(source: str | None, options: dict[str, Any]) -> ModelSource | None:
    """The model that ``--model`` and its options name; None where there is no ``--model``.

    Raises:
        ConfigError: Options of a model and no model, or values that are not allowed.
    """
    from frontdef.config import build
    from frontdef.models.sources import ModelSource

    if source is None:
        if stray := next((key for key in KEYS if options[key]), ""):
            option = {"arguments": "argument"}.get(stray, stray).replace("_", "-")
            raise ConfigError(f"--{option} belongs to a model of yours: --model FILE.py:function")
        return None
    return build(ModelSource, model_of(source, options), "the command line")


def own_request(
    source: ModelSource,
    dataset: str,
    defense: str,
    config: dict[str, Any],
    *,
    device: str,
    recipe: tuple[Stage, ...] = (),
    train_samples: int | None = None,
    seed: int = 0,
    tell: Callable[[str], None] = lambda text: None,
) -> OwnRequest:
    """A model of the user's behind a defense; its relative paths start in the working directory.

    Args:
        source: The model.
        dataset: Id of the data set.
        defense: Id of the defense.
        config: Its configuration values.
        device: ``cpu`` or ``cuda``.
        recipe: Stages that fine-tune it behind the defense; none leave it as it is.
        train_samples: Training images; None takes all.
        seed: Of the front end's preparation and of the recipe.
        tell: Told what is worth knowing of the model.

    Raises:
        ModelError: It can't be built, or its weights do not fit.
        ConfigError: The defense does not fit the model or the data.
        UnknownNameError: No such data set or defense.
    """
    from frontdef.models.own import OwnRequest, misfit
    from frontdef.models.sources import open_model
    from frontdef.registry import get_dataset, get_defense

    data = get_dataset(dataset)
    user = open_model(source, base=Path.cwd(), n_classes=data.n_classes, image_shape=data.image_shape, device=device)
    for note in user.notes:
        tell(note.text)
    full = get_defense(defense).configure(config).model_dump(mode="json")
    request = OwnRequest(user, dataset, data.image_shape, defense, full, recipe, train_samples, seed)
    if reason := misfit(request, trainable=data.n_train != 0):
        raise ConfigError(f"defense {defense!r} does not fit the model {user.name!r} on {dataset}: {reason}")
    return request


def own_look(
    source: ModelSource, defense: str, config: dict[str, Any], options: dict[str, Any]
) -> tuple[Protected, Tensor, Tensor]:
    """A model of the user's behind a defense, as it is, and test images to look at it on; admitted, or refused.

    Args:
        source: The model.
        defense: Id of the defense.
        config: Its configuration values.
        options: ``dataset``, ``samples``, ``seed``, ``device``, ``data``, ``download`` of the command line.

    Returns:
        The model, images ``(N,C,H,W)`` and labels ``(N,)`` on its device.

    Raises:
        ConfigError: No data set, or the defense does not fit.
        ModelError: It can't be built or believed.
    """
    from frontdef.models.load import Means, load_model
    from frontdef.models.own import BroughtModel
    from frontdef.registry import get_dataset

    if not options["dataset"]:
        raise ConfigError("--model is looked at on test images: --dataset ID, arrays:FILE.npz, imagefolder:PATH …")
    device, seed, root, download = options["device"], options["seed"], options["data"], options["download"]
    tell = partial(click.echo, err=True)
    request = own_request(source, options["dataset"], defense, config, device=device, seed=seed, tell=tell)
    dataset = get_dataset(request.dataset)
    split = dataset.load("test", root=root, download=download, samples=options["samples"], seed=seed)
    for line in BroughtModel(request.user, request.dataset, dataset.n_classes, source.clean_accuracy).admit(split):
        tell(line)
    protected = load_model(request, Means(device, root, None, download))
    return protected, split.images.to(protected.device), split.labels.to(protected.device)


def _name(source: str, weights: str | None) -> str:
    """``mine`` for ``mine.pt``, ``build`` for ``nets.py:build``."""
    return Path(weights).stem if weights else source.rpartition(":")[2]


def _numbers(text: str | None, option: str) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(number) for number in text.split(",")]
    except ValueError:
        raise ConfigError(f"{option} is numbers separated by commas, got {text!r}") from None
