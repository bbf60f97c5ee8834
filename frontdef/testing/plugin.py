"""The kit for a distribution: found, light, capped, and honest about what it needs."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distribution, entry_points, packages_distributions
from pathlib import Path
from typing import ClassVar

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from frontdef import hookspecs
from frontdef._version import __version__
from frontdef.registry import plugins

HEAVY = ("torch", "torchvision", "art", "foolbox", "torchattacks", "numpy", "scipy", "sklearn", "PIL", "pandas")
"""What no listing of plugins may import."""

LIGHT = {"frontdef", "packaging", "pydantic", "pydantic-core", "setuptools"}
"""Distributions that a listing may import."""

HOOKS = tuple(name for name in vars(hookspecs) if name.startswith("frontdef_"))

ASK = """
import importlib, json, sys
plugin = importlib.import_module({module!r})
for hook in {hooks!r}:
    for record in getattr(plugin, hook, tuple)():
        if isinstance(record, str):
            place, _, name = record.partition(":")
            record = getattr(importlib.import_module(place), name)
        if hasattr(record, "table"):
            (record() if isinstance(record, type) else record).table()
print(sorted(set({heavy!r}) & set(sys.modules)))
"""


class PluginConformance:
    """Subclass it and name a distribution."""

    distribution: ClassVar[str]
    """Its name, ``frontdef-x``; the module is ``frontdef_x``, the entry point ``x``."""

    @classmethod
    def _module(cls) -> str:
        return cls.distribution.replace("-", "_")

    @classmethod
    def _folder(cls) -> Path:
        spec = importlib.util.find_spec(cls._module())
        assert spec is not None, f"{cls._module()} is not installed: pip install -e {cls.distribution}"
        assert spec.origin is not None, f"{cls._module()} has no __init__.py"
        return Path(spec.origin).parent

    def test_frontdef_finds_it(self) -> None:
        """The entry point has the distribution's name and leads to its module, and the plugin is listed as ok."""
        name = self.distribution.removeprefix("frontdef-")
        (entry,) = entry_points(group="frontdef", name=name)
        assert entry.value == self._module()
        (row,) = [row for row in plugins() if row.distribution == self.distribution]
        assert row.status == "ok", row.reason

    def test_importing_it_imports_no_ml_library(self) -> None:
        """Neither its module nor any of its hooks imports torch, ART or another heavy library."""
        dependencies = self._required() - LIGHT
        needed = {name for name, dists in packages_distributions().items() if dependencies & _canonical(dists)}
        heavy = sorted({*HEAVY, *needed})
        code = ASK.format(module=self._module(), hooks=HOOKS, heavy=heavy)
        ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        imported = ended.stdout.strip()
        assert imported == "[]", f"naming what {self.distribution} offers imports {imported}: use references"

    def test_frontdef_is_capped(self) -> None:
        """It requires frontdef below the next minor version: the cap is the contract."""
        (frontdef,) = [
            requirement
            for requirement in self._requirements()
            if canonicalize_name(requirement.name) == "frontdef" and not requirement.marker
        ]
        version = Version(__version__)
        following = f"{version.major}.{version.minor + 1}"
        assert frontdef.specifier.contains(__version__, prereleases=True), f"{frontdef} excludes frontdef {__version__}"
        assert not frontdef.specifier.contains(following), f"{frontdef} has no cap: say frontdef>=0.1,<{following}"

    def test_what_it_imports_is_declared(self) -> None:
        """Every distribution that its code imports is among its requirements, those of its extras included."""
        provided = packages_distributions()
        undeclared = set()
        for file in self._folder().rglob("*.py"):
            for name in _imports(ast.parse(file.read_text(encoding="utf-8"))):
                root = name.partition(".")[0]
                dists = _canonical(provided.get(root, []))
                if root != self._module() and dists and not dists & self._required():
                    undeclared.add(f"{root} ({file.name})")
        assert not undeclared, f"imported and not declared in pyproject.toml: {', '.join(sorted(undeclared))}"

    def test_its_modules_import_each_other_in_one_direction(self) -> None:
        """No circle of imports, inside functions and under ``TYPE_CHECKING`` neither."""
        graph = {_dotted(file, self._folder(), self._module()): file for file in self._folder().rglob("*.py")}
        edges = {}
        for module, file in graph.items():
            names = set(_imports(ast.parse(file.read_text(encoding="utf-8"))))
            edges[module] = {name for name in names if name in graph and name not in {module, self._module()}}
        circle = _circle(edges)
        assert not circle, f"circle of imports: {' -> '.join(circle)}"

    @classmethod
    def _requirements(cls) -> list[Requirement]:
        return [Requirement(line) for line in distribution(cls.distribution).requires or ()]

    @classmethod
    def _required(cls) -> set[str]:
        return {canonicalize_name(requirement.name) for requirement in cls._requirements()}


def _canonical(names: list[str]) -> set[str]:
    return {canonicalize_name(name) for name in names}


def _imports(tree: ast.AST) -> Iterator[str]:
    """Modules that a file imports; a name that is taken from a package counts as a module of it, too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _dotted(file: Path, folder: Path, module: str) -> str:
    inside = file.relative_to(folder).with_suffix("").parts
    return ".".join((module, *(name for name in inside if name != "__init__")))


def _circle(edges: dict[str, set[str]]) -> list[str]:
    """One circle in a graph, its first module again at the end; empty without one."""
    done: set[str] = set()

    def walk(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        for following in sorted(edges[module]):
            if circle := walk(following, [*path, module]):
                return circle
        done.add(module)
        return []

    for start in sorted(edges):
        if circle := walk(start, []):
            return circle
    return []
