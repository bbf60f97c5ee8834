"""The configuration that a defense declares: typed, documented with units, and closed to mistyped keys."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from frontdef.errors import LONGEST, ConfigError, shortened

field = Field
"""Pydantic's. A default that is named, ``default=8``, is one to every type checker; pyright sees none by position."""

FOLDER_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
"""The name of a run, which is also its folder's."""

MOST = 8
"""Problems of one configuration that a message tells."""


class Config(BaseModel):
    """Base of every configuration: frozen, and any unknown key is an error."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


ConfigT = TypeVar("ConfigT", bound=BaseModel)


def build(cls: type[ConfigT], values: Mapping[str, Any], what: str) -> ConfigT:
    """Validate values into a configuration, with an error that names the nearest key.

    Args:
        cls: The configuration class.
        values: The keys and values that were given.
        what: Whose configuration it is, for the message ("defense 'wavelet'").

    Raises:
        ConfigError: Unknown keys or values outside their range; the first `MOST` problems are named.
    """
    try:
        return cls.model_validate(dict(values))
    except ValidationError as error:
        problems = error.errors(include_url=False)
        told = [_explain(cls, problem) for problem in problems[:MOST]]
        more = f"; and {len(problems) - MOST:,} more" if len(problems) > MOST else ""
        said = f"{what}: {'; '.join(told)}{more}"
        unknown = (problem for problem in problems[:MOST] if problem["type"] == "extra_forbidden")
        known = dict.fromkeys(", ".join(_known(cls, problem)) or "none" for problem in unknown)
        lists = f"{'' if said.endswith('?') else '.'} Known keys: {'; '.join(known)}" if known else ""
        raise ConfigError(said + lists) from None


def _model_at(cls: type[BaseModel], place: Sequence[str | int]) -> type[BaseModel]:
    """The model whose key a place names: that of a section or of a row, where the place leads into one."""
    for part in place:
        if part in cls.model_fields:
            inner = _models(cls.model_fields[str(part)].annotation)
            cls = inner[0] if inner else cls
    return cls


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models(argument)]


def _explain(cls: type[BaseModel], problem: Any) -> str:
    place = shortened(".".join(str(part) for part in problem["loc"])) or "(whole)"
    if isinstance(cause := problem.get("ctx", {}).get("error"), ConfigError):
        return str(cause)
    if problem["type"] != "extra_forbidden":
        return f"{place} = {shortened(repr(problem['input']))}: {problem['msg'][0].lower()}{problem['msg'][1:]}"
    known = _known(cls, problem)
    near = difflib.get_close_matches(str(problem["loc"][-1])[:LONGEST], known, n=1, cutoff=0.5)
    hint = f", did you mean {near[0]!r}?" if near else ""
    return f"unknown key {place!r}{hint}"


def _known(cls: type[BaseModel], problem: Any) -> list[str]:
    """The keys that are known where one is not."""
    return sorted(_model_at(cls, problem["loc"][:-1]).model_fields)
