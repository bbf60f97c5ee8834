"""Every command of README and docs is one that there is: its name, its options, its script, its target."""

from __future__ import annotations

import importlib.util
import re
import shlex
from itertools import product
from pathlib import Path

import click
import pytest

from frontdef.cli import main

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("plugins/*/README.md")]
)
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
BLOCK = re.compile(r"^```([a-z{}-]*)\n(.*?)^```", flags=re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`((?:frontdef|make|python) [^`\n]+)`")


def commands(page):
    """Each command of the page as words; ``a|b`` stands for two commands, ``[…]`` for what may be left out."""
    text = page.read_text(encoding="utf-8")
    shell = "".join(block for language, block in BLOCK.findall(text) if language in {"", "sh", "bash", "console"})
    lines = re.sub(r"\\\n\s*", " ", shell).splitlines()
    for line in [*lines, *INLINE.findall(text)]:
        line = re.sub(r"^(?:\$ |[A-Z_]+=\S+ )+", "", line.partition("  #")[0].split("   ")[0].strip())
        for part in re.split(r" (?:\|\|?|&&|;|>) ", line):
            if part.split(" ")[0] in {"frontdef", "make", "python"} and not {"…", "$"} & set(part):
                words = shlex.split(re.sub(r"[\[\]]", "", part), comments=True)
                yield from product(
                    *(word.split("|") if re.fullmatch(r"[a-z-]+(\|[a-z-]+)+", word) else [word] for word in words)
                )


def objection(words):
    """What is wrong with a command; empty where nothing is. Files and numbers are the reader's own."""
    program, *rest = words
    if program == "make":
        unknown = [word for word in rest if "=" not in word and not word.startswith("-") and word not in TARGETS]
        return f"no target {unknown}" if unknown else ""
    if program == "python":
        module = rest[1] if rest[0] == "-m" else ""
        if module.startswith(("tests.", "benchmarks.")):
            return "" if importlib.util.find_spec(module) else f"no module {module}"
        return "" if not rest[0].startswith("benchmarks/") or (ROOT / rest[0]).is_file() else f"no file {rest[0]}"
    context, command = click.Context(main), main
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        name, rest = rest[0], rest[1:]
        if name not in command.list_commands(context):
            return f"no command {name}"
        command = command.get_command(context, name)
    try:
        command.make_context(command.name, list(rest))
    except click.BadParameter as error:
        return (
            f"{error.message or 'missing'} {error.param}" if isinstance(error, click.MissingParameter) and rest else ""
        )
    except click.BadOptionUsage as error:  # `--time-limit` alone names the option
        return "" if error.option_name == rest[-1] else error.format_message()
    except click.UsageError as error:
        return error.format_message()
    except click.exceptions.Exit:
        return ""
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_is_one_that_there_is(page):
    wrong = {" ".join(words): said for words in commands(page) if (said := objection(words))}
    assert not wrong


def test_what_there_is_not_is_noticed():
    for line in (
        "frontdef runn",
        "frontdef run --job 2",
        "make tests",
        "python benchmarks/scael.py",
        "python -m tests.zoos",
    ):
        assert objection(line.split()), line
    assert not objection(["frontdef", "run", "matrix.toml", "--jobs", "2"])
