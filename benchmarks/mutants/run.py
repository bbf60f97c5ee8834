"""Mutate the libraries' attacks, one change at a time, and see who notices.

A warm process imports everything and runs each row as it is; each mutant is a fork of it, with a time limit, in which
the functions of one module get other code. Mutants of lines that run are drawn by a seed. A mutant that changes no
example of any setting is set aside as *unchanged*. The others go through the verdicts of the matched comparison with
the other libraries on the same samples, then through the invariants of `frontdef check-attack`, until one objects that
does not object to the library as it is.

    python benchmarks/mutants/run.py OUT.jsonl [--per-module 24] [--seed 0] [--limit 60] [LIBRARY ...]

Each mutant is one line of JSON; what stands in the file is not run again. `summarize.py` makes the tables of it.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import random
import signal
import sys
import time
from collections import defaultdict
from pathlib import Path
from types import FunctionType
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.mutants.measure import Cell, Subject
from benchmarks.mutants.mutate import Mutant, compiled, install, mutants
from benchmarks.mutants.subjects import SUBJECTS
from frontdef.registry import get_attack_libraries, get_families

Place = tuple[str, int]


def main() -> None:
    """Run what is not in the file yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("libraries", nargs="*", default=list(SUBJECTS))
    parser.add_argument("--per-module", type=int, default=24, help="mutants of a module, drawn by --seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, default=60, help="seconds of processor time a mutant")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    done = (
        {json.loads(line)["id"] for line in arguments.out.read_text().splitlines()} if arguments.out.exists() else set()
    )
    for library in arguments.libraries:
        for module, rows in SUBJECTS[library].items():
            _module(arguments, library, module, rows, done)


def _module(arguments: argparse.Namespace, library: str, module: str, rows: Any, done: set[str]) -> None:
    subjects = [_subject(library, family, norm) for family, norm in rows]
    loaded = importlib.import_module(module)
    file = str(loaded.__file__)
    source = Path(file).read_text(encoding="utf-8")
    lines: set[int] = set()
    for subject in subjects:
        with _Lines(file, lines):
            subject.begin()
        subject.compare()
    reached = [mutant for mutant in mutants(source) if mutant.line in lines]
    drawn = random.Random(arguments.seed).sample(reached, len(reached))[: arguments.per_module]
    functions = _functions(file)
    print(f"{module}: {len(reached)} mutants of lines that run, {len(drawn)} drawn", flush=True)
    for mutant in sorted(drawn, key=lambda mutant: mutant.number):
        name = f"{module}:{mutant.number}"
        if name in done:
            continue
        told = {"id": name, "library": library, "module": module, "line": mutant.line, "kind": mutant.kind}
        told |= {"change": mutant.change, "rows": ["/".join(row) for row in rows], "reached": len(reached)}
        result = _forked(arguments.limit, subjects, functions, source, file, mutant)
        with arguments.out.open("a", encoding="utf-8") as out:
            out.write(json.dumps(told | result, ensure_ascii=False) + "\n")


def _subject(library: str, family: str, norm: Any) -> Subject:
    libraries = get_attack_libraries()
    families = {record.name: record for record in get_families()}
    peers = [other for name, other in libraries.items() if name != library and other.offers(family, norm)]
    return Subject(libraries[library], families[family], norm, peers)


class _Lines:
    """Which lines of a file run."""

    def __init__(self, file: str, lines: set[int]) -> None:
        self.file, self.lines = file, lines

    def __enter__(self) -> None:
        def trace(frame: Any, event: str, _: Any) -> Any:
            if frame.f_code.co_filename != self.file:
                return None
            if event == "line":
                self.lines.add(frame.f_lineno)
            return trace

        sys.settrace(trace)

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)


def _functions(file: str) -> dict[Place, list[FunctionType]]:
    """Live functions of a file, by qualified name and first line."""
    functions: dict[Place, list[FunctionType]] = defaultdict(list)
    for thing in gc.get_objects():
        if isinstance(thing, FunctionType) and thing.__code__.co_filename == file:
            functions[thing.__code__.co_qualname, thing.__code__.co_firstlineno].append(thing)
    return functions


def _forked(limit: int, *work: Any) -> dict[str, Any]:
    """What a fork says of a mutant; that it ran past the limit, or ended its process, is noticed by anyone."""
    started = time.monotonic()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        signal.setitimer(signal.ITIMER_PROF, limit)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
        try:
            said = json.dumps(_measured(*work))
        except BaseException as error:  # whatever a mutant does is a result
            said = json.dumps(
                {"changed": True, "noticed": "raises", "measured": f"{type(error).__name__}: {error}"[:200]}
            )
        os.write(write, said.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    result = json.loads(said) if said else {"changed": True, "noticed": "time limit", "measured": f"ended by {status}"}
    return {**result, "seconds": round(time.monotonic() - started, 2)}


def _measured(subjects: list[Subject], functions: Any, source: str, file: str, mutant: Mutant) -> dict[str, Any]:
    install(functions, compiled(source, file, mutant))
    altered: list[tuple[Subject, dict[int, Cell]]] = []
    for subject in subjects:
        cells = {number: subject.run(subject.library, cell.spec) for number, cell in subject.cells.items()}
        if any(subject.changed(cell, number) for number, cell in cells.items()):
            altered.append((subject, cells))
    for subject, cells in altered:
        name, measured = subject.noticed(cells)
        if name:
            return {"changed": True, "noticed": name, "measured": measured[:200]}
    return {"changed": bool(altered), "noticed": "", "measured": ""}


if __name__ == "__main__":
    main()
