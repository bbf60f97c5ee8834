"""What a paper printed: the numbers of its tables and figures, and which of our numbers stands beside each, as data."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import model_validator

from frontdef.config import Config, build, field
from frontdef.toml import parse_toml, read_toml

Value = str | float | int
"""What a column of a summary is compared with."""

Kind = Literal["attack", "level"]


class PaperColumn(Config):
    """A column of a paper's table, and where our number for it stands."""

    name: str = field(description="what the paper calls it")
    frame: str = field("cells", description="table of the summary that has our number: cells, worst, metrics, …")
    value: str = field("robust_accuracy", description="its column there")
    interval: tuple[str, str] | None = field(
        None, description="columns that hold the ends of its 95 % interval; absent: that of a share of n samples, by n"
    )
    kind: Kind = field(
        "attack",
        description="attack: accuracy under an attack, of several rows of ours the lowest counts; level: anything "
        "else, there is one row",
    )
    where: dict[str, Value] = field(default_factory=dict, description="column of the summary → value, beside the row's")


class PaperRow(Config):
    """A row of a paper's table."""

    name: str = field(description="what the paper calls it")
    where: dict[str, Value] = field(default_factory=dict, description="column of the summary → value")
    same_network: bool = field(
        False,
        description="whether ours is the very network that the paper measured, so that a difference is the attack's",
    )
    values: tuple[float | Literal[""], ...] = field(
        description="what the paper printed, one for each column; '' where it has none"
    )


class PaperCause(Config):
    """Why a number of the paper did not come back, or can't be right."""

    row: str = field("", description="name of the row; every one if absent")
    column: str = field("", description="name of the column; every one if absent")
    text: str = field(min_length=1, description="the cause, in a sentence, and how it was tested")
    refuted: bool = field(False, description="whether the paper's number can't be right, whatever is measured")


class PaperTable(Config):
    """A table of a paper, or the points that were read off a figure."""

    name: str = field(description="what the paper calls it")
    run: str = field(description="name of the run, and of its summary, that has our numbers")
    unit: str = field("%", description="unit of the numbers; empty for pure ones")
    scale: float = field(100.0, description="our numbers times this are in that unit")
    digits: int = field(1, ge=0, le=6, description="decimals that are shown")
    tolerance: float = field(
        0.05,
        ge=0,
        description="how far the paper's number may be from what was measured, in its unit: half of the last printed "
        "digit, or the error of reading a figure",
    )
    where: dict[str, Value] = field(default_factory=dict, description="column of the summary → value, of every number")
    column: tuple[PaperColumn, ...] = field(min_length=1, description="its columns")
    row: tuple[PaperRow, ...] = field(min_length=1, description="its rows")
    cause: tuple[PaperCause, ...] = field((), description="what is known of differences")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        rows, columns = [row.name for row in self.row], [column.name for column in self.column]
        for row in self.row:
            if len(row.values) != len(columns):
                raise ValueError(
                    f"row {row.name!r} of {self.name!r} has {len(row.values)} values, and there are {len(columns)} "
                    f"columns ({', '.join(columns)}): '' stands for a number that the paper lacks"
                )
        for cause in self.cause:
            for named, known in ((cause.row, rows), (cause.column, columns)):
                if named and named not in known:
                    raise ValueError(f"a cause of {self.name!r} names {named!r}, and there are {', '.join(known)}")
        return self


class Paper(Config):
    """The file ``NAME.expected.toml``: what a paper printed."""

    paper: str = field(description="authors, title, year")
    table: tuple[PaperTable, ...] = field(min_length=1, description="its tables")


def load_paper(path: Path) -> Paper:
    """Read what a paper printed.

    Args:
        path: ``NAME.expected.toml``.

    Raises:
        ConfigError: No such file, no TOML, unknown keys (the nearest is named), or rows that do not fit the columns.
    """
    text = read_toml(path, "The papers that are here have theirs in benchmarks/papers/*.expected.toml")
    return build(Paper, parse_toml(text, str(path)), str(path))
