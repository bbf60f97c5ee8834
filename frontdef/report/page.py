"""What every page needs: templates, its style and script, and a policy that allows these and nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from functools import lru_cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from frontdef.report import palette


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Templates of this package; whatever is put into them is text."""
    return Environment(
        loader=PackageLoader("frontdef.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def style(*more: str) -> str:
    """The colors, the common style, and style sheets of this package that are given by their path."""
    return palette.css() + "".join(map(read, ("style.css", *more)))


def script(parts: Iterable[str]) -> str:
    """Scripts of this package, given by their paths, put together in their order."""
    lines = (line.strip() for name in parts for line in read(name).splitlines())
    body = "\n".join(line for line in lines if line and not line.startswith("//"))
    return f'(() => {{\n"use strict";\n{body}\n}})();'


def read(name: str) -> str:
    """Text of a file of this package."""
    return resources.files("frontdef.report").joinpath(name).read_text(encoding="utf-8")


def policy(style: str, *scripts: str) -> str:
    """Allow this style and these scripts and nothing else: no network, and nothing that a name might smuggle in."""
    allowed = " ".join(f"'{_digest(script)}'" for script in scripts)
    return (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src {allowed}; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def embedded(value: Any) -> Markup:
    """JSON that no HTML parser can leave, whatever its strings hold."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
