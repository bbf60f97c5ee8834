"""The tables of these pages that are copies of what the code has: `make docs` writes them, `make lint` compares."""

from __future__ import annotations

import ast
import inspect
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from pydantic.fields import FieldInfo

from frontdef import hookspecs, registry
from frontdef.attacks.library import AttackLibrary, Realization
from frontdef.attacks.native import stages
from frontdef.checks import invariants, kit, masking
from frontdef.checks.masking.looks import DiagnosisLooks
from frontdef.matrix import sets
from frontdef.matrix import tables as matrix
from frontdef.stage import Stage
from frontdef.threat import NORM_LABELS

ROOT = Path(__file__).resolve().parents[1]
KINDS = {"climb": "any wrong class", "classes": "nearest wrong classes", "search": "squares, by scores"}
PASSED, UNEXAMINED, NOT_OFFERED = kit.MARKS["passed"], "?", ""


def library(name: str) -> str:
    """What a library offers: a line a row of its table, with the place of each difference and the tests that pin it."""
    titles = ("family", "norm", "call", "differs", "so it is", "caveat", "where", "pinned by")
    installed = registry.get_attack_libraries()[name]
    tests = _pinned(installed)
    return _table(
        titles,
        (
            (
                family,
                NORM_LABELS[norm],
                f"`{row.call}`",
                row.difference,
                _direction(row),
                row.caveat,
                "; ".join(row.where),
                ", ".join(
                    f"`{test}`" for kind in ("difference", "caveat") for test in tests.get((family, norm, kind), ())
                ),
            )
            for family, norm, row in _rows(installed)
        ),
    )


def _direction(row: Realization) -> str:
    """What the causes of a row predict of its strength."""
    told = {
        "either": [cause for cause in row.causes if cause in row.weakens and cause in row.strengthens],
        "weaker": [cause for cause in row.weakens if cause not in row.strengthens],
        "stronger": [cause for cause in row.strengthens if cause not in row.weakens],
        "other": [cause for cause in row.causes if cause not in (*row.weakens, *row.strengthens)],
    }
    return "; ".join(f"{word}: {', '.join(causes)}" for word, causes in told.items() if causes)


def families() -> str:
    """Every family, with the libraries that offer it."""
    installed = registry.get_attack_libraries()
    return _table(
        ("family", "name", "paper", "norms", "agreement", "libraries"),
        (
            (
                f"`{family.name}`",
                family.title,
                family.paper,
                ", ".join(NORM_LABELS[norm] for norm in family.norms),
                family.agreement,
                ", ".join(
                    name
                    for name, library in installed.items()
                    if any(library.offers(family.name, n) for n in family.norms)
                ),
            )
            for family in registry.get_families()
        ),
    )


def versions() -> str:
    """Which versions the differences were read in."""
    read = (
        f"{library.distribution} {library.read}" for library in registry.get_attack_libraries().values() if library.read
    )
    return f"Read in and tested with {', '.join(read)}, on the CPU.\n"


def hooks() -> str:
    """What a plugin may offer."""
    specs = (hook for name, hook in vars(hookspecs).items() if name.startswith("frontdef_"))
    lines = (
        f"- `{hook.__name__}() -> {hook.__annotations__['return']}`: {(inspect.getdoc(hook) or '').splitlines()[0]}"
        for hook in specs
    )
    return "\n" + "\n".join(lines) + "\n\n"


def stage_fields() -> str:
    """What a stage of training is made of."""
    return _table(
        ("field", "default", "meaning"),
        ((f"`{name}`", _default(field), field.description or "") for name, field in Stage.model_fields.items()),
    )


def columns(name: str) -> str:
    """The columns of a table that a matrix stores, or of ``cells``, which is computed from them."""
    stored = {table.name: table.columns for table in matrix.TABLES} | {"cells": matrix.CELLS}
    return _table(("column", "meaning"), ((f"`{title}`", column.meaning) for title, column in stored[name].items()))


def invariant_checks() -> str:
    """What `frontdef check-attack` asks."""
    return _table(
        ("check", "asks", "because"), ((check.name, check.meaning, check.reference) for check in invariants.CHECKS)
    )


def masking_checks() -> str:
    """What `frontdef diagnose` asks."""
    titles = ("check", "what an alarm says", "strength", "reference")
    return _table(titles, ((check.name, check.meaning, check.strength, check.reference) for check in masking.CHECKS))


def detectable() -> str:
    """The smallest gain that a diagnosis would see, by its samples."""
    sizes = ((32, 32), (32, 64), (64, 64), (64, 256))
    rows = (
        (str(first), str(most), f"{100 * DiagnosisLooks.between(first, most).detectable():.0f} points")
        for first, most in sizes
    )
    return _table(("first look", "at most", "smallest gain seen with a probability of 0.8"), rows)


def promises() -> str:
    """What `frontdef check` asks."""
    from frontdef.checks import conformance

    return _table(("check", "promise"), ((check.name, check.meaning) for check in conformance.CHECKS))


def attack_set_passes() -> str:
    """The sets of attacks that have a name: what is in each, and what it costs by norm."""
    norms = ("linf", "l2", "l1")
    return _table(
        ("set", "attacks", *(f"passes in {NORM_LABELS[norm]}" for norm in norms), "for"),
        (
            (
                f"`{name}`",
                ", ".join(
                    f"`{family}`" + (f" ×{count}" if count > 1 else "")
                    for family, count in Counter(entry.family for entry in chosen.attack).items()
                ),
                *(f"{chosen.passes(norm):,}" for norm in norms),
                chosen.summary,
            )
            for name, chosen in sets.attack_sets().items()
        ),
    )


