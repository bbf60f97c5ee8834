"""Processes that cost little: forks of this one, which have imported all that this one has.

Importing torch and ART takes a new process some seconds of processor time. Where what a process imports, or how it
hashes, is not what is asked, a fork answers the same: its memory, its directory and its generators are its own, it can
be killed, and what it changes stays in it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from frontdef import registry
from frontdef.errors import StoreError

REFUSED, FOREIGN = 3, 4
"""Exit codes of a process that ended in frontdef's own error on a run folder, and in another one."""


def fork(work: Callable[[], Any], errors: Path | None = None) -> int:
    """Start a process that does some work; it ends with 0, `REFUSED` or `FOREIGN`. Returns its id.

    Args:
        work: Done in the other process.
        errors: Where its standard error goes; None for nowhere.
    """
    if process := _forked():
        return process
    code = FOREIGN
    gc.disable()
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sink = os.open(errors or os.devnull, os.O_WRONLY | os.O_CREAT)
        _streams(os.open(os.devnull, os.O_WRONLY), sink)
        try:
            work()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        except StoreError:
            code = REFUSED
        except BaseException:
            traceback.print_exc()
        with contextlib.suppress(OSError):
            sys.stderr.flush()
    finally:
        os._exit(code)


def wait(process: int) -> int:
    """The exit code of a process; negative where a signal ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def in_child(work: Callable[[], Any]) -> Any:
    """What some work gives, JSON values, done in a process of its own."""
    reading, writing = os.pipe()
    if not (child := _forked()):
        try:
            answer = {"result": work()}
        except BaseException:
            answer = {"error": traceback.format_exc()}
        with open(writing, "w") as file:
            json.dump(answer, file)
        os._exit(0)
    os.close(writing)
    with open(reading) as file:
        said = file.read()
    os.waitpid(child, 0)
    answer = json.loads(said or '{"error": "the process was killed"}')
    assert "error" not in answer, answer["error"]
    return answer["result"]


def python(*command: str, environment: Mapping[str, str] | None = None) -> SimpleNamespace:
    """What Python would do with a command line, ``-m MODULE …`` or ``-c CODE …``.

    Args:
        command: The words after ``python``.
        environment: Variables; those of this process if absent. ``PYTHONPATH`` is heeded, no other of Python's own.

    Returns:
        Its exit code, and what it wrote to standard output and standard error.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        if not (process := _forked()):
            _become(command, dict(os.environ if environment is None else environment), out.fileno(), err.fileno())
        code = wait(process)
        written = [file.seek(0) or file.read().decode() for file in (out, err)]
    return SimpleNamespace(code=code, out=written[0], err=written[1])


def _forked() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking where there are threads: none holds a lock
        return os.fork()


def _streams(out: int, err: int) -> None:
    for place, descriptor in ((0, os.open(os.devnull, os.O_RDONLY)), (1, out), (2, err)):
        os.dup2(descriptor, place)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")


def _become(command: tuple[str, ...], environment: dict[str, str], out: int, err: int) -> None:
    """Run a command as a fresh interpreter would, and end as it ended."""
    code = 1
    gc.freeze()
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _streams(out, err)
        os.environ.clear()
        os.environ.update(environment)
        sys.path[:0] = ["", *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
        importlib.invalidate_caches()
        registry.clear()
        warnings.resetwarnings()
        warnings.showwarning = _show_warning
        for ignored in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", ignored)
        try:
            _run(*command)
            code = 0
        except SystemExit as ended:
            if isinstance(ended.code, str):
                print(ended.code, file=sys.stderr)
            code = 1 if isinstance(ended.code, str) else int(ended.code or 0)
        except BaseException:
            traceback.print_exc()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    finally:
        os._exit(code)


def _show_warning(message: Any, category: type[Warning], filename: str, lineno: int, *_: Any) -> None:
    print(warnings.formatwarning(message, category, filename, lineno), end="", file=sys.stderr)


def _run(way: str, what: str, *words: str) -> None:
    sys.argv = [way, *words]
    if way == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        sys.modules["__main__"] = ModuleType("__main__")
        exec(compile(what, "<string>", "exec"), vars(sys.modules["__main__"]))
