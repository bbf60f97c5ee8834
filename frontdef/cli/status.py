"""``frontdef status``."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from frontdef.cli.arguments import PATH
from frontdef.cli.text import print_json, print_table, printable
from frontdef.counts import plural

if TYPE_CHECKING:
    from frontdef.runs.status import Count, Status, Worker

SHOWN = 8
"""Jobs of each folder, and failures, that are named."""


@click.command()
@click.argument("paths", metavar="RUN…", nargs=-1, required=True, type=PATH)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(paths: tuple[Path, ...], as_json: bool) -> None:
    """Show how far RUN is: done, running, failed, left. Give all folders of a run's shards to see them as one.

    It may be asked from another terminal or machine while the run works; only names of files and the log are read.
    """
    from frontdef.runs.status import status_of

    run = status_of(paths)
    if as_json:
        print_json(_json(run))
        return
    total = run.total
    click.echo(f"{printable(run.name)}: {_said(total)} of {plural(total.asked, 'job')}")
    print_table(
        ("TABLE", "DONE", "RUNNING", "FAILED", "LEFT"),
        [(name, *(f"{figure:>7,}" for figure in _figures(count))) for name, count in run.tables.items()],
    )
    for worker in run.workers:
        _print_worker(worker)
    for what in run.failures[:SHOWN]:
        click.echo(f"failed: {printable(what)}")
    if len(run.failures) > SHOWN:
        click.echo(f"… and {len(run.failures) - SHOWN} more: `frontdef results {paths[0]} --failed` shows why")
    if total.done < total.asked and not any(worker.works for worker in run.workers):
        click.echo(f"nobody works on it: `{printable(run.command)}` goes on with it")


def _said(count: Count) -> str:
    parts = zip(("done", "running", "failed", "left"), _figures(count), strict=True)
    return ", ".join(f"{figure:,} {name}" for name, figure in parts if figure or name == "done")


def _figures(count: Count) -> tuple[int, int, int, int]:
    return count.done, count.running, count.failed, count.left


def _print_worker(worker: Worker) -> None:
    if worker.holder is None and not worker.jobs:
        return
    state = "" if worker.works else ", which has ended"
    unsure = " (on another machine: whether it still runs can't be seen from here)" if worker.alive is None else ""
    if worker.holder is not None:
        click.echo(f"{worker.path}: {printable(str(worker.holder))}{state}{unsure}")
    for job in worker.jobs[:SHOWN]:
        began = f"running for {_ago(job.since)}" if worker.works else f"begun {job.since} and not ended"
        click.echo(f"  {job.key[:8]}  {printable(job.what)}: {began}")
    if len(worker.jobs) > SHOWN:
        click.echo(f"  … and {len(worker.jobs) - SHOWN} more")


def _ago(since: str) -> str:
    try:
        seconds = (datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds()
    except ValueError:
        return "a time that the log does not say"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _json(run: Status) -> object:
    def counted(count: Count) -> dict[str, int]:
        return {"asked": count.asked, **dict(zip(("done", "running", "failed", "left"), _figures(count), strict=True))}

    return {
        "name": run.name,
        "command": run.command,
        **counted(run.total),
        "tables": {name: counted(count) for name, count in run.tables.items()},
        "workers": [
            {
                "path": str(worker.path),
                "process": None if worker.holder is None else asdict(worker.holder),
                "alive": worker.alive,
                "jobs": [asdict(job) for job in worker.jobs],
            }
            for worker in run.workers
        ],
        "failures": list(run.failures),
    }
