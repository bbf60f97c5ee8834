"""A process that holds a worker: ``python -m frontdef.runs.executors.leash``, started by `Processes`.

It passes its standard input and output on to the worker, which has neither as its own. When its standard input is
closed, because whoever gives the orders wants so or has died, or when the worker ends, it kills the worker and all that
the worker started, whatever they are doing: a worker that never returns from a library's C code could not do that
itself. It ends as the worker ended.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys

from frontdef.runs.executors import family

ORDERS, ANSWERS = 0, 1
"""Standard input and output."""

LOOK = 1000
"""Milliseconds between two looks at whether the parent is the same, should somebody else hold its end of the pipe."""


def hold() -> int:
    """Start the worker, wait until it may not go on, end its family; returns its exit code, negative for a signal."""
    parent = os.getppid()
    family.adopt()
    ended, signaled = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) if hasattr(os, "pipe2") else os.pipe()
    os.set_blocking(signaled, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(signaled, warn_on_full_buffer=False)
    orders, answers = os.dup(ORDERS), os.dup(ANSWERS)
    worker = subprocess.Popen(
        [sys.executable, "-m", "frontdef.runs.executors.worker", str(orders), str(answers)],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),
        pass_fds=(orders, answers),
        start_new_session=True,
    )
    for descriptor in (orders, answers, ANSWERS):
        os.close(descriptor)
    events = select.poll()
    events.register(ORDERS, 0)  # only that it was closed
    events.register(ended, select.POLLIN)
    while worker.poll() is None and os.getppid() == parent:
        happened = dict(events.poll(LOOK))
        if ORDERS in happened:
            break
        if ended in happened:
            with contextlib.suppress(BlockingIOError):
                os.read(ended, 4096)
            _forget_all_but(worker.pid)
    code = worker.poll()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(worker.pid, signal.SIGKILL)
    if code is None:
        code = worker.wait()
    family.end(os.getpid())
    return code


def _forget_all_but(worker: int) -> None:
    """Take note of adopted processes that have ended, so that the system forgets them."""
    ended = os.WEXITED | os.WNOHANG | os.WNOWAIT
    while (process := os.waitid(os.P_ALL, 0, ended)) is not None and process.si_pid != worker:
        os.waitpid(process.si_pid, os.WNOHANG)


def _end_like(code: int) -> None:
    """End with an exit code, or by the signal that a negative one stands for."""
    if code < 0:
        with contextlib.suppress(OSError):  # some can't be caught, so they needn't be let go of
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


if __name__ == "__main__":
    _end_like(hold())
