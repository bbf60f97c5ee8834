"""Ctrl-C ends a command, with 130, whatever it is doing."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPPED = 130
"""The exit code of a command that was interrupted, as in a shell: 128 + SIGINT."""

GRACE = 10.0
"""Seconds in which it may end by itself."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt. Where a library swallows it, or it is pressed again, the process is ended.

    Results are written whole or not at all, and processes of the run end with it, so nothing is lost by that.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if pressed:
            _end()
        pressed.append(number)
        last = threading.Timer(GRACE, _end)
        last.daemon = True
        last.start()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(STOPPED)
    finally:
        if not pressed:
            signal.signal(signal.SIGINT, before)


def _end() -> None:
    if sys.stderr.isatty():
        os.write(sys.stderr.fileno(), b"\x1b[?25h\n")  # a live grid hides the cursor
    os._exit(STOPPED)
