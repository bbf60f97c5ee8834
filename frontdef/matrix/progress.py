"""What a run shows while it works: a live grid on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from frontdef.matrix.jobs import Cell
    from frontdef.matrix.plan import Plan
    from frontdef.models.request import ModelRequest


class Progress(Protocol):
    """What the runner tells."""

    def begin(self, plan: Plan, cached: int) -> None:
        """The run starts; so many cells are there already."""

    def training(self, request: ModelRequest, epoch: int, epochs: int, loss: float, accuracy: float) -> None:
        """An epoch of training has ended."""

    def started(self, cell: Cell) -> None:
        """A cell is being run."""

    def done(self, cell: Cell, about: Mapping[str, Any]) -> None:
        """A cell is stored; ``about`` has its robust accuracy and seconds."""

    def failed(self, cell: Cell, error: str) -> None:
        """A cell failed; the failure is stored."""

    def end(self) -> None:
        """Nothing more is run."""


class PlainProgress:
    """A line an event, for logs and pipes.

    Args:
        console: Where to write.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.count = self.total = 0

    def begin(self, plan: Plan, cached: int) -> None:
        """Say how much there is to do."""
        self.count, self.total = cached, len(plan.cells)
        self._print(f"{self.total} cells, {cached} of them already stored")

    def training(self, request: ModelRequest, epoch: int, epochs: int, loss: float, accuracy: float) -> None:
        """Say how the training ended."""
        if epoch == epochs:
            what = f"{request.dataset} {request.classifier} {request.defense}"
            self._print(f"trained {what}: {epochs} epochs, loss {loss:.4f}, training accuracy {accuracy:.1%}")

    def started(self, cell: Cell) -> None:
        """Nothing: the line comes when the cell is done."""

    def done(self, cell: Cell, about: Mapping[str, Any]) -> None:
        """Say the cell's robust accuracy and time."""
        self.count += 1
        self._print(
            f"[{self.count}/{self.total}] {cell}: {about['robust_accuracy']:.1%} robust, {about['seconds']:.1f} s"
        )

    def failed(self, cell: Cell, error: str) -> None:
        """Say the last line of the traceback."""
        self.count += 1
        self._print(f"[{self.count}/{self.total}] {cell}: FAILED: {error.strip().splitlines()[-1]}")

    def end(self) -> None:
        """Nothing."""

    def _print(self, line: str) -> None:
        self.console.print(Text(line), soft_wrap=True)


class LiveProgress:
    """A grid of defenses × attacks that fills while the run works.

    Args:
        console: A terminal.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.live = Live(console=console, refresh_per_second=4, transient=True, get_renderable=self._grid)
        self.plan: Plan | None = None
        self.finished: Counter[tuple[str, str]] = Counter()
        self.worst: dict[tuple[str, str], float] = {}
        self.failures: list[str] = []
        self.line = ""

    def begin(self, plan: Plan, cached: int) -> None:
        """Open the grid."""
        self.plan = plan
        self.console.print(f"{len(plan.cells)} cells, {cached} of them already stored")
        self.live.start()

    def training(self, request: ModelRequest, epoch: int, epochs: int, loss: float, accuracy: float) -> None:
        """Show the epoch below the grid."""
        self.line = (
            f"training {request.dataset} {request.classifier} {request.defense}: epoch {epoch}/{epochs}, "
            f"loss {loss:.4f}, training accuracy {accuracy:.1%}"
        )

    def started(self, cell: Cell) -> None:
        """Show the cell below the grid."""
        self.line = f"attacking {cell}"

    def done(self, cell: Cell, about: Mapping[str, Any]) -> None:
        """Update the cell's place in the grid with the worst robust accuracy so far."""
        place = _place(cell)
        self.finished[place] += 1
        self.worst[place] = min(self.worst.get(place, 1.0), about["robust_accuracy"])

    def failed(self, cell: Cell, error: str) -> None:
        """Mark the failure."""
        self.finished[_place(cell)] += 1
        self.failures.append(f"{cell}: {error.strip().splitlines()[-1]}")

    def end(self) -> None:
        """Close the grid; failures stay on the screen."""
        self.live.stop()
        for failure in self.failures:
            self.console.print(Text(f"FAILED {failure}", style="red"))

    def _grid(self) -> Table:
        table = Table(title="robust accuracy, worst over libraries so far", caption=self.line, title_justify="left")
        if self.plan is None:
            return table
        total = Counter(_place(cell) for cell in self.plan.cells)
        columns = list(dict.fromkeys(column for _, column in total))
        table.add_column("defense", no_wrap=True)
        for column in columns:
            table.add_column(column, justify="right")
        for row in dict.fromkeys(row for row, _ in total):
            table.add_row(row, *(self._mark((row, column), total[row, column]) for column in columns))
        return table

    def _mark(self, place: tuple[str, str], total: int) -> str:
        if not total:
            return ""
        if not self.finished[place]:
            return "·"
        worst = f"{self.worst[place]:.0%}" if place in self.worst else "failed"
        return worst if self.finished[place] == total else f"{worst} ({self.finished[place]}/{total})"


def _place(cell: Cell) -> tuple[str, str]:
    return f"{cell.request.dataset} {cell.entry.title}", f"{cell.spec.family.name} {cell.spec.threat.norm}"


def make_progress(console: Console) -> Progress:
    """A live grid where the console is a terminal, plain lines elsewhere."""
    return LiveProgress(console) if console.is_terminal else PlainProgress(console)
