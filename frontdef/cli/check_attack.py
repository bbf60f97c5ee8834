"""``frontdef check-attack``."""

from __future__ import annotations

import sys

import click

from frontdef.errors import ConfigError, UnknownNameError


@click.command(name="check-attack")
@click.argument("target", metavar="LIBRARY[:FAMILY]", required=False)
@click.option("--all", "everything", is_flag=True, help="Every row of every library, as a grid.")
@click.option("--cheap", is_flag=True, help="Leave out the families that take long.")
@click.option("--norm", help="Only this norm.")
@click.option("--json", "as_json", is_flag=True, help="Print everything that was measured as JSON.")
@click.option("--strict", is_flag=True, help="Exit code 1 where a violation is not a known one.")
def check_attack(
    target: str | None, everything: bool, cheap: bool, norm: str | None, as_json: bool, strict: bool
) -> None:
    """Is the attack code of LIBRARY right? Tests invariants of each of its attacks on models of 64 pixels.

    A violation is a finding about that library, not an error of yours. The models are its own, because of them the
    right answer is known beforehand; on a model of yours `frontdef evaluate` checks what can be checked there.
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
        reports.append(examine(offering, row_family, row_norm))
    if as_json:
        print_json([report.to_dict() for report in reports])
    else:
        click.echo(to_grid(reports) if everything else "\n\n".join(map(to_markdown, reports)))
    if strict and any(report.new for report in reports):
        sys.exit(1)
