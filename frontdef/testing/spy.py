"""What a library is called with: its callables, watched while an adapter runs."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import re
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import SequenceMatcher
from typing import Any
from unittest.mock import patch

import numpy as np
from torch import Tensor

RUNS = ("__call__", "generate", "run")
"""Methods by which attacks are started."""


class Reached(BaseException):
    """The attack would start now: all that was to be seen has been seen."""


class Call(dict[str, Any]):
    """One call: ``call`` is its name, the rest its arguments as values that can be compared."""


@contextmanager
def watched(modules: Sequence[str], ends: str) -> Iterator[list[Call]]:
    """Record every call of the public functions and classes of some modules, and of methods of what those build.

    Args:
        modules: Import paths.
        ends: Words; a call that one of them names is recorded and not run: an attack that is a function, or the start
            of one that is an object. That ends the block.
    """
    calls: list[Call] = []
    last = set(re.findall(r"\w+", ends))
    with contextlib.ExitStack() as stack:
        for name in modules:
            module = importlib.import_module(name)
            for attribute, value in list(vars(module).items()):
                if not attribute.startswith("_") and inspect.isclass(value) | inspect.isfunction(value):
                    stack.enter_context(patch.object(module, attribute, _Watched(attribute, value, calls, last)))
        with contextlib.suppress(Reached):
            yield calls


class _Watched:
    """A function or a class; everything else about it is as it was."""

    def __init__(self, name: str, real: Any, calls: list[Call], last: set[str]) -> None:
        self._name, self._real, self._calls, self._last = name, real, calls, last

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self._calls.append(_recorded(self._name, self._real, args, kwargs))
        if inspect.isclass(self._real):
            return _Built(self._name, self._real(*args, **kwargs), self._calls, self._last)
        if self._name in self._last:
            raise Reached
        return self._real(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class _Built:
    """An object of a watched class."""

    def __init__(self, name: str, real: Any, calls: list[Call], last: set[str]) -> None:
        self._name, self._real, self._calls, self._last = name, real, calls, last

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._method("__call__")(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._real, name)
        return self._method(name) if isinstance(value, types.MethodType) else value

    def _method(self, name: str) -> Any:
        real = getattr(self._real, name)

        def method(*args: Any, **kwargs: Any) -> Any:
            self._calls.append(_recorded(f"{self._name}.{name}", real, args, kwargs))
            if name in RUNS and self._name in self._last:
                raise Reached
            return real(*args, **kwargs)

        return method


def _recorded(name: str, real: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
    """A call with its arguments by name; one that the callable does not take is an error, as without a spy."""
    try:
        signature = inspect.signature(real)
    except ValueError:
        named: dict[str, Any] = {str(index): value for index, value in enumerate(args)} | kwargs
    else:
        named = dict(signature.bind(*args, **kwargs).arguments)
        for parameter in signature.parameters.values():
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                named |= named.pop(parameter.name, {})
    return Call(call=name, **{key: _comparable(value) for key, value in named.items()})


def _comparable(value: Any) -> Any:
    """A value that equals itself in another run: numbers and words as they are, arrays by content, the rest by type."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return tuple(_comparable(element) for element in value)
    if isinstance(value, dict):
        return tuple(sorted((str(key), _comparable(element)) for key, element in value.items()))
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray):
        return value.shape, value.tobytes()
    if isinstance(value, _Built | _Watched):
        return value._name
    if inspect.isclass(value) or inspect.isroutine(value):
        return value.__qualname__
    return type(value).__qualname__


def changed(before: Sequence[Call], after: Sequence[Call]) -> list[str]:
    """What differs between two runs, as ``call.argument``; a call that only one made counts once, by its name."""
    different = []
    names = [[call["call"] for call in calls] for calls in (before, after)]
    for kind, *(i, j, k, m) in SequenceMatcher(a=names[0], b=names[1], autojunk=False).get_opcodes():
        if kind == "replace":
            different += names[1][k:m]
        elif kind != "equal":
            different += names[0][i:j] + names[1][k:m]
        for first, second in zip(before[i:j], after[k:m], strict=False) if kind == "equal" else ():
            keys = sorted({*first, *second})
            different += [f"{first['call']}.{key}" for key in keys if first.get(key, ...) != second.get(key, ...)]
    return different
