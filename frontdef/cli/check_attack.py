"""``frontdef check-attack``."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import click

from frontdef.cli.arguments import COUNT, PATH, SEED
from frontdef.cli.complete import names
from frontdef.cli.model import own_look, own_model_options, source_of
from frontdef.errors import ConfigError, UnknownNameError

if TYPE_CHECKING:
    from frontdef.checks.invariants.tasks import Task


@click.command(name="check-attack")
@click.argument("target", metavar="LIBRARY[:FAMILY]", required=False, shell_complete=names("library"))
@click.option("--all", "everything", is_flag=True, help="Every row of every library, as a grid.")
@click.option("--cheap", is_flag=True, help="Leave out the families that take long.")
@click.option("--norm", help="Only this norm.")
@own_model_options
@click.option("--dataset", help="Of --model: the data set from whose test images it is attacked.")
@click.option("--eps", help="Of --model: the radius in --norm; default by norm: 8/255, 0.5, 12.")
@click.option("--samples", default=64, show_default=True, type=COUNT, help="Of --model: images to take.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of --model: which images are taken.")
@click.option("--device", default="cpu", show_default=True, help="Of --model: cpu or cuda.")
@click.option("--data", type=PATH, help="Folder of the data sets; default: FRONTDEF_DATA.")
@click.option("--download", is_flag=True, help="Allow data sets and weights to be downloaded.")
@click.option("--json", "as_json", is_flag=True, help="Print everything that was measured as JSON.")
@click.option(
    "--strict",
    is_flag=True,
    help="Exit code 1 where a violation is not a known one, or a known one is not seen any more.",
)
def check_attack(
    target: str | None, everything: bool, cheap: bool, norm: str | None, as_json: bool, strict: bool, **options: Any
) -> None:
    """Is the attack code of LIBRARY right? Tests invariants of each of its attacks on models of 64 pixels.

    With --model, on a model of yours and the first 24 of its images that are right. The checks whose answer must be
    known beforehand (exact distances, a constant model) keep their own models. A violation is a finding about that
    library, not an error of yours.
    """
    from frontdef.checks.invariants import examine, rows, to_grid, to_markdown
    from frontdef.checks.invariants.budget import EXPENSIVE
    from frontdef.cli.text import print_json
    from frontdef.registry import get_attack_libraries, get_families
    from frontdef.threat import check_norm

    if (target is None) != everything:
        raise ConfigError("name a LIBRARY or a LIBRARY:FAMILY, or ask for --all")
    library, _, family = (target or "").partition(":")
    libraries = get_attack_libraries()
    families = {record.name: record for record in get_families()}
    if target is not None and library not in libraries:
        raise UnknownNameError("attack library", library, libraries)
    if family and family not in families:
        raise UnknownNameError("attack family", family, families)
    if norm:
        check_norm(norm)
    task = _own(norm, options)
    chosen = [
        (offering, *row)
        for name, offering in libraries.items()
        if name == library or everything
        for row in rows(offering, families, family or None)
        if norm in (None, row[1]) and not (cheap and row[0].name in EXPENSIVE)
    ]
    reports = []
    for number, (offering, row_family, row_norm) in enumerate(chosen, 1):
        click.echo(f"{number} of {len(chosen)}: {offering.name} {row_family.name} {row_norm}", err=True)
        with redirect_stdout(sys.stderr):  # what a library prints is no answer
            reports.append(examine(offering, row_family, row_norm, task, _radius(row_norm, options["eps"], task)))
    if as_json:
        print_json([report.to_dict() for report in reports])
    else:
        click.echo(to_grid(reports) if everything else "\n\n".join(map(to_markdown, reports)))
    if strict and any(report.new or report.mended for report in reports):
        sys.exit(1)


def _own(norm: str | None, options: dict[str, Any]) -> Task | None:
    """What a user's model is attacked on; None where there is none."""
    from frontdef.checks.invariants.tasks import brought
    from frontdef.device import check_device

    source = source_of(options["source"], options)
    if source is None:
        if stray := next((name for name in ("dataset", "eps") if options[name]), ""):
            raise ConfigError(f"--{stray} is of a model of yours: --model FILE.py:function")
        return None
    if options["eps"] and norm is None:
        raise ConfigError("--eps is a radius in one norm: name it, as in --norm linf --eps 8/255")
    check_device(options["device"])
    protected, images, labels = own_look(source, "none", {}, options)
    return brought(source.name, protected, images, labels)


def _radius(norm: str, eps: str | None, task: Task | None) -> float | None:
    """What is asked for, or usual; None where the radius of the small model is."""
    from frontdef.threat import USUAL_EPS, parse_eps

    radius = eps or (USUAL_EPS.get(norm) if task else None)
    return None if radius is None else parse_eps(radius)
