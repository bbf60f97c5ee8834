"""``frontdef check``."""

from __future__ import annotations

import sys

import click

from frontdef.checks.conformance import Subject
from frontdef.checks.conformance import check as check_subject
from frontdef.cli.answer import answer
from frontdef.cli.arguments import parse_config, parse_shape
from frontdef.cli.complete import names
from frontdef.device import check_device
from frontdef.registry import get_defense


@click.command()
@click.argument("name", shell_complete=names("defense"))
@click.argument("values", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--image-shape", default="1,28,28", show_default=True, help="C,H,W of the images to test on.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
def check(name: str, values: tuple[str, ...], image_shape: str, device: str) -> None:
    """Test every promise of the defense NAME on small data, in seconds; minutes where training or encoding is slow.

    Configuration follows as KEY=VALUE, values in TOML. Exit code 1 where one is broken.
    """
    check_device(device)
    config = parse_config(values)
    get_defense(name).configure(config)  # a value that is not allowed is one mistake, not a failure of every property
    verdict = check_subject(Subject(name, config, parse_shape(image_shape), device))
    answer(
        defense=name, config=config, passed=verdict.passed, findings=[finding.to_dict() for finding in verdict.findings]
    )
    click.echo(verdict.to_markdown())
    if not verdict.passed:
        click.echo(f"\nfailing: {', '.join(alarm.name for alarm in verdict.alarms)}", err=True)
        sys.exit(1)
