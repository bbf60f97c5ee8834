"""Inputs that are almost right: bytes, TOML by its tokens, JSON by its values, questions by their words."""

from __future__ import annotations

import json
import random
import re
from typing import Any

NUMBERS = (
    "0", "-1", "1", "2.5", "1e999999999", "-inf", "nan", "9" * 30, "9" * 5000, "0x" + "f" * 40, "1_0", "1e-400", "true",
    "1979-05-27",
)  # fmt: skip
TEXTS = (
    '""', '"a"', '"[/x]"', '"\\u0000"', '"8/255"', '"1/0"', '"1e999999999"', '"../.."', '"~nouser"', f'"{"a" * 3000}"',
)  # fmt: skip
SHAPES = (
    "[", "]", "{", "}", "[[", "]]", "=", ",", "\n", ".", '"""', "'''", "#", "[" * 50, "{a=" * 50, "a." * 50,
    "\ufeff", "\x1b", "\x00",
)  # fmt: skip
WORDS = (
    "select", "from", "where", "union all", "with recursive", "order by", "group by", "limit", "certified", "outcomes",
    "range(1000000000)", "read_csv('/etc/passwd')", "copy", "attach", "install", "set", "pragma", "(", ")", "'", "*",
    ";", "--", "null", "1", "cast", "as",
)  # fmt: skip
_TOKEN = re.compile(r'"[^"\n]*"|\w+|\s|.', re.DOTALL)


def mutate_bytes(seed: bytes, rng: random.Random) -> bytes:
    """Flip, overwrite, insert, delete, repeat and cut, a few times."""
    data = bytearray(seed)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 8))):
        place = rng.randrange(len(data) + 1)
        size = rng.choice((1, 1, 2, 4, 8, 64))
        kind = rng.randrange(7)
        if kind == 0 and place < len(data):
            data[place] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[place : place + size] = rng.randbytes(size)
        elif kind == 2:
            data[place : place + size] = rng.choice((b"\xff", b"\x00", b"\x7f", b"\x80")) * size
        elif kind == 3:
            data[place:place] = rng.randbytes(size)
        elif kind == 4:
            del data[place : place + size]
        elif kind == 5:
            data[place:place] = data[place : place + size] * rng.choice((1, 2, 100))
        elif rng.random() < 0.3:
            del data[place:]
    return bytes(data)


def mutate_toml(seed: bytes, rng: random.Random) -> bytes:
    """Replace, repeat, drop and insert tokens; now and then bytes."""
    if rng.random() < 0.15:
        return mutate_bytes(seed, rng)
    tokens = _TOKEN.findall(seed.decode())
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        place = rng.randrange(len(tokens) + 1)
        kind = rng.randrange(4)
        nasty = rng.choice(rng.choice((NUMBERS, TEXTS, SHAPES, tokens or SHAPES)))
        if kind == 0:
            tokens[place : place + 1] = [nasty]
        elif kind == 1:
            tokens[place:place] = [nasty]
        elif kind == 2:
            del tokens[place : place + rng.choice((1, 3, 10))]
        else:
            tokens[place:place] = tokens[place : place + rng.choice((1, 5, 20))] * rng.choice((1, 1, 50))
    return "".join(tokens).encode("utf-8", "surrogatepass")


def mutate_json(seed: bytes, rng: random.Random) -> bytes:
    """Put other values in the place of some; now and then other bytes."""
    if rng.random() < 0.15:
        return mutate_bytes(seed, rng)
    values = json.loads(seed)
    for _ in range(rng.choice((1, 1, 2, 4))):
        values = _changed(values, rng)
    return json.dumps(values).encode()


def mutate_head(seed: bytes, rng: random.Random) -> bytes:
    """The same, mostly of what is said of a job or of the plan; a text that is JSON is changed as such, too."""
    if rng.random() < 0.2:
        return mutate_json(seed, rng)
    values = json.loads(seed)
    for _ in range(rng.choice((1, 1, 2))):
        if rng.random() < 0.3:
            values["document"] = _changed(values["document"], rng)
            continue
        about = rng.choice(values["jobs"])["about"]
        name = rng.choice(list(about))
        if isinstance(about[name], str) and about[name].startswith("{") and rng.random() < 0.7:
            about[name] = json.dumps(_changed(json.loads(about[name]), rng))
        else:
            about[name] = _changed(about[name], rng)
    return json.dumps(values).encode()


def mutate_query(seed: bytes, rng: random.Random) -> bytes:
    """Shuffle the words of a question, and add others."""
    words = seed.decode().split()
    for _ in range(rng.choice((1, 2, 3))):
        place = rng.randrange(len(words) + 1)
        if rng.random() < 0.6:
            words[place:place] = [rng.choice(WORDS)]
        else:
            del words[place : place + 1]
    return " ".join(words).encode()


def _changed(value: Any, rng: random.Random) -> Any:
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(list(value))
        if rng.random() < 0.15:
            return {name: inner for name, inner in value.items() if name != key}
        return {**value, key: _changed(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.7:
        place = rng.randrange(len(value))
        return [*value[:place], _changed(value[place], rng), *value[place + 1 :]]
    return rng.choice((
        None, True, 0, -1, 2**31, 2**63, 10**30, 1.5, float("nan"), float("inf"), "", "a", "../..", "[/x]", "\x00\x1b",
        "a" * 2000, "\ud800", [], {}, [value], {"a": value}, [[[[[[[[[[]]]]]]]]]], _nested(200), [0] * 1000,
    ))  # fmt: skip


def _nested(depth: int) -> list[Any]:
    inner: list[Any] = []
    for _ in range(depth):
        inner = [inner]
    return inner
