"""``FILE.py:FUNCTION``: whatever a function of the user's returns."""

from __future__ import annotations

import hashlib
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np

from frontdef.datasets.files import digest_of, expand
from frontdef.datasets.items import seeded
from frontdef.datasets.live import as_split
from frontdef.datasets.record import SPLITS, Dataset, Split, SplitName
from frontdef.errors import ConfigError, DataError, FrontdefError, UnknownNameError


def describe(name: str) -> Dataset:
    """Make a data set of what a function returns. Its revision is a hash of the file's code and of that content.

    Args:
        name: ``FILE.py:FUNCTION``, relative to the current folder. The function takes nothing and returns test samples,
            or takes ``split`` and returns those of ``train`` or ``test`` (None for none), in any form of `as_split`. A
            mapping may have ``n_classes``, where not all classes occur.

    Raises:
        ConfigError: A function with other arguments.
        DataError: No such file, code that raises, or data that break the contract or differ from call to call.
        UnknownNameError: No such function; the nearest name is given.
    """
    written, _, function = name.rpartition(":")
    path = expand(written, "FILE.py:FUNCTION", "file")
    code = digest_of(path, name)
    splits, n_classes = _read(path.resolve(), function, code)
    test = splits["test"]
    shapes = {tuple(split.images.shape[1:]) for split in splits.values()}
    if len(shapes) > 1:
        raise DataError(f"{name}: training and test images have different shapes: {shapes}")
    content = hashlib.sha256("".join(f"{key} {split.digest()}\n" for key, split in splits.items()).encode())
    return Dataset(
        name,
        partial(load, splits),
        (test.images.shape[1], test.images.shape[2], test.images.shape[3]),
        n_classes,
        n_train=len(splits["train"]) if "train" in splits else 0,
        n_test=len(test),
        summary=f"what {function} in {path} returns",
        revision=f"code sha256 {code[:16]}, content {content.hexdigest()[:16]}",
        classes=test.classes,
    )


def load(
    splits: Mapping[SplitName, Split], split: SplitName, *, root: Path | None = None, download: bool = False
) -> Split:
    """The samples that the function returned when it was described.

    Args:
        splits: They.
        split: ``train`` or ``test``.
        root: Not used: the function knows where its data are.
        download: Not used.
    """
    return splits[split]


@lru_cache(maxsize=8)
def _read(path: Path, function: str, code: str) -> tuple[dict[SplitName, Split], int]:
    name = f"{path}:{function}"
    call = _function(path, function, code)
    takes_split = _takes_split(call, name)
    splits: dict[SplitName, Split] = {}
    n_classes = 0
    for split in SPLITS if takes_split else SPLITS[1:]:
        arguments = {"split": split} if takes_split else {}
        returned = _call(call, arguments, path, name)
        if returned is None and split == "train":
            continue
        splits[split] = _as_split(returned, f"{name} {split}")
        if splits[split].digest() != _as_split(_call(call, arguments, path, name), name).digest():
            raise DataError(
                f"{name} returned other {split} samples when it was called again, so no result of them could be "
                "kept: seed every generator that it makes, and sort what it reads from folders"
            )
        if isinstance(returned, Mapping) and "n_classes" in returned:
            n_classes = int(np.asarray(returned["n_classes"]).item())
    if len({split.classes for split in splits.values()}) > 1:
        raise DataError(f"{name}: training and test samples name different classes: give both as 'classes'")
    named = len(splits["test"].classes)
    return splits, n_classes or named or 1 + max(int(split.labels.max()) for split in splits.values())


def _as_split(returned: Any, name: str) -> Split:
    try:
        return as_split(returned, name=name)
    except DataError:
        raise
    except FrontdefError as error:
        raise DataError(f"{name}: {error}") from None


def _function(path: Path, function: str, code: str) -> Callable[..., Any]:
    module = ModuleType(f"frontdef_data_{code[:16]}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses and pickling look their module up
    with _importing_from(path.parent):
        _guarded(lambda: exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__), path, str(path))
    loader = getattr(module, function, None)
    if not callable(loader):
        known = [
            key
            for key, value in vars(module).items()
            if inspect.isfunction(value) and value.__module__ == module.__name__ and not key.startswith("_")
        ]
        raise UnknownNameError(f"function of {path}", function, known)
    return cast(Callable[..., Any], loader)


def _takes_split(call: Callable[..., Any], name: str) -> bool:
    parameters = inspect.signature(call).parameters
    missing = [
        key
        for key, parameter in parameters.items()
        if key != "split"
        and parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if missing:
        raise ConfigError(
            f"{name} is called with nothing, or with split='train' and 'test'; it also wants {', '.join(missing)}: "
            "give a default to each"
        )
    return "split" in parameters


def _call(call: Callable[..., Any], arguments: Mapping[str, Any], path: Path, name: str) -> Any:
    with seeded(0), _importing_from(path.parent):
        return _guarded(lambda: call(**arguments), path, name)


def _guarded(action: Callable[[], Any], path: Path, name: str) -> Any:
    """Run code of the user's; what it raises is told with the line of the file that did."""
    try:
        return action()
    except FrontdefError:
        raise
    except Exception as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        line = error.lineno if isinstance(error, SyntaxError) else next(reversed(lines), None)
        where = f" in line {line}" if line else ""
        raise DataError(f"{name} raises {type(error).__name__}{where}: {error}") from error


@contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    """Let a file import its neighbors, as it could if it were run."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        if str(folder) in sys.path:
            sys.path.remove(str(folder))
