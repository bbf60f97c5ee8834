"""One question in SQL over tables that are in memory: read-only, alone, and it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

from frontdef.errors import StoreError, shortened

SECONDS = 60.0
"""That a question may take."""

LARGEST = 1 << 30
"""Bytes of an answer."""

ALONE: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
    "memory_limit": "4GiB",
    "temp_directory": "",
}
"""No file, no network, no extension, no variable of this process."""

TRIES = 100
"""How often a question is told to stop; one that has not begun yet does not hear it."""

_BATCH = 100_000


def connect() -> duckdb.DuckDBPyConnection:
    """A database in memory that reads what is registered with it and nothing else."""
    return duckdb.connect(config=ALONE)


def lock(database: duckdb.DuckDBPyConnection) -> None:
    """Keep questions from changing what `connect` has set."""
    database.execute("set lock_configuration = true")


def ask(database: duckdb.DuckDBPyConnection, query: str, seconds: float = SECONDS) -> pd.DataFrame:
    """Ask.

    Args:
        database: Made by `connect`.
        query: One ``SELECT`` (or ``WITH``, ``FROM``, ``VALUES``, ``DESCRIBE``, ``SUMMARIZE``, ``EXPLAIN``).
        seconds: After which it is stopped.

    Raises:
        StoreError: It is wrong (DuckDB's message is given), no question or several, reads anything else, takes too
            long, or its answer is too large.
    """
    try:
        statements = duckdb.extract_statements(query)
    except duckdb.Error as error:
        raise StoreError(str(error)) from None
    except TypeError:
        raise StoreError(f"a query is text, got {shortened(repr(query))}") from None
    if [statement.type.name in {"SELECT", "EXPLAIN"} for statement in statements] != [True]:
        kinds = ", ".join(statement.type.name for statement in statements) or "nothing"
        raise StoreError(f"one SELECT is answered, and nothing is changed here; got {kinds}")
    return _within(seconds, database, lambda: _answer(database, query))


def _answer(database: duckdb.DuckDBPyConnection, query: str) -> pd.DataFrame:
    asked: Any = database.sql(query)
    reader = asked.to_arrow_reader(_BATCH) if hasattr(asked, "to_arrow_reader") else asked.fetch_arrow_reader(_BATCH)
    batches, size = [], 0
    try:
        for batch in reader:
            batches.append(batch)
            size += batch.nbytes
            if size > LARGEST:
                raise StoreError(f"the answer has more than {LARGEST:,} bytes: ask for less, with LIMIT or a GROUP BY")
        table = pa.Table.from_batches(batches, reader.schema)
    finally:
        reader.close()  # else the connection takes no further question
    frame: pd.DataFrame = database.from_arrow(table).df()
    return frame


def _within(seconds: float, database: duckdb.DuckDBPyConnection, work: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """Work in a thread, so that this one hears Ctrl-C and the clock."""
    ended: list[pd.DataFrame | BaseException] = []
    done = threading.Event()

    def run() -> None:
        try:
            ended.append(work())
        except BaseException as error:
            ended.append(error)
        finally:
            done.set()

    threading.Thread(target=run, daemon=True).start()
    stop = time.monotonic() + seconds
    try:
        # In short waits: a signal may be given to another thread, and this one looks for it between them.
        while not done.wait(0.05) and time.monotonic() < stop:
            pass
        late = not done.is_set()
    finally:
        for _ in range(TRIES):
            if done.is_set():
                break
            database.interrupt()
            done.wait(0.05)
    if late:
        raise StoreError(f"the query took more than {seconds:g} s and was stopped: ask for less")
    answer = ended[0]
    if isinstance(answer, (duckdb.Error, pa.ArrowException)):
        raise StoreError(str(answer)) from None
    if isinstance(answer, BaseException):
        raise answer
    return answer