def cascade_stages() -> str:
    """What the cascade does, stage by stage."""
    titles = ("stage", "what", "climbs", "steps", "runs", "start", "points a gradient", "passes at most")
    return _table(
        titles,
        (
            (
                stage.name, KINDS[stage.kind], "" if stage.kind == "search" else stage.climbed, str(stage.steps),
                str(stage.runs), "random" if stage.random or stage.kind == "search" else "image", str(stage.neighbors),
                f"{stage.passes:,}",
            )
            for stage in stages.STAGES
        ),
    )  # fmt: skip


def violations_grid() -> str:
    """Families × libraries: which invariants each is known to break."""
    installed = registry.get_attack_libraries()
    rows = {(family.name, norm): family for family in registry.get_families() for norm in family.norms}
    return _table(
        ("family", "norm", *installed),
        (
            (family, NORM_LABELS[norm], *(_cell(library.offers(family, norm)) for library in installed.values()))
            for family, norm in rows
            if any(library.offers(family, norm) for library in installed.values())
        ),
    )


def violations() -> str:
    """Every known violation, with what was measured and why."""
    return _table(
        ("library", "family", "norm", "check", "measured", "why"),
        (
            (library.name, family, NORM_LABELS[norm], violation.check, violation.measured, violation.why)
            for library in registry.get_attack_libraries().values()
            for family, norm, row in _rows(library)
            for violation in row.violations or ()
        ),
    )


def licenses() -> str:
    """What the core, its extras and the plugins require, each under which license, as its own metadata say."""
    first: dict[str, str] = {}
    for owner, requirements in _required():
        for name in (Requirement(line).name for line in requirements):
            first.setdefault(name, owner)
    theirs = sorted((name for name in first if not name.startswith("frontdef")), key=str.lower)
    rows = ((name, _license(name), first[name]) for name in theirs)
    return _table(("distribution", "license", "required by"), rows)


def _required() -> Iterator[tuple[str, list[str]]]:
    """Who requires what: the core, its extras but Ray's, which is not in the development set, the plugins."""
    root = Path(__file__).parents[1]
    core, *plugins = (
        tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        for file in (root / "pyproject.toml", *sorted(root.glob("plugins/*/pyproject.toml")))
    )
    yield "the core", core["dependencies"]
    for extra, requirements in core["optional-dependencies"].items():
        if extra != "ray":
            yield f"`frontdef[{extra}]`", requirements
    for plugin in plugins:
        yield plugin["name"], plugin["dependencies"]


def _license(name: str) -> str:
    about = metadata.metadata(name)
    classified = [line.rpartition(" :: ")[2] for line in about.get_all("Classifier") or () if "License ::" in line]
    free = (about["License"] or "").strip().splitlines()[:1]
    return about["License-Expression"] or "; ".join(classified) or "".join(free) or "not stated"


def _table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n" + "\n".join(kit.markdown_table(titles, rows)) + "\n\n"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return ""
    return f"`{field.default}`" if field.default not in (None, "", ()) else "none"


def _rows(library: AttackLibrary) -> Iterator[tuple[str, str, Realization]]:
    return ((family, norm, row) for (family, norm), row in library.table().items())


def _cell(row: Realization | None) -> str:
    if row is None:
        return NOT_OFFERED
    if row.violations is None:
        return UNEXAMINED
    return ", ".join(violation.check for violation in row.violations) or PASSED


def _pinned(library: AttackLibrary) -> Mapping[tuple[str, str, str], list[str]]:
    """What the decorators ``pins`` of the tests say: family, norm, ``difference`` or ``caveat`` → names of the tests.

    The tests are read, not imported. A plugin's library is pinned by the plugin's own tests, which do not name it.
    """
    package = type(library).__module__.partition(".")[0]
    plugin = package != "frontdef"
    folder = ROOT / "plugins" / package.replace("_", "-") / "tests" if plugin else ROOT / "tests" / "attacks"
    pinned = defaultdict(list)
    for path in sorted(folder.glob("test_*.py")):
        module = ast.parse(path.read_text(encoding="utf-8"))
        constants = {
            target.id: node.value
            for node in module.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for test in module.body:
            if not isinstance(test, ast.FunctionDef):
                continue
            for mark in test.decorator_list:
                if not (isinstance(mark, ast.Call) and isinstance(mark.func, ast.Name) and mark.func.id == "pins"):
                    continue
                named, *rows = ([library.name] if plugin else []) + list(_literals(mark.args, constants))
                kind = "caveat" if any(keyword.arg == "caveat" for keyword in mark.keywords) else "difference"
                for family, norm in rows if named == library.name else ():
                    pinned[family, norm, kind].append(test.name)
    return pinned


def _literals(arguments: Iterable[ast.expr], constants: Mapping[str, ast.expr]) -> Iterator[Any]:
    """Values of a call's arguments: literals, and lists of them that stand at the top of the file."""
    for argument in arguments:
        if isinstance(argument, ast.Starred):
            assert isinstance(argument.value, ast.Name), "pins takes literals, or the name of a list of literals"
            yield from ast.literal_eval(constants[argument.value.id])
        else:
            yield ast.literal_eval(argument)
