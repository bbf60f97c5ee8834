"""``frontdef diagnose``."""

from __future__ import annotations

import sys

import click

from frontdef.checks.conformance import Subject
from frontdef.checks.masking import diagnose as diagnose_model
from frontdef.checks.masking import to_markdown
from frontdef.cli.arguments import parse_config, parse_shape
from frontdef.threat import Norm, ThreatModel, parse_eps

RADII: dict[Norm, str] = {"linf": "0.15", "l2": "1.5", "l1": "15"}
"""Where a small network on digits falls without a defense."""

LYING = ("masked", "invalid")


@click.command()
@click.argument("name")
@click.argument("values", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--norm", type=click.Choice(tuple(RADII)), default="linf", show_default=True, help="Of the threat model.")
@click.option("--eps", help="Radius, in [0,1] pixel values; default: 0.15, 1.5 or 15, by norm.")
@click.option("--surrogate", help="The gradient that the front end gives; default: its own.")
@click.option("--samples", default=64, show_default=True, type=click.IntRange(1, 128), help="Digits to look at.")
@click.option("--seed", default=0, show_default=True, help="Of every draw.")
@click.option("--image-shape", default="1,28,28", show_default=True, help="C,H,W of the images to look at.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option("--json", "as_json", is_flag=True, help="Print everything that was measured as JSON.")
def diagnose(
    name: str,
    values: tuple[str, ...],
    norm: Norm,
    eps: str | None,
    surrogate: str | None,
    samples: int,
    seed: int,
    image_shape: str,
    device: str,
    as_json: bool,
) -> None:
    """Is the gradient of the defense NAME lying? Checks it on digits, with a small classifier trained behind it.

    Configuration follows as KEY=VALUE, values in TOML. Exit code 1 where the verdict is masked or invalid.
    """
    from frontdef.cli.text import print_json
    from frontdef.models.load import check_device

    check_device(device)
    threat = ThreatModel(norm, parse_eps(eps or RADII[norm]))
    subject = Subject(name, parse_config(values), parse_shape(image_shape), device)
    subject.build(surrogate)  # what can't be configured is refused before a classifier is trained
    x, y = (tensor[:samples].to(subject.device) for tensor in (subject.test.images, subject.test.labels))
    certificate = subject.defense.load_certificate()
    certified = None if certificate is None else certificate.certify(subject.protected, x, y, threat)
    with subject.protected.surrogate(surrogate):
        diagnosis = diagnose_model(subject.protected, x, y, threat, seed=seed, certified=certified)
    if as_json:
        print_json(diagnosis.to_dict())
    else:
        click.echo(to_markdown(f"`frontdef diagnose {' '.join((name, *values))}`", diagnosis))
    if diagnosis.verdict in LYING:
        sys.exit(1)
