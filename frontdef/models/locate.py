"""From the text of a source to what builds the model: a function of a file or a package, or a name of a zoo."""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import inspect
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

import frontdef
from frontdef.errors import FrontdefError, ModelError, nearest
from frontdef.models.fingerprint import code_of
from frontdef.models.place import STARTS, place_of
from frontdef.models.userfile import code_of_file, load_file, own_folder
from frontdef.registry import Entry, zoo_entries

FORMS = "FILE.py:function, package.module:function, torchvision:NAME, timm:NAME, or ZOO:NAME of a plugin"

ZOO_DISTRIBUTIONS = dict.fromkeys(("torchvision", "timm", "robustbench"), "frontdef-zoo")
"""Zoos whose plugin an error may name where it is not installed."""


def zoo_of(source: str) -> Entry | None:
    """The zoo that a source names; None where it names code.

    Raises:
        ModelError: A zoo whose plugin is not installed.
    """
    prefix = source.partition(":")[0]
    entry = next((entry for entry in zoo_entries() if entry.name == prefix), None)
    if entry is None and prefix in ZOO_DISTRIBUTIONS and ":" in source:
        raise ModelError(
            f"source = {source!r} names a model of {prefix}, and no installed plugin has that zoo. "
            f"Mend: pip install {ZOO_DISTRIBUTIONS[prefix]} (`frontdef plugins` says what is wrong where it is "
            "installed)"
        )
    return entry


@dataclass(frozen=True)
class Blueprint:
    """What builds a model.

    Args:
        source: The text that names it, for messages.
        function: The function or class; or a module that is built already.
        code: Identity of its code, JSON values.
        surroundings: In which to call it.
    """

    source: str
    function: Any
    code: Mapping[str, Any]
    surroundings: Callable[[], AbstractContextManager[None]]

    def build(self, arguments: Mapping[str, Any]) -> nn.Module:
        """Make the module.

        Raises:
            ModelError: Arguments that are missing or not known, an exception, or a result that is no module.
        """
        if isinstance(self.function, nn.Module):
            if arguments:
                raise ModelError(f"{self.source} is a module already, it takes no arguments: leave `arguments` out")
            return self.function
        if not callable(self.function):
            raise ModelError(f"{self.source} is a {type(self.function).__name__}, not a function that builds a model")
        self._bind(arguments)
        with self.surroundings(), foreign_errors(self.source, "when it was called"):
            built = self.function(**arguments)
        if not isinstance(built, nn.Module):
            raise ModelError(
                f"{self.source} returns {_kind(built)}, not a torch.nn.Module. Mend: a function that returns the "
                "module "
                "alone" + ("; return its first entry" if isinstance(built, tuple) else "")
            )
        return built

    def _bind(self, arguments: Mapping[str, Any]) -> None:
        try:
            signature = inspect.signature(self.function)
        except (TypeError, ValueError):
            return
        parameters = signature.parameters.values()
        known = [
            parameter.name
            for parameter in parameters
            if parameter.kind in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}
        ]
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            for name in arguments:
                if name not in known:
                    raise ModelError(f"{self.source} takes no argument {name!r}.{_nearest(name, known, 'It takes')}")
        missing = [
            parameter.name
            for parameter in parameters
            if parameter.default is parameter.empty and parameter.name in known and parameter.name not in arguments
        ]
        if missing:
            hint = ", ".join(f"{name} = …" for name in missing)
            options = " ".join(f"--argument {name}=…" for name in missing)
            raise ModelError(
                f"{self.source} needs the argument {' and '.join(map(repr, missing))}. Mend: arguments = {{ {hint} }} "
                f"in [[model]], on the command line {options}"
            )


def locate(source: str, base: Path) -> Blueprint:
    """Find the function that a source names; the file or package is imported.

    Args:
        source: ``FILE.py:function`` or ``package.module:function``.
        base: The folder where a relative FILE starts.

    Raises:
        ModelError: No such file, package or function, or it raised while it was imported.
    """
    place, separator, name = source.rpartition(":")
    if not separator:
        place, name = source, ""
    if place.endswith(".py"):
        return _from_file(source, place_of(place, base, "source"), name)
    if not place or not name or not all(step.isidentifier() for step in place.split(".")):
        raise ModelError(f"source = {source!r} is no source of a model. A source is {FORMS}")
    return _from_package(source, place, name)


