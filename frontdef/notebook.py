"""Tables for notebooks: HTML of what a cell returns, in which names of other people's are text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def table(caption: str, titles: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """An HTML table.

    Args:
        caption: What it is about.
        titles: Of its columns.
        rows: Cells as they are to be read.
    """
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    body = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def lines(texts: Iterable[str]) -> str:
    """Paragraphs as a list; nothing where there are none."""
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f"<ul>{items}</ul>" if items else ""


def percent(share: float | None) -> str:
    """A share in percent, without its sign; a dash where there is none."""
    return "–" if share is None or share != share else f"{100 * share:.1f}"
