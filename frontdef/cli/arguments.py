"""Arguments that several commands read in the same way."""

from __future__ import annotations

import tomllib
from typing import Any

from frontdef.errors import ConfigError


def parse_config(values: tuple[str, ...]) -> dict[str, Any]:
    """Read configuration values, KEY=VALUE with the value in TOML; what is no TOML is a string.

    Raises:
        ConfigError: No ``=``.
    """
    config: dict[str, Any] = {}
    for argument in values:
        key, separator, value = argument.partition("=")
        if not separator:
            raise ConfigError(f"configuration is given as KEY=VALUE, got {argument!r}")
        try:
            config[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            config[key] = value
    return config


def parse_shape(text: str) -> tuple[int, int, int]:
    """Read ``C,H,W``.

    Raises:
        ConfigError: Not three numbers.
    """
    try:
        channels, height, width = (int(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"--image-shape is C,H,W, such as 1,28,28; got {text!r}") from None
    return channels, height, width
