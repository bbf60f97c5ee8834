"""What a run shows while it works: a live grid on a terminal, plain lines elsewhere."""

from __future__ import annotations

import io
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from frontdef.counts import plural

if TYPE_CHECKING:
    from frontdef.models.request import Request
    from frontdef.runs.job import Job


class Progress(Protocol):
    """What the runner tells."""

    def note(self, lines: Sequence[str]) -> None:
        """What was found out about models that somebody else trained, before anything is attacked."""

    def begin(self, jobs: Sequence[Job], settled: int) -> None:
        """The run starts; so many jobs are there already, stored or failed."""

    def training(self, request: Request, epoch: int, epochs: int, loss: float, accuracy: float) -> None:
        """An epoch of training has ended."""

    def waiting(self, request: Request, holder: str) -> None:
        """Another process trains a model that is needed."""

    def started(self, job: Job) -> None:
        """A job is being run."""

    def done(self, job: Job, about: Mapping[str, Any]) -> None:
        """A job is stored; ``about`` is what is known of it."""

    def failed(self, job: Job, error: str) -> None:
        """A job failed; the failure is stored."""

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

    def note(self, lines: Sequence[str]) -> None:
        """A line each."""
        for line in lines:
            self._print(line)

    def begin(self, jobs: Sequence[Job], settled: int) -> None:
        """Say how much there is to do."""
        self.count, self.total = settled, len(jobs)
        self._print(begun(jobs, settled))

    def training(self, request: Request, epoch: int, epochs: int, loss: float, accuracy: float) -> None:
        """Say how the training ended."""
        if epoch == epochs:
            self._print(f"trained {request}: {epochs} epochs, loss {loss:.4f}, training accuracy {accuracy:.1%}")

    def waiting(self, request: Request, holder: str) -> None:
        """Say who trains it."""
        self._print(waits(request, holder))

    def started(self, job: Job) -> None:
        """Say which job is begun, because it may take long."""
        self._print(f"[{self.count + 1}/{self.total}] {job} …")

    def done(self, job: Job, about: Mapping[str, Any]) -> None:
        """Say what came of the job."""
        self.count += 1
        said = "; ".join(filter(None, (job.tell(about), job.note(about))))
        self._print(f"[{self.count}/{self.total}] {job}: {said}")

    def failed(self, job: Job, error: str) -> None:
        """Say the last line of the traceback."""
        self.count += 1
        self._print(f"[{self.count}/{self.total}] {job}: FAILED: {last_line(error)}")

    def end(self) -> None:
        """Nothing."""

    def _print(self, line: str) -> None:
        self.console.print(Text(line), soft_wrap=True)


