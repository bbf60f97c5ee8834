"""Tables as one web page that stands alone: no script, nothing fetched, light or dark as the reader has it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from frontdef.cli.text import printable
from frontdef.notebook import lines
from frontdef.report.palette import variables

if TYPE_CHECKING:
    from frontdef.cli.sheets import Sheet, SheetCell

VERDICTS = ("worse", "better")
"""Words that are colored where they are bold."""

STYLE = """
body { margin: 2rem auto; max-width: 72rem; padding: 0 1rem; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; }
h1, li, caption { overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.2; }
ul { padding-left: 1.2rem; }
caption { position: sticky; left: 0; width: fit-content; max-width: calc(100vw - 2rem); padding-bottom: .4rem;
  text-align: left; font-weight: 600; }
th, td { padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { color: var(--muted); font-weight: 500; border-bottom-width: 2px; }
.worse { color: var(--alert); }
.better { color: var(--accent); }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
"""


def to_html(sheets: Sequence[Sheet], told: Sequence[str] = (), heading: str = "") -> str:
    """As a page.

    Args:
        sheets: The tables.
        told: What is said of them all, an item each.
        heading: What the page is about; its title, instead of that of the first table.
    """
    light, dark = (_colors(dark=dark) for dark in (False, True))
    title = escape(printable(heading or (sheets[0].title if sheets else "frontdef")))
    head = (
        f'<meta charset="utf-8"><title>{title}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">\n'
        f"<style>:root {{ {light} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}{STYLE}</style>"
    )
    top = f"<h1>{title}</h1>\n" if heading else ""
    body = f"{top}{lines(map(printable, told))}\n{''.join(_table(sheet.for_people()) for sheet in sheets)}"
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>{body}</body></html>\n'


def _colors(dark: bool) -> str:
    colors = variables(dark)
    return "".join(f"--{name}:{colors[name]};" for name in ("page", "ink", "line", "muted", "accent", "alert"))


def _table(sheet: Sheet) -> str:
    kinds = [' class="number"' if column.numbers else "" for column in sheet.columns]
    head = "".join(
        f'<th scope="col"{kind}>{escape(printable(column.title))}</th>'
        for column, kind in zip(sheet.columns, kinds, strict=True)
    )
    rows = "".join(
        f"<tr>{''.join(f'<td{kind}>{_cell(cell)}</td>' for cell, kind in zip(row, kinds, strict=True))}</tr>\n"
        for row in sheet.rows
    )
    return (
        f'<div class="wide"><table><caption>{escape(printable(sheet.title))}</caption><thead><tr>{head}</tr></thead>\n'
        f"<tbody>{rows}</tbody></table></div>\n"
    )


def _cell(cell: SheetCell) -> str:
    text = "<br>".join(escape(printable(line)) for line in cell.text.split("\n"))
    kind = f' class="{cell.text}"' if cell.text in VERDICTS else ""
    return f"<strong{kind}>{text}</strong>" if cell.bold and text else text
