"""References that are resolved when they are first needed, so that listing plugins imports no ML library."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from frontdef.errors import ConfigError


def resolve(reference: Any) -> Any:
    """Return what a reference points to.

    Args:
        reference: An object, returned as it is, or a string ``"package.module:attribute"``.

    Raises:
        ConfigError: A string that is not of this form, or an attribute that does not exist.
    """
    if not isinstance(reference, str):
        return reference
    module, separator, attribute = reference.partition(":")
    if not separator or not module or not attribute:
        raise ConfigError(f"a lazy reference reads 'package.module:attribute', got {reference!r}")
    try:
        return getattr(importlib.import_module(module), attribute)
    except AttributeError:
        raise ConfigError(
            f"module {module!r} has no attribute {attribute!r} (from the reference {reference!r})"
        ) from None


def attributes(package: str, homes: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """A package's ``__getattr__``: names that are imported from its modules when they are first used.

    Args:
        package: Its ``__name__``.
        homes: Module → the names that it holds.
    """
    home_of = {name: home for home, names in homes.items() for name in names}

    def get(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(home_of[name]), name)

    return get