def _from_file(source: str, file: Path, name: str) -> Blueprint:
    if not file.is_file():
        near = sorted(path.name for path in file.parent.glob("*.py")) if file.parent.is_dir() else []
        where = f"{file.parent} has {nearest(file.name, near)}" if near else f"{file.parent} has no Python file"
        raise ModelError(f"{file} does not exist.{_nearest(file.name, near)} {where}. {STARTS}")

    def surroundings() -> AbstractContextManager[None]:
        return own_folder(file)

    with surroundings(), foreign_errors(source, "while it was imported"):
        module = load_file(file)
    own = [key for key, value in vars(module).items() if _builds(value) and value.__module__ == module.__name__]
    if not name:
        raise ModelError(f"source = {source!r} does not say which function: {source}:NAME. It has {', '.join(own)}")
    return Blueprint(source, _attribute(source, module, name, own), {"files": code_of_file(file)}, surroundings)


def _from_package(source: str, place: str, name: str) -> Blueprint:
    with foreign_errors(source, "while it was imported"):
        try:
            module = importlib.import_module(place)
        except ModuleNotFoundError as error:
            if error.name and (place == error.name or place.startswith(f"{error.name}.")):
                near = _nearest(place, [*(entry.name for entry in zoo_entries()), *ZOO_DISTRIBUTIONS])
                raise ModelError(
                    f"source = {source!r}: there is no module {error.name!r} in this environment.{near} "
                    "Mend: install the package that has it, or name a file: "
                    f"{place.rpartition('.')[2]}.py:{name}"
                ) from None
            raise
    own = [key for key, value in vars(module).items() if _builds(value)]
    code = {"package": place.partition(".")[0], "code": code_of(f"{place}:{name}"), "versions": _versions(place)}
    return Blueprint(source, _attribute(source, module, name, own), code, nullcontext)


def _attribute(source: str, module: Any, name: str, own: list[str]) -> Any:
    if not hasattr(module, name):
        raise ModelError(f"{source}: there is no {name!r}.{_nearest(name, own, 'It has')}")
    return getattr(module, name)


def _builds(value: Any) -> bool:
    return inspect.isfunction(value) or (inspect.isclass(value) and issubclass(value, nn.Module))


def _versions(place: str) -> dict[str, str]:
    distributions = importlib.metadata.packages_distributions().get(place.partition(".")[0], [])
    return {name: importlib.metadata.version(name) for name in sorted(set(distributions))}


def _nearest(name: str, known: list[str], introduction: str = "") -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    listed = f" {introduction} {', '.join(sorted(known)[:20]) or 'none'}." if introduction else ""
    return hint + listed


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


@contextmanager
def foreign_errors(source: str, moment: str) -> Iterator[None]:
    """Turn whatever somebody else's code raises into a `ModelError` that says where it happened.

    Raises:
        ModelError: The exception, its place in the user's code, and when it was raised.
    """
    try:
        yield
    except FrontdefError:
        raise
    except (Exception, SystemExit) as error:
        said = " ".join(str(error).split())
        what = type(error).__name__ + (f": {said[:400]}" if said else "")
        hint = (
            ". A file that is imported must not run as a program: put that below `if __name__ == '__main__':`"
            if isinstance(error, SystemExit)
            else ""
        )
        raise ModelError(f"{source} raised {what}, {moment}{_where(error)}{hint}") from None


_NOT_THEIRS = tuple(str(Path(str(module.__file__)).parent) for module in (frontdef, torch, importlib))


def _where(error: BaseException) -> str:
    """The last place on the stack that is neither frontdef's nor torch's own."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(("<", *_NOT_THEIRS))
    ]
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({Path(error.filename).name}, line {error.lineno})"
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
