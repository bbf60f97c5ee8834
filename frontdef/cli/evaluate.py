"""``frontdef evaluate``."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from frontdef.cli.arguments import parse_config
from frontdef.cli.run import RUNS, execute, only_options, process_options
from frontdef.config import build
from frontdef.errors import ConfigError
from frontdef.matrix.entries import Matrix
from frontdef.matrix.plan import make_plan
from frontdef.models.load import check_device
from frontdef.runs.run import Settings


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
            click.option("--output", help="Attribute or key of the logits in what it returns."),
            click.option("--clean-accuracy", type=float, help="Share that it reaches; refused where it does not."),
        ]
    ):
        command = option(command)
    return command


def model_of(source: str, options: dict[str, Any], name: str | None = None) -> dict[str, Any]:
    """The keys of ``[[model]]`` that a command line gives.

    Raises:
        ConfigError: A mean without a standard deviation, or numbers that are none.
    """
    if (options["mean"] is None) != (options["std"] is None):
        raise ConfigError("--mean and --std belong together: what is subtracted, and what is divided by")
    given = {
        "weights": options["weights"],
        "weights_key": options["weights_key"],
        "sha256": options["sha256"],
        "arguments": parse_config(options["arguments"]) or None,
        "input_range": _numbers(options["input_range"], "--input-range"),
        "channels": options["channels"],
        "output": options["output"],
        "clean_accuracy": options["clean_accuracy"],
    }
    if options["mean"] is not None:
        given["normalize"] = {name: _numbers(options[name], f"--{name}") for name in ("mean", "std")}
    kept = {key: value for key, value in given.items() if value is not None}
    return {"name": name or _name(source, options["weights"]), "source": source, **kept}


@click.command()
@click.argument("source")
@model_options
@click.option("--dataset", required=True, help="Data set: an id, arrays:FILE.npz, imagefolder:PATH, FILE.py:function.")
@click.option("--norm", "norms", multiple=True, default=("linf",), show_default=True, help="linf, l2, l1; repeatable.")
@click.option("--eps", "radii", multiple=True, help="Radius in [0,1] pixel values or as 8/255; repeatable.")
@click.option(
    "--defense", "-d", "defenses", multiple=True, metavar="'ID [KEY=VALUE]…'",
    help="Front end before the model as it is; repeatable; all for each of each installed plugin. Default: none.",
)  # fmt: skip
@click.option("--attacks", default="standard", show_default=True, help="Set of attacks: quick, standard, thorough.")
@click.option("--library", "libraries", help="Only these attack libraries, separated by commas; default: all.")
@click.option("--samples", type=click.IntRange(1), default=200, show_default=True, help="Number of test images.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of samples and attacks.")
@click.option("--batch-size", type=click.IntRange(1), default=256, show_default=True, help="Images an attack gets.")
@click.option("--diagnose/--no-diagnose", default=True, show_default=True, help="Find out whether gradients are lying.")
@click.option("--name", help="What tables call the model; default: from its source and weights.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the data sets; default: FRONTDEF_DATA.")
@click.option("--cache", type=click.Path(path_type=Path), help="Folder of trained models; default: FRONTDEF_CACHE.")
@click.option("--download", is_flag=True, help="Allow data sets to be downloaded.")
@click.option("--out", type=click.Path(path_type=Path), help="Run folder; default: runs/NAME.")
@only_options
@process_options
@click.option("--report", is_flag=True, help="Write the HTML report when the run has ended.")
def evaluate(source: str, **options: Any) -> None:
    """What does a model that you have withstand?

    SOURCE builds it: FILE.py:function, package.module:function, or a name of a zoo (torchvision:resnet18, timm:…;
    `frontdef ls models`). Nothing is trained. A run that was stopped goes on where it stopped.
    """
    check_device(options["device"])
    matrix = build(Matrix, _matrix(source, options), "the command line")
    plan = make_plan(matrix, device=options["device"])
    settings = Settings(
        out=options["out"] or RUNS / matrix.name,
        device=options["device"],
        data=options["data"],
        cache=options["cache"],
        download=options["download"],
        overwrite=options["overwrite"],
        only=options["only"],
        command=_command(),
        jobs=options["jobs"],
        time_limit=options["time_limit"],
    )
    execute(plan, settings, options["report"])


def _matrix(source: str, options: dict[str, Any]) -> dict[str, Any]:
    model = model_of(source, options, options["name"])
    radii = options["radii"] or ("8/255",)
    if len(options["norms"]) > 1 and options["radii"]:
        raise ConfigError("a radius means something else in each norm: one --norm at a time, or a matrix with threats")
    defenses = options["defenses"] or ("none",)
    return {
        "name": re.sub(r"[^A-Za-z0-9._-]+", "-", model["name"]).strip("-._") or "model",
        "seed": options["seed"],
        "samples": options["samples"],
        "datasets": [options["dataset"]],
        "model": [model],
        "base": str(Path.cwd()),
        "libraries": options["libraries"].split(",") if options["libraries"] else (),
        "batch_size": options["batch_size"],
        "attacks": options["attacks"],
        "threats": {norm: list(radii) for norm in options["norms"]},
        "diagnose": list(options["norms"]) if options["diagnose"] else [],
        "diagnose_samples": max(10, min(64, options["samples"])),
        "defense": "all" if defenses == ("all",) else [_defense(text) for text in defenses],
    }


def _defense(text: str) -> dict[str, Any]:
    """A row from ``'ID KEY=VALUE …'``."""
    identifier, *values = shlex.split(text) or [""]
    return {"name": identifier, "config": parse_config(tuple(values))}


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


def _command() -> str:
    """The command line, without the options that choose what of it to do now."""
    words, skip = ["frontdef"], False
    for word in sys.argv[1:]:
        if skip:
            skip = False
        elif word in {"--only"}:
            skip = True
        elif word not in {"--overwrite", "--report"} and not word.startswith("--only="):
            words.append(word)
    return shlex.join(words)
