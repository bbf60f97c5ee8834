"""Hashes of source code: what was computed by code that has been edited since is not served again."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.util
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

APART: Mapping[str, str] = {
    "frontdef._version": "stands in the keys itself",
    "frontdef.attacks.families": "an attack's parameters stand in the key of its result",
    "frontdef.attacks.library": "a record of a library's rows; `AttackLibrary.code` hashes the row that is run",
    "frontdef.builtin": "names what the core offers",
    "frontdef.checks.masking.budget": "stands in the key of a diagnosis",
    "frontdef.code": "makes keys: what it changes in them is seen in them",
    "frontdef.config": "checks parameters, which stand in the keys",
    "frontdef.datasets": "`Dataset.describe` hashes it, and stands in the keys",
    "frontdef.defense": "a record; the front end, its configuration and its certificate stand in the keys",
    "frontdef.errors": "words",
    "frontdef.heap": "gives memory back",
    "frontdef.hookspecs": "names what plugins offer",
    "frontdef.lazy": "imports what is named; that is hashed itself",
    "frontdef.lock": "makes others wait",
    "frontdef.matrix.entries": "what a matrix asks for, which stands in the keys",
    "frontdef.matrix.row": "what a matrix asks for, which stands in the keys",
    "frontdef.matrix.rows": "which models a matrix asks for; their keys stand in the keys",
    "frontdef.matrix.tables": "names and units of columns",
    "frontdef.matrix.told": "words",
    "frontdef.metrics": "a record; the function that it names is hashed",
    "frontdef.models": "a model's key stands in the key of what is done with it",
    "frontdef.notebook": "shows what was computed",
    "frontdef.reading": "reads files",
    "frontdef.registry": "finds what is named; that is hashed itself",
    "frontdef.runs": "runs jobs and stores what they return",
    "frontdef.tensorfile": "writes tensors and reads the same ones",
    "frontdef.weights": "writes tensors and reads the same ones",
    "frontdef.whole": "writes files",
    "frontdef.zoo": "records; a model that somebody else trained is known by its weights, code and reading",
}
"""Modules and packages that decide no number, and why: what computes a result is hashed without them."""


def code_of(reference: Any) -> str:
    """Hash of the source behind a reference, so that an edited plugin of the same version is not taken for the old one.

    Of a plugin, the whole package counts; of a module of frontdef, what it computes with, because a hash of all of
    frontdef would make every model stale with every edit.

    Args:
        reference: An object, or ``"package.module:attribute"``, which is not imported.

    Returns:
        16 hexadecimal digits; empty where there is no source file.
    """
    module = module_of(reference)
    top = module.partition(".")[0]
    return computing(module) if top == "frontdef" != module else _hash_package(top)


@lru_cache(maxsize=256)
def computing(*modules: str) -> str:
    """Hash of modules and of all that they compute with: `code_reached` without `APART`.

    Args:
        modules: Names of modules, which count in any case and are not imported.
    """
    return code_reached(modules, apart=tuple(APART))


def code_reached(modules: Iterable[str], within: str = "frontdef", apart: tuple[str, ...] = ()) -> str:
    """Hash of modules and of every module that they import at their top, directly or not.

    Imports under ``TYPE_CHECKING`` and inside functions are not followed, packages on the way are not read.

    Args:
        modules: Names of modules, which are not imported.
        within: The package whose modules count; what is imported from elsewhere does not.
        apart: Modules and packages in it that do not count and are not followed.

    Returns:
        16 hexadecimal digits. The first call reads each file once, later ones none.

    Raises:
        ModuleNotFoundError: One of the modules does not exist.
    """
    return _hash_reached(frozenset(modules), within, apart)


def modules_reached(modules: Iterable[str], within: str = "frontdef", apart: tuple[str, ...] = ()) -> frozenset[str]:
    """Names of the modules that `code_reached` reads.

    Args:
        modules: As there.
        within: As there.
        apart: As there.
    """
    left_out = tuple(f"{name}." for name in apart)
    reached: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached.add(module)
            waiting += [
                name
                for name in _imports(module)
                if f"{name}.".startswith(f"{within}.") and not f"{name}.".startswith(left_out)
            ]
    return frozenset(reached)


@lru_cache(maxsize=256)
def version_of(distribution: str) -> str:
    """Version of an installed distribution; its metadata is parsed once a process, because that takes 10 ms.

    Raises:
        PackageNotFoundError: It is not installed.
    """
    return importlib.metadata.version(distribution)


def module_of(reference: Any) -> str:
    """Name of the module of an object, or of ``"package.module:attribute"``; empty where it has none."""
    return reference.partition(":")[0] if isinstance(reference, str) else getattr(reference, "__module__", "")


def clear() -> None:
    """Forget what was read, so that the next question reads the files again."""
    for cached in (computing, _hash_package, _hash_reached, _imports, version_of):
        cached.cache_clear()


@lru_cache(maxsize=64)
def _hash_package(name: str) -> str:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return ""
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        return ""
    origin = Path(spec.origin)
    files = sorted(origin.parent.rglob("*.py")) if spec.submodule_search_locations else [origin]
    return _hash({file.relative_to(origin.parent).as_posix(): file for file in files})


@lru_cache(maxsize=256)
def _hash_reached(modules: frozenset[str], within: str, apart: tuple[str, ...]) -> str:
    return _hash({module: _file(module) for module in sorted(modules_reached(modules, within, apart))})


def _hash(files: dict[str, Path]) -> str:
    digest = hashlib.sha256()
    for name, file in files.items():
        digest.update(name.encode() + b"\0")
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _file(module: str) -> Path:
    """The file of a module of a package, found beside the package's own: nothing is imported but the package."""
    top, _, rest = module.partition(".")
    spec = importlib.util.find_spec(top)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no module {module}", name=module)
    path = Path(spec.origin).parent.joinpath(*rest.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    raise ModuleNotFoundError(f"no module {module}", name=module)


@lru_cache(maxsize=256)
def _imports(module: str) -> tuple[str, ...]:
    """The modules that a module imports when it is imported itself, as far as they are in its own package."""
    top = module.partition(".")[0]
    names: list[str] = []
    for node in ast.parse(_file(module).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [f"{node.module}.{alias.name}" for alias in node.names] + [node.module]
    return tuple(dict.fromkeys(name for name in names if name.startswith(f"{top}.") and _exists(name)))


def _exists(module: str) -> bool:
    try:
        _file(module)
    except ModuleNotFoundError:
        return False
    return True
