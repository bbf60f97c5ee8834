"""Counts in words."""

from __future__ import annotations


def plural(count: int, singular: str, several: str = "") -> str:
    """``1 job``, ``2 jobs``, ``1,000 jobs``.

    Args:
        count: How many.
        singular: What one is called.
        several: What several are called; by default with an s.
    """
    return f"{count:,} {singular if count == 1 else several or singular + 's'}"
