"""``frontdef new-plugin``."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from string import Template
from typing import NamedTuple

import click

from frontdef import registry
from frontdef._version import __version__
from frontdef.cli.answer import answer
from frontdef.cli.arguments import PathType
from frontdef.errors import ConfigError, FrontdefError
from frontdef.registry.discovery import BUILTIN

PREFIX = "frontdef-"
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class PluginKind(NamedTuple):
    """What a plugin can bring, and the templates of a small one that works.

    Args:
        what: What it is, for its description.
        offers: How the registry calls what it offers.
        modules: Its modules beside ``__init__.py``.
        next: What to type once it is installed.
    """

    what: str
    offers: str
    modules: tuple[str, ...]
    next: str


KINDS = {
    "defense": PluginKind("The $name front end", "defenses", ("config", "front_end"), "frontdef check $name"),
    "attacks": PluginKind(
        "The attack library $name", "attack libraries", ("library",), "frontdef check-attack $name:fgsm"
    ),
    "dataset": PluginKind("The data set $name", "data sets", ("data",), "frontdef train none --dataset $name"),
    "classifier": PluginKind(
        "The classifier $name", "classifiers", ("network",), "frontdef train none --classifier $name"
    ),
    "metric": PluginKind("The metric $name", "metrics", ("metric",), "frontdef ls metrics"),
    "logger": PluginKind("The logger $name", "loggers", ("log",), "frontdef ls loggers"),
    "models": PluginKind("The zoo $name", "model zoos", ("models",), "frontdef ls models $name"),
}
"""Kind → its row; the templates of a kind are in a folder of its name."""


def files_of(kind: str) -> dict[str, str | None]:
    """File of the plugin → its template, or None for an empty file."""
    modules = {f"{{module}}/{name}.py": f"{kind}/{name}.py.in" for name in KINDS[kind].modules}
    return {
        "pyproject.toml": "pyproject.toml.in",
        "README.md": f"{kind}/README.md.in",
        "{module}/__init__.py": f"{kind}/init.py.in",
        **modules,
        "{module}/py.typed": None,
        "tests/test_{module}.py": f"{kind}/test.py.in",
    }


@click.command()
@click.argument("name")
@click.option("--kind", type=click.Choice(list(KINDS)), default="defense", show_default=True, help="What it brings.")
@click.option(
    "--into",
    type=PathType(file_okay=False),
    default=Path(),
    help="Folder to put it in; default: here.",
)
def new_plugin(name: str, kind: str, into: Path) -> None:
    """Start a plugin: a small, working distribution frontdef-NAME with its tests.

    NAME is the id by which users ask for what it brings: lower case letters and digits with dashes.
    """
    name = _check_name(name.removeprefix(PREFIX), kind)
    folder = write_plugin(name, into, kind)
    answer(folder=folder, name=name, kind=kind)
    click.echo(f"{folder} is a working plugin. Next:\n")
    after = Template(KINDS[kind].next).substitute(name=name)
    click.echo(f'  pip install -e "{folder}[test]"\n  {after}\n  pytest {folder}')


def write_plugin(name: str, into: Path, kind: str = "defense") -> Path:
    """Write a distribution.

    Args:
        name: Id of what it brings.
        into: The folder that will hold ``frontdef-NAME``; made where it is missing.
        kind: A row of `KINDS`.

    Returns:
        The distribution's folder.

    Raises:
        FrontdefError: It is there already, or can't be written.
    """
    folder = into / f"{PREFIX}{name}"
    values = _values(name, kind)
    templates = resources.files("frontdef.cli").joinpath("template")
    try:
        folder.mkdir(parents=True)
        for path, source in files_of(kind).items():
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


def _values(name: str, kind: str) -> dict[str, str]:
    major, minor = __version__.split(".")[:2]
    return {
        "name": name,
        "what": Template(KINDS[kind].what).substitute(name=name),
        "dist": f"{PREFIX}{name}",
        "module": f"{PREFIX}{name}".replace("-", "_"),
        "class": "".join(part.capitalize() for part in name.split("-")),
        "host": f"frontdef>={major}.{minor},<{major}.{int(minor) + 1}",
    }


def _check_name(name: str, kind: str) -> str:
    if not NAME.fullmatch(name):
        near = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789")
        hint = f". Did you mean {near!r}?" if NAME.fullmatch(near) else ""
        raise ConfigError(
            f"a plugin's name is lower case letters and digits with dashes, a letter first; got {name!r}{hint}"
        )
    for row in registry.plugins("guarded"):
        if name in {row.name, BUILTIN, *row.offers.get(KINDS[kind].offers, ())}:
            raise ConfigError(f"the name {name!r} is taken by {row.distribution} {row.version}: choose another")
    return name
