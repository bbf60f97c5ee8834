"""``frontdef``, and the same as ``python -m frontdef``: a process of its own."""

from __future__ import annotations

from frontdef.cli import main
from frontdef.heap import keep_freed


def run() -> None:
    """The command, in a process that keeps the memory that it frees."""
    keep_freed()
    main()


if __name__ == "__main__":
    run()
