"""Are the tests of the rooms that decide numbers able to fail? Each mistake is made once, and some test must notice it.

``python benchmarks/mutation.py [ROOM…] [--most N] [--seed N]`` changes one operator, constant, condition, argument or
statement of a room at a time, in a fork of a process that has imported all, and runs the tests that are about the room.
"""

from __future__ import annotations

import argparse
import ast
import copy
import gc
import importlib
import importlib.util
import inspect
import json
import os
import random
import signal
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import hypothesis
import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "reliability" / "mutants.json"
HANGS = 300
"""Seconds of processor time after which a mutant is killed for never ending, which counts as noticed."""


class Room(NamedTuple):
    """A module, and the tests that are about it."""

    module: str
    tests: tuple[str, ...]


ROOMS = {
    "broken": Room("frontdef.verdicts.broken", ("tests/test_broken.py",)),
    "verify": Room(
        "frontdef.matrix.verify", ("tests/test_scores.py", "tests/test_broken.py", "tests/test_adaptive.py")
    ),
    "store": Room(
        "frontdef.runs.store",
        ("tests/test_store.py", "tests/test_compact.py", "tests/test_verify.py", "tests/test_one_runner.py"),
    ),
    "bracket": Room("frontdef.verdicts.bracket", ("tests/test_verdicts.py", "tests/test_broken_everywhere.py")),
    "agreement": Room(
        "frontdef.verdicts.agreement",
        ("tests/test_agreement_reference.py", "tests/test_verdicts.py", "tests/test_broken_everywhere.py"),
    ),
}

COMPARE = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
COMPUTE = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.Pow: ast.Mult,
}  # fmt: skip
NAMES = {
    "min": "max", "max": "min", "any": "all", "all": "any", "amin": "amax", "amax": "amin", "minimum": "maximum",
    "maximum": "minimum", "sorted": "list", "argmax": "argmin", "argmin": "argmax",
}  # fmt: skip


class Mutant(NamedTuple):
    """A mistake.

    Args:
        line: Of the original.
        what: In words.
        tree: The module with it.
    """

    line: int
    what: str
    tree: ast.Module


def mutants(source: str) -> Iterator[Mutant]:
    """Every mistake that is made in a source, one at a time; never in docstrings, messages, annotations or imports.

    Args:
        source: The module's.
    """
    tree = ast.parse(source)
    sites = list(_sites(tree))
    for index, (node, changes) in enumerate(sites):
        for number, (what, _) in enumerate(changes):
            changed = copy.deepcopy(tree)
            place, options = list(_sites(changed))[index]
            options[number][1]()
            yield Mutant(getattr(place, "lineno", node.lineno), what, ast.fix_missing_locations(changed))


def _sites(tree: ast.Module) -> Iterator[tuple[Any, list[tuple[str, Any]]]]:
    """Nodes, and what may be changed in each: words, and a function that does it."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for statement in function.body:
                if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
                    yield from _in(statement)


def _in(node: Any) -> Iterator[tuple[Any, list[tuple[str, Any]]]]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Raise | ast.Import | ast.ImportFrom | ast.Assert):
        return  # functions in functions come by themselves; what a message says is no decision
    if changes := _changes(node):
        yield node, changes
    for name, value in ast.iter_fields(node):
        if name == "annotation":
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _in(child)


def _changes(node: Any) -> list[tuple[str, Any]]:
    def put(name: str, value: Any) -> Any:
        return lambda: setattr(node, name, value)

    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARE:
        other = COMPARE[type(node.ops[0])]
        return [(f"{type(node.ops[0]).__name__} → {other.__name__}", lambda: node.ops.__setitem__(0, other()))]
    if isinstance(node, ast.BinOp) and type(node.op) in COMPUTE:
        return [(f"{type(node.op).__name__} → {COMPUTE[type(node.op)].__name__}", put("op", COMPUTE[type(node.op)]()))]
    if isinstance(node, ast.BoolOp):
        other = ast.Or if isinstance(node.op, ast.And) else ast.And
        return [(f"{type(node.op).__name__} → {other.__name__}", put("op", other()))]
    if isinstance(node, ast.UnaryOp):
        words = f"{type(node.op).__name__} dropped"
        return [(words, put("op", ast.UAdd()))] if not isinstance(node.op, ast.Not) else [(words, _double(node))]
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        return [(f"{node.value} → {not node.value}", put("value", not node.value))]
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return [(f"{node.value} → {node.value + 1}", put("value", node.value + 1))]
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
        return [(f"{node.value!r} → 'xx'", put("value", "xx"))]
    if isinstance(node, ast.If | ast.IfExp | ast.While) and not isinstance(node.test, ast.Constant):
        return [(f"condition → {value}", put("test", ast.Constant(value))) for value in (True, False)]
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in NAMES:
        return [(f"{node.id} → {NAMES[node.id]}", put("id", NAMES[node.id]))]
    if isinstance(node, ast.Attribute) and node.attr in NAMES:
        return [(f".{node.attr} → .{NAMES[node.attr]}", put("attr", NAMES[node.attr]))]
    if isinstance(node, ast.Return) and node.value is not None and not isinstance(node.value, ast.Constant):
        return [("returns None", put("value", ast.Constant(None)))]
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return [("call dropped", put("value", ast.Constant(None)))]
    return []


def _double(node: Any) -> Any:
    return lambda: setattr(node, "operand", ast.UnaryOp(ast.Not(), node.operand))


def install(module: types.ModuleType, tree: ast.Module) -> None:
    """Put the code of a mutant in the place of the module's, wherever its functions were imported to.

    Args:
        module: Imported.
        tree: The mutant.
    """
    changed = types.ModuleType(module.__name__)
    changed.__dict__.update({"__file__": module.__file__, "__package__": module.__package__})
    sys.modules[module.__name__] = changed  # dataclasses look their module up
    exec(compile(tree, str(module.__file__), "exec"), changed.__dict__)
    sys.modules[module.__name__] = module
    _transplant(module.__dict__, changed.__dict__)


def _transplant(old: Any, new: Any) -> None:
    for name, value in list(new.items()):
        mine, theirs = _function(old.get(name)), _function(value)
        if isinstance(mine, types.FunctionType) and isinstance(theirs, types.FunctionType):
            if mine.__code__.co_freevars == theirs.__code__.co_freevars:
                mine.__code__ = theirs.__code__
                mine.__defaults__, mine.__kwdefaults__ = theirs.__defaults__, theirs.__kwdefaults__
        elif isinstance(value, type) and isinstance(old.get(name), type) and value.__module__ == new.get("__name__"):
            _transplant(vars(old[name]), vars(value))


def _function(value: Any) -> Any:
    for name in ("fget", "func", "__func__"):
        value = getattr(value, name, value)
    return inspect.unwrap(value) if callable(value) else value


class Pass:
    """Of a session, whether all tests passed and how many ran."""

    def __init__(self) -> None:
        self.ran = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test's call."""
        self.ran += report.when == "call" and not report.skipped


