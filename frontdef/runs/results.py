"""Reading a run of any kind: data frames, SQL, pictures."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa
from pydantic import ValidationError

from frontdef import notebook
from frontdef.counts import plural
from frontdef.errors import ConfigError, StoreError, UnknownNameError
from frontdef.lazy import resolve
from frontdef.reading import uncollected
from frontdef.runs.columns import NUMPY, arrays
from frontdef.runs.head import MEND, Head, JobEntry
from frontdef.runs.kind import Kind, get_kind
from frontdef.runs.packs import RowBlock
from frontdef.runs.store import ARROW, REPORT, Store
from frontdef.runs.table import JSON, OBJECTS, Table, is_object, is_text

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    from matplotlib.axes import Axes
    from torch import Tensor

    from frontdef.tensorfile import TensorFile
    from frontdef.verdicts.paper import Paper
    from frontdef.verdicts.reproduced import Comparison


Kept = TypeVar("Kept", bound="Results")


@dataclass(frozen=True)
class JobState:
    """A job that was asked for, and how far it is.

    Args:
        entry: What was asked.
        status: ``ok``, ``failed``, or ``missing`` (not run yet).
        about: What is known of it beside its rows; empty where it is not done.
        error: Traceback of a failed one.
    """

    entry: JobEntry
    status: str
    about: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""


class Results:
    """A run that was stored, of whatever kind; a kind adds what only its runs are asked for.

    Args:
        path: The run folder, or its store.

    Raises:
        StoreError: No run there, a damaged one, or one in another format.
    """

    def __init__(self, path: str | Path | Store) -> None:
        self.store: Store = path if isinstance(path, Store) else Store(Path(path))
        self.head: Head = self.store.require_head()
        self.kind: Kind = get_kind(self.head.kind)

    @property
    def path(self) -> Path:
        """The run folder."""
        return self.store.root

    @cached_property
    @uncollected()
    def jobs(self) -> tuple[JobState, ...]:
        """Every job that was asked for.

        Raises:
            StoreError: A file is damaged, was changed, or is another job's.
        """
        for entry in self.head.jobs:
            if entry.table not in self._tables:
                raise StoreError(
                    f"{self.path}: {entry.what} is of a table {entry.table!r}, which a {self.head.kind} lacks"
                )
        abouts = {
            (name, key): about
            for name in self._tables
            for block in self.blocks(name)
            for key, about in zip(block.keys, block.abouts, strict=True)
        }
        return tuple(self._state(entry, abouts.get((entry.table, entry.key))) for entry in self.head.jobs)

    def _state(self, entry: JobEntry, about: Mapping[str, Any] | None) -> JobState:
        if about is not None:
            self._require_told(entry, about)
            return JobState(entry, "ok", about)
        self._require_described(entry)
        if self.store.failed(entry.key):
            return JobState(entry, "failed", error=self.store.failure(entry.key)["error"])
        return JobState(entry, "missing")

    def _require_described(self, entry: JobEntry) -> None:
        """A run.json with the right checksum may still have been written by somebody else."""
        table, about = self._tables[entry.table], entry.about
        said = (name for name, value in about.items() if value is not None and name in self._kinds)
        asked = dict.fromkeys((*table.joined, *table.described, *said))
        if wrong := [name for name in asked if not self._fits(name, about.get(name))]:
            names = ", ".join(wrong)
            raise StoreError(f"{self.path}: run.json does not say the {names} of {entry.what} as it should: {MEND}")

    def _fits(self, name: str, value: Any) -> bool:
        """Whether a value may stand in a column of that name."""
        if not isinstance(value, self._kinds[name]):
            return False
        return not isinstance(value, str) or (is_object(value) if name in OBJECTS else is_text(value))

    def _require_told(self, entry: JobEntry, about: Mapping[str, Any]) -> None:
        """A file with the right checksum may still have been written by somebody else."""
        told = self._tables[entry.table].told
        if told is None:
            return
        try:
            told.model_validate(about)
        except ValidationError as error:
            wrong = ", ".join(".".join(map(str, problem["loc"])) for problem in error.errors()[:3])
            path = self.store.path(entry.table, entry.key)
            raise StoreError(
                f"{path} does not tell what a job of {entry.table} does ({wrong}): delete it, and it is made again"
            ) from None

    def _require_columns(self, table: str, rows: pa.Table, path: Path) -> pa.Table:
        """A file with the right checksum may still have been written by somebody else.

        Returns:
            The rows, their columns in the order of the table.
        """
        wanted = {name: ARROW[column.type] for name, column in self._tables[table].stored.items()}
        stored = list(zip(rows.schema.names, rows.schema.types, strict=True))
        if len(stored) != len(wanted) or dict(stored) != wanted:
            raise StoreError(f"{path} has other columns than the table {table}: delete it, and it is made again")
        return rows.select(list(wanted))

    @uncollected()
    def blocks(self, table: str) -> list[RowBlock]:
        """The rows of all jobs of a table that are done, many jobs at a time, read once.

        Raises:
            StoreError: A file is damaged, was changed, or is another job's.
        """
        if table not in self._blocks:
            done = self.store.done(table)
            entries = [entry for entry in self.head.jobs if entry.table == table and entry.key in done]
            for entry in entries:
                self._require_described(entry)
            keys = dict.fromkeys(entry.key for entry in entries)
            self._blocks[table] = list(self.store.scan(table, keys, partial(self._require_columns, table)))
        return self._blocks[table]

    @cached_property
    def _blocks(self) -> dict[str, list[RowBlock]]:
        return {}

    def take_blocks(self, table: str) -> Iterator[RowBlock]:
        """The same, each let go of once it is given: who asks for the table's rows later has them read again."""
        blocks = self.blocks(table)
        del self._blocks[table]
        self._places.pop(table, None)
        while blocks:
            yield blocks.pop(0)
            pa.default_memory_pool().release_unused()  # Arrow's allocator keeps what is freed, unless it is asked

    @cached_property
    def _places(self) -> dict[str, dict[str, tuple[RowBlock, int, int]]]:
        """Table → key → where its rows stand: in which block, from which row, and how many."""
        return {}

    def jobs_of(self, table: str) -> tuple[JobState, ...]:
        """The jobs that fill a table."""
        return tuple(job for job in self.jobs if job.entry.table == table)

    def rows(self, job: JobState) -> pa.Table:
        """The rows of a job that is done, without the columns that its description holds."""
        table = job.entry.table
        if table not in self._places:
            self._places[table] = {
                key: (block, int(start), count)
                for block in self.blocks(table)
                for key, start, count in zip(block.keys, block.starts, block.counts, strict=True)
            }
        block, start, count = self._places[table][job.entry.key]
        return block.rows.slice(start, count)

    def read_rows(self, table: str, keys: Iterable[str]) -> dict[str, pa.Table]:
        """The rows of a few jobs that are done, read for this call, whatever else of the table is in memory.

        Raises:
            StoreError: One is missing, damaged, was changed, or is another job's.
        """
        return {
            key: block.rows.slice(start, count)
            for block in self.store.scan(table, dict.fromkeys(keys), partial(self._require_columns, table))
            for key, start, count in zip(block.keys, block.starts.tolist(), block.counts, strict=True)
        }

    def failures(self) -> list[dict[str, str]]:
        """What failed, of whatever kind: its key, what it is, and its traceback."""
        return [
            {"key": job.entry.key, "what": job.entry.what, "error": job.error}
            for job in self.jobs
            if job.status == "failed"
        ]

    def table(self, name: str) -> pd.DataFrame:
        """A whole table or view, with the columns that it declares.

        Raises:
            UnknownNameError: This kind of run has none of that name.
        """
        if name in self._tables:
            frame: pd.DataFrame = self._arrow(self._tables[name]).to_pandas()
            return frame
        for view in self.kind.views:
            if view.name == name:
                return self.sql(view.make) if isinstance(view.make, str) else view.make(self)
        raise UnknownNameError("table", name, self._names, f"{self.path} is a {self.head.kind}.")

    def columns(self, table: str) -> dict[str, np.ndarray]:
        """A whole table as arrays ``(N,)``: what `table` gives, without pandas; texts are objects."""
        declared = self._tables[table]
        about = {entry.key: entry.about for entry in self.head.jobs if entry.table == table}
        parts: dict[str, list[np.ndarray]] = {name: [] for name in declared.columns}
        for block in self.blocks(table):
            for name, values in arrays(block.rows, declared.stored).items():
                parts[name].append(values)
            for name in declared.joined:
                kind = NUMPY[declared.columns[name].type]
                parts[name].append(np.repeat(np.array([about[key][name] for key in block.keys], kind), block.counts))
        kinds = {name: NUMPY[column.type] for name, column in declared.columns.items()}
        return {name: np.concatenate([np.empty(0, kind), *parts[name]]) for name, kind in kinds.items()}

    @cached_property
    def _tables(self) -> dict[str, Table]:
        return {table.name: table for table in self.kind.tables}

    @cached_property
    def _kinds(self) -> dict[str, type | tuple[type, ...]]:
        """Column of a table or a view → the type of its values in JSON."""
        made = (*(table.columns for table in self.kind.tables), *(view.columns for view in self.kind.views))
        return {name: JSON[column.type] for columns in made for name, column in columns.items()}

    @property
    def _names(self) -> list[str]:
        return [*self._tables, *(view.name for view in self.kind.views)]

    def _arrow(self, table: Table) -> pa.Table:
        """The rows of all jobs that are done, with what their descriptions add."""
        schema = pa.schema([(name, ARROW[column.type]) for name, column in table.columns.items()])
        about = {entry.key: entry.about for entry in self.head.jobs if entry.table == table.name}
        filled = []
        for block in self.blocks(table.name):
            rows, whose = block.rows, np.repeat(np.arange(len(block.keys)), block.counts)
            try:
                for name in table.joined:
                    values = pa.array([about[key][name] for key in block.keys], ARROW[table.columns[name].type])
                    rows = rows.append_column(name, values.take(pa.array(whose)))
                filled.append(rows.select(list(table.columns)).cast(schema))
            except (pa.ArrowException, KeyError, TypeError, ValueError) as error:
                raise StoreError(f"{self.path}: what run.json says of {table.name} is no {name}: {error}") from None
        return pa.concat_tables(filled) if filled else schema.empty_table()

    @cached_property
    def _database(self) -> duckdb.DuckDBPyConnection:
        """Every table and view. Files are read by their exact paths, and none by DuckDB."""
        from frontdef.runs.query import connect, lock

        database = connect()
        for name, table in self._tables.items():
            database.register(name, self._arrow(table))
        for view in self.kind.views:
            if isinstance(view.make, str):
                database.execute(f"create view {view.name} as {view.make}")
            else:
                database.register(view.name, view.make(self))
        lock(database)
        return database

    def sql(self, query: str) -> pd.DataFrame:
        """Ask with SQL (DuckDB) over the tables of this kind of run, and over nothing else.

        Args:
            query: One ``SELECT``; nothing can be changed, and no file, extension or variable is reached.

        Raises:
            StoreError: The query is wrong (DuckDB's message is given), takes more than a minute, or its answer is too
                large.
        """
        from frontdef.runs.query import ask

        database = self._database
        try:
            return ask(database, query)
        except StoreError as error:
            raise StoreError(f"{error}. Tables: {', '.join(self._names)}") from None

    def arrow(self, query: str) -> pa.Table:
        """The same as `sql`, as an Arrow table."""
        return self._database.execute(query).to_arrow_table()

    def summary(self, names: Collection[str] | None = None) -> dict[str, pd.DataFrame]:
        """What is small enough to keep of the run: a few tables without a row a sample.

        `frontdef.verdicts.reproduced.compare` sets a paper's numbers beside them.

        Args:
            names: Those tables alone, as far as there are any of these names; None makes all.
        """
        tables: Mapping[str, Callable[[Results], pd.DataFrame]] = resolve(self.kind.summary)
        return {name: make(self) for name, make in tables.items() if names is None or name in names}

    def compared(self, paper: Paper) -> dict[str, list[Comparison]]:
        """A paper's numbers beside those of this run.

        Args:
            paper: What it printed.

        Returns:
            Table of the paper → a row a number; the tables that are about a run of this name.

        Raises:
            ConfigError: None is, or one names what the summary lacks.
        """
        from frontdef.verdicts.reproduced import compare

        tables = [table for table in paper.table if table.run == self.head.name]
        if not tables:
            runs = ", ".join(dict.fromkeys(table.run for table in paper.table))
            raise ConfigError(
                f"no table of {paper.paper} is about a run named {self.head.name!r}: they are about {runs}"
            )
        frames = self.summary({column.frame for table in tables for column in table.column})
        return {table.name: compare(table, frames) for table in tables}

    def report(self, path: str | Path | None = None, *, paper: Paper | None = None) -> Path:
        """Write the run as one offline HTML file.

        Args:
            path: The file; None takes ``report.html`` in the run folder.
            paper: Set beside it what a paper printed; of the run of a matrix.

        Raises:
            StoreError: It can't be written.
            ConfigError: The paper has no table of this run, or the run is a study.
        """
        write: Callable[..., Path] = resolve(self.kind.report)
        if paper is not None and not self.kind.papers:
            raise ConfigError(
                f"{self.path} is a {self.head.kind}, whose report has no section for a paper: `frontdef results "
                f"{self.path} --expected FILE` sets them side by side"
            )
        beside = {} if paper is None else {"paper": paper}
        return write(self, self.path / REPORT if path is None else Path(path), **beside)

    def plot(self, what: str = "brackets", **options: Any) -> Axes:
        """Draw a figure, as axes of matplotlib that a person can go on with.

        Args:
            what: ``brackets``, ``curves`` or ``heat``.
            options: ``norm``, ``eps``, ``dataset``, ``classifier``, and ``axes`` to draw on, as
                `frontdef.report.figures.plot` takes them.

        Raises:
            ConfigError: This kind of run has no such figures, or none can be drawn yet.
        """
        if not self.kind.plot:
            raise ConfigError(f"{self.path} is a {self.head.kind}, which is drawn by its report alone")
        draw: Callable[..., Axes] = resolve(self.kind.plot)
        return draw(self, what, **options)

    def _repr_html_(self) -> str:
        """A notebook shows how far it is."""
        return notebook.lines([self._how_far()])

    def _how_far(self) -> str:
        states = [job.status for job in self.jobs]
        done = f"{states.count('ok')} of {plural(len(states), 'job')} done"
        return f"{self.head.name}: {done}, {states.count('failed')} failed"

    def notes(self) -> list[str]:
        """What was left out in finished jobs, and why, one line each."""
        return [
            f"{job.entry.what}: not of {what}, {why}"
            for job in self.jobs
            for what, why in job.about.get("skipped", {}).items()
        ]

    def tensors(self, table: str, key: str) -> dict[str, Tensor]:
        """The pictures or examples that a job keeps beside its rows.

        Raises:
            StoreError: Missing, damaged, or another job's.
        """
        return self.store.tensors(table, key)

    def open_tensors(self, table: str, key: str) -> TensorFile:
        """The same, to read some of their rows.

        Raises:
            StoreError: Missing, damaged, or another job's.
        """
        return self.store.open_tensors(table, key)

    def clean(self, dataset: str) -> np.ndarray:
        """The images of a data set that the run used, float32 ``(N,C,H,W)``, in the order of the records."""
        return self.store.arrays("clean", self._samples(dataset))["images"]

    def samples(self, dataset: str) -> dict[str, Tensor]:
        """``images``, ``labels`` and ``ids`` of the samples of a data set that the run used.

        Raises:
            UnknownNameError: The run has no such data set.
        """
        return self.store.tensors("clean", self._samples(dataset))

    def _samples(self, dataset: str) -> str:
        if dataset not in self.head.samples:
            raise UnknownNameError("data set of this run", dataset, self.head.samples)
        return self.head.samples[dataset]


def load_results(path: str | Path) -> Any:
    """Open a run folder.

    Args:
        path: The folder that ``frontdef run`` or ``frontdef analyze`` named.

    Returns:
        `frontdef.matrix.results.MatrixResults` or `frontdef.analysis.results.StudyResults`, by what was run.

    Raises:
        StoreError: No run there, or one in another format.
    """
    store = Store(Path(path))
    return resolve(get_kind(store.require_head().kind).results)(store)


def require_kind(results: Results, kind: type[Kept], why: str) -> Kept:
    """A run as one of a kind.

    Args:
        results: The run.
        kind: The class of that kind's results.
        why: What ends the message, after the kind that it is.

    Raises:
        ConfigError: It is of another kind.
    """
    if not isinstance(results, kind):
        raise ConfigError(f"{results.path} is a {results.head.kind}{why}")
    return results
