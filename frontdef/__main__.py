"""``python -m frontdef``, the same as the ``frontdef`` command."""

from __future__ import annotations

from frontdef.cli import main

if __name__ == "__main__":
    main()
