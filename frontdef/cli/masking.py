"""``frontdef diagnose``."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import click

from frontdef.checks.conformance import Subject
from frontdef.checks.masking import diagnose as diagnose_model
from frontdef.checks.masking import to_markdown
from frontdef.cli.arguments import COUNT, PATH, SEED, parse_config, parse_shape
from frontdef.cli.complete import names
from frontdef.cli.model import own_look, own_model_options, source_of
from frontdef.device import check_device
from frontdef.errors import ConfigError
from frontdef.registry import get_defense
from frontdef.threat import Norm, ThreatModel, parse_eps, usual_eps

if TYPE_CHECKING:
    from torch import Tensor

    from frontdef.models.sources import ModelSource
    from frontdef.protected import Protected

    Look = tuple[Protected, Tensor, Tensor, str]

RADII: dict[Norm, str] = {"linf": "0.15", "l2": "1.5", "l1": "15"}
"""Where a small network on digits falls without a defense."""

LYING = ("masked", "invalid")


@click.command()
@click.argument("name", required=False, shell_complete=names("defense"))
@click.argument("values", nargs=-1, metavar="[KEY=VALUE]...")
@own_model_options
@click.option("--dataset", help="Of --model: the data set on whose test images it is looked at.")
@click.option("--norm", type=click.Choice(tuple(RADII)), default="linf", show_default=True, help="Of the threat model.")
@click.option("--eps", help="Radius, in [0,1] pixel values; default by norm: 0.15, 1.5, 15; of --model 8/255, 0.5, 12.")
@click.option("--surrogate", help="The gradient that the front end gives; default: its own.")
@click.option("--samples", default=64, show_default=True, type=COUNT, help="Images to look at first.")
@click.option(
    "--most",
    type=COUNT,
    help="Images up to which it goes on while undecided; default: all 128 digits, of --model no more than --samples.",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of every draw.")
@click.option("--image-shape", default="1,28,28", show_default=True, help="C,H,W of the digits to look at.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option("--data", type=PATH, help="Folder of the data sets; default: FRONTDEF_DATA.")
@click.option("--download", is_flag=True, help="Allow data sets and weights to be downloaded.")
@click.option("--json", "as_json", is_flag=True, help="Print everything that was measured as JSON.")
def diagnose(name: str | None, values: tuple[str, ...], norm: Norm, **options: Any) -> None:
    """Is the gradient of the defense NAME lying? Checks it on digits, with a small classifier trained behind it.

    With --model, it is checked before a model of yours, as it is, on test images of --dataset; without NAME the model
    alone. Configuration follows as KEY=VALUE, values in TOML. Exit code 1 where the verdict is masked or invalid.
    """
    from frontdef.cli.text import print_json

    check_device(options["device"])
    source = source_of(options["source"], options)
    config = parse_config(values)
    usual = usual_eps(norm) if source else RADII[norm]
    threat = ThreatModel(norm, parse_eps(options["eps"] or usual))
    look = _small(name, config, options) if source is None else _own(source, name or "none", config, options)
    protected, x, y, defense = look
    certificate = get_defense(defense).load_certificate()

    def certified(images: Tensor, labels: Tensor) -> Tensor | None:
        return None if certificate is None else certificate.certify(protected, images, labels, threat)

    with protected.surrogate(options["surrogate"]), redirect_stdout(sys.stderr):  # what a model prints is no answer
        diagnosis = diagnose_model(
            protected, x, y, threat, first=options["samples"], seed=options["seed"], certified=certified
        )
    if options["as_json"]:
        print_json(diagnosis.to_dict())
    else:
        words = ["frontdef diagnose", *([f"--model {options['source']}"] if source else []), *filter(None, [name])]
        click.echo(to_markdown(f"`{' '.join((*words, *values))}`", diagnosis))
    if diagnosis.verdict in LYING:
        sys.exit(1)


def _small(name: str | None, config: dict[str, Any], options: dict[str, Any]) -> Look:
    """A defense with a small classifier that is trained behind it."""
    if name is None:
        raise ConfigError("what is diagnosed? NAME of a defense, or --model FILE.py:function with --dataset")
    if options["dataset"]:
        raise ConfigError(
            "--dataset is of a model of yours: --model FILE.py:function; a defense alone is looked at on digits"
        )
    subject = Subject(name, config, parse_shape(options["image_shape"]), options["device"])
    subject.build(options["surrogate"])  # what can't be configured is refused before a classifier is trained
    samples, there = options["samples"], len(subject.test)
    if samples > there:
        raise ConfigError(f"there are {there} digits to look at, --samples {samples} are asked for")
    most = there if options["most"] is None else max(samples, options["most"])
    x, y = (tensor[:most].to(subject.device) for tensor in (subject.test.images, subject.test.labels))
    return subject.protected, x, y, name


def _own(source: ModelSource, name: str, config: dict[str, Any], options: dict[str, Any]) -> Look:
    """A user's model behind a defense, as it is."""
    most = max(options["samples"], options["most"] or 0)
    return (*own_look(source, name, config, {**options, "samples": most}), name)
