"""A guard that refuses ML imports, so that listing plugins stays instant whatever their authors import."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import FrameType, ModuleType

HEAVY = frozenset({
    "art", "cv2", "eagerpy", "foolbox", "jax", "keras", "kornia", "matplotlib", "mlflow", "numba", "pandas", "ptwt",
    "scipy", "sklearn", "tensorflow", "torch", "torchattacks", "torchaudio", "torchvision", "transformers", "wandb",
})  # fmt: skip
"""Top-level modules that take a second or more, or that import one that does."""


class RefusedImportError(ImportError):
    """An import that the guard refused."""


class _Guard(MetaPathFinder):
    """Refuses what is in `HEAVY`, and remembers which modules were being executed then."""

    def __init__(self) -> None:
        self.refused: list[str] = []
        self.witnesses: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] not in HEAVY:
            return None
        self.refused.append(fullname)
        self.witnesses |= _executing()
        raise RefusedImportError(f"{fullname} is not imported while plugins are listed", name=fullname)


def _executing() -> set[str]:
    """Names of the modules whose bodies are on the stack."""
    modules = set()
    frame: FrameType | None = sys._getframe(1)
    while frame:
        if frame.f_code.co_name == "<module>":
            modules.add(str(frame.f_globals.get("__name__")))
        frame = frame.f_back
    return modules


@contextmanager
def light_imports(package: str) -> Iterator[list[str]]:
    """Refuse ML imports; where one was refused, forget what was imported meanwhile and saw it.

    A module may survive a refused import: it caught the error, or it had been imported before its package failed.
    Either would be half a module to whoever imports it later in the same process, so it is removed.

    Args:
        package: The plugin's top-level module.

    Yields:
        The names that were refused, filled as it happens; a module that is imported already is never refused.
    """
    guard, before = _Guard(), frozenset(sys.modules)
    sys.meta_path.insert(0, guard)
    try:
        yield guard.refused
    finally:
        sys.meta_path.remove(guard)
        if guard.refused:
            for name in [name for name in sys.modules if name not in before]:
                if name in guard.witnesses or name.partition(".")[0] == package:
                    _forget(name)


def _forget(name: str) -> None:
    module = sys.modules.pop(name)
    parent, _, child = name.rpartition(".")
    holder = sys.modules.get(parent)
    if holder is not None and getattr(holder, child, None) is module:
        delattr(holder, child)
