"""A user's FILE.py as a module: run in its own folder's name space, never confused with a file of the same name."""

from __future__ import annotations

import ast
import hashlib
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType


def local_sources(file: Path) -> dict[str, Path]:
    """The file and all modules of its own folder that it imports, directly or through each other.

    Args:
        file: A Python file that exists.

    Returns:
        Module name → file; the file itself under its stem. What a file imports under a computed name is not seen.
    """
    folder, sources, waiting = file.parent, {file.stem: file}, [(file.stem, file)]
    while waiting:
        name, path = waiting.pop()
        for imported in _imports(path, name):
            for module, source in _resolve(folder, imported):
                if module not in sources:
                    sources[module] = source
                    waiting.append((module, source))
    return sources


def code_of_file(file: Path) -> dict[str, str]:
    """Hashes of a file and of the local modules that it imports: relative path → 16 hexadecimal digits."""
    paths = {path.relative_to(file.parent).as_posix(): path for path in local_sources(file).values()}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest()[:16] for name, path in sorted(paths.items())}


@contextmanager
def own_folder(file: Path) -> Iterator[None]:
    """Import from a file's folder first, and forget afterwards what was imported from there.

    Two model files in two folders may each have a ``blocks.py``: the second must not get the first one's, nor leave its
    own to whatever is imported later.
    """
    local = [name for name in local_sources(file) if name != file.stem and name.partition(".")[0] not in _RESERVED]
    hidden = {name: sys.modules.pop(name) for name in local if name in sys.modules}
    folder, written = str(file.parent), sys.dont_write_bytecode
    sys.path.insert(0, folder)
    sys.dont_write_bytecode = True  # an edit within a second would be served from a stale bytecode file
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.dont_write_bytecode = written
        sys.path.remove(folder)
        for name in local:
            sys.modules.pop(name, None)
        sys.modules.update(hidden)


def load_file(file: Path) -> ModuleType:
    """Run a file as a module of a name that no other file has. Call it within `own_folder`.

    Whatever the file raises is passed on, SystemExit included.
    """
    source = file.read_bytes()
    name = f"frontdef_user_{file.stem}_{hashlib.sha256(str(file.resolve()).encode() + source).hexdigest()[:12]}"
    module = ModuleType(name)
    module.__file__ = str(file)
    sys.modules[name] = module  # dataclasses and pickles look their module up
    try:
        exec(compile(source, str(file), "exec"), module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
    return module


_RESERVED = frozenset(sys.stdlib_module_names) | {"torch", "numpy", "frontdef"}


def _imports(path: Path, name: str) -> list[str]:
    """Dotted names that a file imports; of ``from a import b`` both ``a`` and ``a.b``, since b may be a module."""
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError:
        return []
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            start = ".".join([*filter(None, above), *filter(None, [node.module])])
            names += [start, *(f"{start}.{alias.name}" if start else alias.name for alias in node.names)]
    return [name for name in names if name]


def _resolve(folder: Path, dotted: str) -> Iterator[tuple[str, Path]]:
    """The files of a dotted name in a folder, its parent packages included."""
    steps = dotted.split(".")
    for depth in range(1, len(steps) + 1):
        place = folder.joinpath(*steps[:depth])
        for candidate in (place / "__init__.py", place.with_suffix(".py")):
            if candidate.is_file():
                yield ".".join(steps[:depth]), candidate
                break
