"""``frontdef new-plugin``."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from string import Template

import click

from frontdef import registry
from frontdef._version import __version__
from frontdef.cli.arguments import PathType
from frontdef.errors import ConfigError, FrontdefError
from frontdef.registry.discovery import BUILTIN

PREFIX = "frontdef-"
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")

FILES = {
    "pyproject.toml": "pyproject.toml.in",
    "README.md": "README.md.in",
    "{module}/__init__.py": "init.py.in",
    "{module}/config.py": "config.py.in",
    "{module}/front_end.py": "front_end.py.in",
    "{module}/py.typed": None,
    "tests/test_{module}.py": "test_defense.py.in",
}
"""File of the plugin → its template, or None for an empty file."""


@click.command()
@click.argument("name")
@click.option(
    "--into",
    type=PathType(file_okay=False),
    default=Path(),
    help="Folder to put it in; default: here.",
)
def new_plugin(name: str, into: Path) -> None:
    """Start a plugin: a small, working distribution frontdef-NAME with its tests.

    NAME is the id by which users load the defense: lower case letters and digits with dashes.
    """
    name = _check_name(name.removeprefix(PREFIX))
    folder = write_plugin(name, into)
    click.echo(f"{folder} is a working plugin. Next:\n")
    click.echo(f'  pip install -e "{folder}[test]"\n  frontdef check {name}\n  pytest {folder}')


def write_plugin(name: str, into: Path) -> Path:
    """Write the distribution of a defense.

    Args:
        name: Id of the defense.
        into: The folder that will hold ``frontdef-NAME``; made where it is missing.

    Returns:
        The distribution's folder.

    Raises:
        FrontdefError: It is there already, or can't be written.
    """
    folder = into / f"{PREFIX}{name}"
    values = _values(name)
    templates = resources.files("frontdef.cli").joinpath("template")
    try:
        folder.mkdir(parents=True)
        for path, source in FILES.items():
            target = folder / path.format_map(values)
            target.parent.mkdir(exist_ok=True)
            text = templates.joinpath(source).read_text(encoding="utf-8") if source else ""
            target.write_text(Template(text).substitute(values), encoding="utf-8")
    except FileExistsError:
        raise FrontdefError(
            f"{folder} exists already, and nothing is overwritten: choose another name or --into"
        ) from None
    except OSError as error:
        raise FrontdefError(f"cannot write {folder}: {error.strerror}") from None
    return folder


def _values(name: str) -> dict[str, str]:
    major, minor = __version__.split(".")[:2]
    return {
        "name": name,
        "dist": f"{PREFIX}{name}",
        "module": f"{PREFIX}{name}".replace("-", "_"),
        "class": "".join(part.capitalize() for part in name.split("-")),
        "host": f"frontdef>={major}.{minor},<{major}.{int(minor) + 1}",
    }


def _check_name(name: str) -> str:
    if not NAME.fullmatch(name):
        near = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789")
        hint = f". Did you mean {near!r}?" if NAME.fullmatch(near) else ""
        raise ConfigError(
            f"a plugin's name is lower case letters and digits with dashes, a letter first; got {name!r}{hint}"
        )
    for row in registry.plugins("guarded"):
        if name in {row.name, BUILTIN, *row.offers.get("defenses", ())}:
            raise ConfigError(f"the name {name!r} is taken by {row.distribution} {row.version}: choose another")
    return name