def passes(tests: tuple[str, ...]) -> bool:
    """Whether all tests pass; those are run first that noticed a mutant last.

    Args:
        tests: Files, from the root of the repository.
    """
    counted = Pass()
    options = ["-x", "-q", "-p", "no:cacheprovider", "-m", "not slow", "--no-header", "-W", "ignore"]
    code = pytest.main([*options, *(str(ROOT / path) for path in tests)], plugins=[counted])
    return code == 0 and counted.ran > 0


def noticed(room: Room, module: types.ModuleType, mutant: Mutant | None) -> bool:
    """Whether a test fails where a mutant stands in the room's place; None asks of the room as it is."""
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) != 0
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (HANGS, HANGS + 5))
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    code = 1
    try:
        if mutant is not None:
            install(module, mutant.tree)
        code = 0 if passes(room.tests) else 1
    finally:
        os._exit(code)


def main() -> None:
    """Print survivors as they are found, and write the counts."""
    parser = argparse.ArgumentParser(prog="python benchmarks/mutation.py")
    parser.add_argument("rooms", nargs="*", help=f"of {', '.join(ROOMS)}; all, where none is named")
    parser.add_argument("--most", type=int, help="Mutants a room, drawn from all.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    torch.set_num_threads(1)
    hypothesis.settings.register_profile(
        "mutation", max_examples=40, derandomize=True, database=None, deadline=None,
        phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
    )  # fmt: skip
    hypothesis.settings.load_profile("mutation")
    known = json.loads(asked.out.read_text()) if asked.out.exists() else {}
    for name in asked.rooms or ROOMS:
        room, started = ROOMS[name], time.monotonic()
        module = importlib.import_module(room.module)
        _warm(room)
        gc.collect()
        gc.freeze()  # what is here stays: forks need not copy its pages to look through them
        every = list(mutants(Path(str(module.__file__)).read_text(encoding="utf-8")))
        drawn = random.Random(asked.seed).sample(every, min(asked.most or len(every), len(every)))
        if noticed(room, module, None):
            sys.exit(f"{name}: its tests fail as it is")
        survivors = []
        for mutant in sorted(drawn, key=lambda mutant: mutant.line):
            if not noticed(room, module, mutant):
                survivors.append(f"line {mutant.line}: {mutant.what}")
                print(f"{name}, {survivors[-1]} survives", flush=True)
        killed = len(drawn) - len(survivors)
        print(f"{name}: {killed} of {len(drawn)} noticed ({len(every)} in all)", flush=True)
        known[name] = {
            "all": len(every), "drawn": len(drawn), "killed": killed, "module": room.module, "seed": asked.seed,
            "seconds": round(time.monotonic() - started), "survivors": survivors, "tests": list(room.tests),
        }  # fmt: skip
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        asked.out.write_text(json.dumps(known, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def _warm(room: Room) -> None:
    """Import what the tests import, so that each fork has it."""
    for path in room.tests:
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        for node in tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                exec(compile(ast.Module([node], []), path, "exec"), {})


if __name__ == "__main__":
    main()
