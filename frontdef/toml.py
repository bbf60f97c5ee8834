"""TOML that somebody else wrote: bounded before it is parsed, because a parser's time and stack are not."""

from __future__ import annotations

import math
import re
import tomllib
from pathlib import Path
from typing import Any

from frontdef.errors import ConfigError
from frontdef.reading import MIB, read_bounded

MAX_BYTES = MIB
"""A matrix of a thousand rows has a tenth of that."""

MAX_DEPTH = 16
"""Tables and arrays in each other; the deepest key that there is stands at 5."""

MAX_VALUES = 20_000
"""Keys and values together."""

MAX_DIGITS = 40
"""Digits of a number in a row; TOML's integers have 64 bits, which is 20 digits, or 64 where they are binary."""

_TEXT = re.compile(
    r'"""(?>(?:[^"\\]|\\.|"(?!""))*)(?:"{3,5}|\Z)'
    r"|'''(?>(?:[^']|'(?!''))*)(?:'{3,5}|\Z)"
    r'|"(?>(?:[^"\\\n]|\\.)*)"?'
    r"|'(?>[^'\n]*)'?"
    r"|\#[^\n]*",
    re.DOTALL,
)
"""Strings and comments; one that is not closed ends with its line or with the text, so that nothing is read twice."""

_FRACTION = re.compile(r"[=\[,][ \t]*+(\d{1,9}/\d{1,9})(?=[ \t]*(?:[,\]#\n]|\Z))")
"""A fraction where a value stands, without quotes."""

_DOTTED = re.compile(rf"(?<![\w-])(?:[\w-]++[ \t]*+\.[ \t]*+){{{MAX_DEPTH}}}")
_LONG_NUMBER = re.compile(rf"(?<![\w.-])[+-]?(?:0x[0-9A-Fa-f_]{{33}}|0[ob][0-7_]{{130}}|[\d_]{{{MAX_DIGITS + 1}}})")


def parse_toml(text: str, source: str) -> dict[str, Any]:
    """Read TOML.

    Args:
        text: The TOML.
        source: What it is, for messages.

    Raises:
        ConfigError: Not TOML, too long or too deep, too many values, or numbers that no float or 64 bits hold.
    """
    _check_outline(text, source)
    try:
        values = tomllib.loads(text, parse_float=_float)
    except (ValueError, RecursionError) as error:  # TOMLDecodeError is a ValueError
        fraction = _FRACTION.search(text)
        mend = f". A fraction is a text: write {fraction[1]} as '{fraction[1]}', in quotes" if fraction else ""
        raise ConfigError(f"{source} is not valid TOML: {error}{mend}") from None
    _check_integers(values, source)
    return values


def parse_value(text: str, source: str) -> Any:
    """Read one value; what is no TOML is the text itself.

    Raises:
        ConfigError: Too long or too deep, too many values, or numbers that no float or 64 bits hold.
    """
    _check_outline(text, source)
    try:
        value = tomllib.loads(f"value = {text}", parse_float=_float)["value"]
    except tomllib.TOMLDecodeError:
        return text
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{source} is not valid TOML: {error}") from None
    _check_integers(value, source)
    return value


def read_toml(path: Path, mend: str = "") -> str:
    """The text of a TOML file.

    Args:
        path: The file.
        mend: What else could be done where it can't be read, for the message.

    Raises:
        ConfigError: It is not there, no file, too long, or not in UTF-8.
    """
    try:
        data = read_bounded(path, MAX_BYTES)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}.{f' {mend}' if mend else ''}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{path} is not valid TOML: TOML is UTF-8, and byte 0x{data[error.start]:02x} in line {line} is not. Save "
            "it as UTF-8 (it may be Latin-1: `iconv -f latin1 -t utf-8`)"
        ) from None


def _check_outline(text: str, source: str) -> None:
    """Look at brackets, dots, digits and what parts values, and at nothing else."""
    if len(text) > MAX_BYTES:
        raise ConfigError(f"{source} has more than {MAX_BYTES:,} characters, which is more than any such file needs")
    outline = _TEXT.sub("_", text)
    if (count := sum(map(outline.count, "=,["))) > MAX_VALUES:
        raise ConfigError(f"{source} has about {count:,} keys and values, at most {MAX_VALUES:,} are read")
    depth = deepest = 0
    for bracket in re.findall(r"[\[\]{}]", outline):
        depth = max(0, depth + (1 if bracket in "[{" else -1))
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH or _DOTTED.search(outline):
        raise ConfigError(f"{source} has tables or arrays more than {MAX_DEPTH} deep; no key stands deeper than that")
    if _LONG_NUMBER.search(outline):
        raise ConfigError(
            f"{source} has a number of more than {MAX_DIGITS} digits: integers have 64 bits, and floats hold 17 digits"
        )


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value) and "inf" not in text:
        raise ValueError(f"the number {text:.40} is larger than any float; write inf where infinity is meant")
    return value


def _check_integers(value: Any, source: str) -> None:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            _check_integers(inner, source)
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ConfigError(f"{source} has the number {value}; integers have 64 bits")