class LiveProgress:
    """A grid, a row a model and a column a kind of job, that fills while the run works.

    Args:
        console: A terminal.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.asked: Counter[tuple[str, str]] = Counter()
        self.finished: Counter[tuple[str, str]] = Counter()
        self.worst: dict[tuple[str, str], float] = {}
        self.notes: list[str] = []
        self.failures: list[str] = []
        self.line = ""
        self.live: Live | Display = Live(
            console=console, refresh_per_second=4, transient=True, get_renderable=self._grid
        )

    def note(self, lines: Sequence[str]) -> None:
        """A line each, above the grid."""
        for line in lines:
            self.console.print(Text(line), soft_wrap=True)

    def begin(self, jobs: Sequence[Job], settled: int) -> None:
        """Open the grid."""
        self.asked = Counter(job.place for job in jobs)
        self.console.print(begun(jobs, settled))
        self.live.start()

    def training(self, request: Request, epoch: int, epochs: int, loss: float, accuracy: float) -> None:
        """Show the epoch below the grid."""
        self.line = f"training {request}: epoch {epoch}/{epochs}, loss {loss:.4f}, training accuracy {accuracy:.1%}"

    def waiting(self, request: Request, holder: str) -> None:
        """Show below the grid who trains it."""
        self.line = waits(request, holder)

    def started(self, job: Job) -> None:
        """Show the job below the grid."""
        self.line = str(job)

    def done(self, job: Job, about: Mapping[str, Any]) -> None:
        """Update the job's place in the grid, with the worst robust accuracy so far where there is one."""
        self.finished[job.place] += 1
        if about.get("robust_accuracy") is not None:
            self.worst[job.place] = min(self.worst.get(job.place, 1.0), about["robust_accuracy"])
        if note := job.note(about):
            self.notes.append(f"{job}: {note}")

    def failed(self, job: Job, error: str) -> None:
        """Mark the failure."""
        self.finished[job.place] += 1
        self.failures.append(f"{job}: {last_line(error)}")

    def end(self) -> None:
        """Close the grid; notes and failures stay on the screen."""
        self.live.stop()
        for note in self.notes:
            self.console.print(Text(note, style="yellow"))
        for failure in self.failures:
            self.console.print(Text(f"FAILED {failure}", style="red"))

    def _grid(self) -> Table:
        title = "robust accuracy, worst over libraries so far; other jobs: how many are done"
        table = Table(title=title, caption=Text(self.line), title_justify="left")
        table.add_column("model", no_wrap=True)
        columns = list(dict.fromkeys(column for _, column in self.asked))
        for column in columns:
            table.add_column(column, justify="right")
        for row in dict.fromkeys(row for row, _ in self.asked):
            table.add_row(Text(row), *(self._mark((row, column)) for column in columns))
        return table

    def _mark(self, place: tuple[str, str]) -> str:
        total, finished = self.asked[place], self.finished[place]
        if not total:
            return ""
        if not finished:
            return "·"
        share = f"{self.worst[place]:.0%}" if place in self.worst else ""
        count = "" if finished == total and share else f"{finished}/{total}"
        return " ".join(filter(None, (share, count)))


class Display:
    """The grid in a notebook's output: one place that is drawn again, at most twice a second.

    Args:
        drawn: What draws the grid.
    """

    def __init__(self, drawn: Callable[[], Table]) -> None:
        self._drawn = drawn
        self._handle: Any = None
        self._at = 0.0

    def start(self) -> None:
        """Open it."""
        from IPython.display import display

        self._handle = display(self._page(), display_id=True)

    def update(self) -> None:
        """Draw it again, if that is not too soon."""
        if self._handle is not None and time.monotonic() - self._at > 0.5:
            self._handle.update(self._page())
            self._at = time.monotonic()

    def stop(self) -> None:
        """Draw it for the last time; it stays."""
        if self._handle is not None:
            self._handle.update(self._page())

    def _page(self) -> Any:
        from IPython.display import HTML

        console = Console(record=True, file=io.StringIO(), width=160, force_jupyter=False)
        console.print(self._drawn())
        return HTML(console.export_html(inline_styles=True, code_format="<pre>{code}</pre>"))


class NotebookProgress(LiveProgress):
    """The same grid in the output of a notebook's cell.

    Args:
        console: One that knows that it is in a notebook.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.live = self._display = Display(self._grid)

    def started(self, job: Job) -> None:
        """Show the job below the grid."""
        super().started(job)
        self._display.update()

    def done(self, job: Job, about: Mapping[str, Any]) -> None:
        """Update the job's place in the grid."""
        super().done(job, about)
        self._display.update()


def begun(jobs: Sequence[Job], settled: int) -> str:
    """How much there is to do, by table."""
    count = Counter(job.table.name for job in jobs)
    by_table = ", ".join(plural(number, name.removesuffix("s"), name) for name, number in count.items())
    return f"{plural(len(jobs), 'job')} ({by_table}), {settled} of them already stored"


def waits(request: Request, holder: str) -> str:
    """Who trains a model that is needed."""
    return f"waiting for {request}: it is being trained by {holder}"


def last_line(error: str) -> str:
    """The last line of a traceback."""
    return error.strip().splitlines()[-1] if error.strip() else ""


def make_progress(console: Console) -> Progress:
    """A live grid where the console is a terminal or a notebook, plain lines elsewhere."""
    if console.is_jupyter:
        return NotebookProgress(console)
    return LiveProgress(console) if console.is_terminal else PlainProgress(console)
