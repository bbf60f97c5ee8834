"""``frontdef plugins``."""

from __future__ import annotations

import contextlib
import difflib
import sys
import textwrap
from collections import Counter
from collections.abc import Sequence

import click

from frontdef import registry
from frontdef.cli.text import print_json, print_table, width
from frontdef.counts import plural
from frontdef.registry import PluginStatus
from frontdef.registry.kinds import KINDS

COLORS = {"ok": "green", "failed": "red", "incompatible": "yellow", "duplicate": "yellow", "disabled": "bright_black"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--requirements", is_flag=True, help="Print pins that recreate the set, as a requirements file.")
@click.option("--load", is_flag=True, help="Import every plugin and all that it refers to, ML libraries included.")
def plugins(as_json: bool, requirements: bool, load: bool) -> None:
    """List plugins: version, status, what is wrong and how to mend it.

    FRONTDEF_PLUGINS=a,b allows only these plugins ('' allows none); FRONTDEF_STRICT=1 makes a broken one an error.
    """
    # Plugins may print while they are imported; standard output is for the table or the JSON alone.
    with contextlib.redirect_stdout(sys.stderr):
        rows = registry.plugins("resolve" if load else "guarded")
    if as_json:
        print_json([row.to_dict() for row in rows])
    elif requirements:
        _print_requirements(rows)
    else:
        _print_rows(rows)
    _warn_of_unknown(rows)


def _print_rows(rows: Sequence[PluginStatus]) -> None:
    print_table(
        ("PLUGIN", "DISTRIBUTION", "VERSION", "STATUS", "OFFERS, OR WHAT IS WRONG"),
        [(row.name, row.distribution, row.version, row.status, _about(row)) for row in rows],
        colors=[COLORS[row.status] for row in rows],
    )
    count = Counter(row.status for row in rows)
    states = ", ".join(f"{number} {status}" for status, number in count.items())
    click.echo(f"\n{plural(len(rows), 'plugin', 'plugins')}: {states}")
    if set(count) - {"ok", "disabled"}:
        click.echo("to go on with those that are ok:")
        click.echo(_allowing([row.name for row in rows[1:] if row.status == "ok"]))


def _allowing(names: Sequence[str]) -> str:
    """The variable that allows only these plugins, to be pasted: the shell joins lines that end in a backslash."""
    lines = textwrap.wrap(" ".join(names), width() - len("FRONTDEF_PLUGINS=,\\"), break_on_hyphens=False)
    return "FRONTDEF_PLUGINS=" + (",\\\n".join(line.replace(" ", ",") for line in lines) or "''")


def _about(row: PluginStatus) -> str:
    lines = [
        ", ".join(
            _offer(kind.singular, kind.plural, row.offers.get(kind.plural, ()))
            for kind in KINDS
            if row.offers.get(kind.plural)
        )
    ]
    lines += [row.reason, f"mend: {row.mend}" if row.mend else ""]
    return "\n".join(line for line in lines if line)


def _offer(singular: str, several: str, names: Sequence[str]) -> str:
    return f"{singular} {names[0]}" if len(names) == 1 else plural(len(names), singular, several)


def _print_requirements(rows: Sequence[PluginStatus]) -> None:
    for pin in sorted({row.pin for row in rows if row.status == "ok"}):
        click.echo(pin)
    for row in rows:
        if row.status != "ok":
            click.echo(f"# left out: {row.pin} is {row.status}")


def _warn_of_unknown(rows: Sequence[PluginStatus]) -> None:
    known = [name for row in rows for name in (row.name, row.distribution)]
    for name in registry.unknown_allowed():
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        click.echo(f"warning: FRONTDEF_PLUGINS names {name!r}, which is not installed.{hint}", err=True)
