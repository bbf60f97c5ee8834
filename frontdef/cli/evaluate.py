"""``frontdef evaluate``."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from frontdef.cli.arguments import COUNT, PATH, SEED, parse_config, split_words
from frontdef.cli.complete import names
from frontdef.cli.model import model_of, model_options
from frontdef.cli.run import RUNS, execute, only_options, process_options, settings_of
from frontdef.config import build
from frontdef.device import check_device
from frontdef.errors import ConfigError
from frontdef.matrix.decide import as_grown
from frontdef.matrix.entries import Matrix
from frontdef.matrix.plan import make_plan
from frontdef.runs.store import Store
from frontdef.threat import usual_eps


@click.command()
@click.argument("source")
@model_options
@click.option(
    "--dataset",
    required=True,
    shell_complete=names("data set"),
    help="Data set: an id, arrays:FILE.npz, imagefolder:PATH, FILE.py:function.",
)
@click.option("--norm", "norms", multiple=True, default=("linf",), show_default=True, help="linf, l2, l1; repeatable.")
@click.option(
    "--eps", "radii", multiple=True,
    help="Radius in [0,1] pixel values or as 8/255; repeatable. Default: 8/255 in linf, 0.5 in l2, 12 in l1.",
)  # fmt: skip
@click.option(
    "--defense", "-d", "defenses", multiple=True, metavar="'ID [KEY=VALUE]…'", shell_complete=names("defense"),
    help="Front end before the model as it is; repeatable, or ids by commas; all: each of each plugin. Default: none.",
)  # fmt: skip
@click.option("--attacks", default="standard", show_default=True, help="Set of attacks: quick, standard, thorough.")
@click.option(
    "--library",
    "libraries",
    shell_complete=names("library"),
    help="Only these attack libraries, separated by commas; default: all.",
)
@click.option("--samples", type=COUNT, default=200, show_default=True, help="Number of test images.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of samples and attacks.")
@click.option("--batch-size", type=COUNT, default=256, show_default=True, help="Images an attack gets.")
@click.option("--diagnose/--no-diagnose", default=True, show_default=True, help="Find out whether gradients are lying.")
@click.option("--decide", is_flag=True, help="Compare libraries on few samples first, on more while it is undecided.")
@click.option("--name", help="What tables call the model; default: from its source and weights.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option("--data", type=PATH, help="Folder of the data sets; default: FRONTDEF_DATA.")
@click.option("--cache", type=PATH, help="Folder of trained models; default: FRONTDEF_CACHE.")
@click.option("--download", is_flag=True, help="Allow data sets to be downloaded.")
@click.option("--out", type=PATH, help="Run folder; default: runs/NAME.")
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
    out = options["out"] or RUNS / matrix.name
    plan = make_plan(as_grown(matrix, Store(out)), device=options["device"])
    execute(plan, settings_of(options, out, _command()), options["report"])


def _matrix(source: str, options: dict[str, Any]) -> dict[str, Any]:
    model = model_of(source, options, options["name"])
    norms, radii = options["norms"], options["radii"]
    if len(norms) > 1 and radii:
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
        "threats": {norm: list(radii or [usual_eps(norm)]) for norm in norms},
        "diagnose": list(norms) if options["diagnose"] else [],
        "diagnose_samples": max(10, min(64, options["samples"])),
        "decide": options["decide"],
        "defense": "all" if defenses == ("all",) else [_defense(text) for words in defenses for text in _ids(words)],
    }


def _ids(words: str) -> list[str]:
    """Ids that are separated by commas, as `frontdef run` takes them; with a configuration it is one."""
    return [words] if re.search(r"[\s=]", words) else words.split(",")


def _defense(text: str) -> dict[str, Any]:
    """A row from ``'ID KEY=VALUE …'``."""
    identifier, *values = split_words(text, "--defense") or [""]
    return {"name": identifier, "config": parse_config(tuple(values))}


def _command() -> str:
    """The command line, without the options that choose what of it to do now."""
    words, skip = ["frontdef"], False
    for word in sys.argv[1:]:
        if skip:
            skip = False
        elif word in {"--only", "--shard"}:
            skip = True
        elif word not in {"--overwrite", "--report", "--json"} and not word.startswith(("--only=", "--shard=")):
            words.append(word)
    return shlex.join(words)
