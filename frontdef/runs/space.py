"""The room that a run takes on the disk, before anything is spent."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from frontdef.runs.job import Job
from frontdef.runs.store import encode
from frontdef.runs.table import Rows, Table

BLOCK = 4096
"""Bytes by which most file systems give room to a file."""

ABOUT = 1024
"""Bytes of what is known of a job beside its rows, about."""


class Space(NamedTuple):
    """What is to be written.

    Args:
        bytes: In whole blocks.
        files: How many files.
    """

    bytes: int = 0
    files: int = 0

    @classmethod
    def of(cls, sizes: Iterable[float]) -> Space:
        """The room that files of these sizes take, in bytes; one of no size is not written."""
        blocks = [math.ceil(size / BLOCK) for size in sizes if size > 0]
        return cls(BLOCK * sum(blocks), len(blocks))

    def and_of(self, more: Space) -> Space:
        """Both."""
        return Space(self.bytes + more.bytes, self.files + more.files)


def space_of(jobs: Iterable[Job], shapes: Mapping[str, tuple[int, ...]], others: Iterable[float] = ()) -> Space:
    """What jobs will write, about: rows, and what they keep beside them.

    Args:
        jobs: Those that will be run.
        shapes: Id of a data set → ``(C,H,W)`` of its images.
        others: Sizes of other files, bytes.
    """
    jobs = tuple(jobs)
    rows = {job.table.name: rows_size(job.table) + ABOUT for job in jobs}
    kept = Space.of(size for job in jobs for size in (rows[job.table.name], job.bytes(shapes)))
    return kept.and_of(Space.of(others))


def rows_size(table: Table) -> int:
    """Bytes of a job's file of one row."""
    blank: Mapping[str, Any] = {"varchar": "", "boolean": False, "double": 0.0, "bigint": 0, "integer": 0}
    return len(encode(table, "blank", Rows({name: [blank[column.type]] for name, column in table.stored.items()})))
