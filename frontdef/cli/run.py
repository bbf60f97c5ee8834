"""``frontdef run``, ``plan`` and ``retry``."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from frontdef.analysis.plan import make_plan as plan_of_study
from frontdef.analysis.study import Study
from frontdef.cli.answer import answer
from frontdef.cli.arguments import COUNT, PATH, Seconds, parse_config
from frontdef.cli.complete import names
from frontdef.cli.console import PlainConsole
from frontdef.cli.interrupt import STOPPED
from frontdef.cli.matrix import matrix_options
from frontdef.cli.readers import read_for, takes
from frontdef.cli.show import show
from frontdef.cli.tables import print_plan
from frontdef.config import build
from frontdef.counts import plural
from frontdef.device import check_device
from frontdef.errors import ConfigError
from frontdef.matrix.decide import as_grown, next_look
from frontdef.matrix.entries import DefenseEntry, Matrix
from frontdef.matrix.plan import make_plan
from frontdef.matrix.results import MatrixResults
from frontdef.models.load import Means
from frontdef.runs.estimate import estimate
from frontdef.runs.executors import EXECUTORS
from frontdef.runs.plan import Plan
from frontdef.runs.progress import make_progress
from frontdef.runs.results import Results, load_results
from frontdef.runs.run import Settings, Summary
from frontdef.runs.run import run as run_plan
from frontdef.runs.shard import Shard
from frontdef.runs.store import Store

RUNS = Path("runs")


def _slurm(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    return parse_config(values)


def process_options(command: Any) -> Any:
    """``--jobs``, ``--time-limit``, ``--executor`` and what these need to know."""
    jobs = click.option("--jobs", "-j", type=COUNT, help="Run so many jobs side by side, in processes.")
    limit = click.option(
        "--time-limit",
        type=Seconds(),
        help="Seconds a job may take: longer ones are killed and recorded as failed.",
    )
    executor = click.option(
        "--executor", help=f"Where jobs are run: {', '.join(EXECUTORS)}; default: here, or in --jobs processes."
    )
    address = click.option("--ray-address", help="Of a Ray cluster; default: RAY_ADDRESS, or one on this machine.")
    slurm = click.option(
        "--slurm",
        metavar="KEY=VALUE",
        multiple=True,
        callback=_slurm,
        help="What submitit is told, such as slurm_partition=gpu or timeout_min=240; repeat it.",
    )
    on_job = click.option(
        "--on-job",
        metavar="LOGGER|MODULE:FUNCTION",
        shell_complete=names("logger"),
        help="Told of each job that has ended: a logger of a plugin, such as mlflow or wandb, or a function of yours.",
    )
    return jobs(limit(executor(address(slurm(on_job(command))))))


def _shard(context: click.Context, parameter: click.Parameter, value: str | None) -> Shard | None:
    return None if value is None else Shard.parse(value)


def shard_option(command: Any) -> Any:
    """``--shard``."""
    return click.option(
        "--shard",
        metavar="I/N",
        callback=_shard,
        help="Only the I-th of N shares of the jobs, from 1: N machines, a folder each; `frontdef merge` joins them.",
    )(command)


def only_options(command: Any) -> Any:
    """``--overwrite``, ``--only`` and ``--shard``."""
    overwrite = click.option("--overwrite", is_flag=True, help="Run finished jobs again.")
    only = click.option(
        "--only",
        multiple=True,
        help="Only this job, by the first letters of its key, or all jobs of a table (records, metrics, …); repeat it.",
    )
    return overwrite(only(shard_option(command)))


def settings_of(options: Mapping[str, Any], out: Path, command: str) -> Settings:
    """How a command line wants a plan to be run.

    Args:
        options: Its options; those that it does not have keep their defaults.
        out: The run folder.
        command: The command line that gives the run again.
    """
    names = (field.name for field in fields(Settings) if field.name not in {"out", "command"})
    return Settings(out=out, command=command, **{name: options[name] for name in names if name in options})


def _read(matrix: Path | None, **changes: Any) -> Matrix:
    """The matrix file with the command line's changes; validated again as a whole."""
    from_file: Matrix = read_for("run", matrix)
    values = {key: value for key, value in changes.items() if value is not None}
    return build(Matrix, {**from_file.model_dump(), **values}, "the command line") if values else from_file


def _changes(options: dict[str, Any]) -> dict[str, Any]:
    split = {key: options[key].split(",") if options[key] else None for key in ("defenses", "libraries")}
    return {
        "defense": "all" if split["defenses"] == ["all"] else _entries(split["defenses"]),
        "libraries": split["libraries"],
        "datasets": [options["dataset"]] if options["dataset"] else None,
        "classifiers": [options["classifier"]] if options["classifier"] else None,
        "samples": options["samples"],
        "seed": options["seed"],
    }


def _entries(names: list[str] | None) -> list[DefenseEntry] | None:
    return [DefenseEntry(name=name) for name in names] if names else None


@click.command()
@matrix_options
@click.option("--download", is_flag=True, help="Allow data sets to be downloaded.")
@only_options
@process_options
@click.option("--report", is_flag=True, help="Write the HTML report when the run has ended.")
def run(matrix: Path | None, **options: Any) -> None:
    """Attack defenses with every library and keep what comes out.

    MATRIX is a TOML file; without one, the packaged digits matrix is run. A run that was stopped goes on where it
    stopped: what is finished is kept.
    """
    check_device(options["device"])
    full_matrix = _read(matrix, **_changes(options))
    out = options["out"] or RUNS / full_matrix.name
    plan = make_plan(as_grown(full_matrix, Store(out)), device=options["device"])
    execute(plan, settings_of(options, out, _command(matrix, options)), options["report"])


def print_plan_of(matrix: Path | None, options: dict[str, Any]) -> None:
    """What ``frontdef plan`` shows of a matrix's file, or of a study's."""
    check_device(options["device"])
    changes = {name: value for name, value in _changes(options).items() if value is not None}
    if takes("analyze", matrix) and not takes("run", matrix):
        study: Study = read_for("analyze", matrix)
        if changes:
            raise ConfigError(f"{matrix} is a study; what it looks at is changed by options of `frontdef analyze`")
        store = Store(options["out"] or RUNS / study.name)
        jobs = plan_of_study(study, device=options["device"])
    else:
        full_matrix = _read(matrix, **changes)
        store = Store(options["out"] or RUNS / full_matrix.name)
        jobs = make_plan(as_grown(full_matrix, store), device=options["device"])
    means = Means(options["device"], options["data"], options["cache"])
    print_plan(PlainConsole(), jobs, store, estimate(jobs, store, means))


@click.command()
@click.argument("path", metavar="RUN", type=PATH)
@click.option("--device", help="cpu or cuda; default: the run's.")
@click.option("--data", type=PATH, help="Folder of the data sets; default: FRONTDEF_DATA.")
@click.option("--cache", type=PATH, help="Folder of trained models; default: FRONTDEF_CACHE.")
@process_options
@click.option("--report", is_flag=True, help="Write the HTML report when the run has ended.")
def retry(path: Path, **options: Any) -> None:
    """Run the failed and missing jobs of RUN again, of whatever kind."""
    results = load_results(path)
    if results.head.live:
        raise ConfigError(
            f"{path} was asked for in Python, of a model and samples that no file holds: the same call with "
            f"out={str(path)!r} runs what is missing"
        )
    device = options["device"] or results.head.device
    check_device(device)
    jobs_again = results.kind.remake(results.head.document, device)
    failed = sum(results.store.failed(job.key) for job in jobs_again.jobs)
    click.echo(f"{failed} failed jobs are run again")
    settings = settings_of({**options, "device": device, "retry": True}, path, results.head.command)
    execute(jobs_again, settings, options["report"])


def execute(plan: Plan, settings: Settings, report: bool) -> None:
    """Run a plan and show what came of it; ends the process with 1 where something failed, with 130 where stopped.

    Args:
        plan: What to run.
        settings: How.
        report: Whether to write the HTML report.
    """
    console = PlainConsole()
    progress = make_progress(console)
    progress.note(plan.left_out())
    try:
        summary = run_plan(plan, settings, progress)
        while further := _further(plan, settings):
            plan = further
            console.print(f"undecided comparisons go on: {plural(len(plan.jobs), 'job')}")
            summary = run_plan(plan, settings, make_progress(console)).after(summary)
    except KeyboardInterrupt:
        store = Store(settings.out)
        kept = sum(store.has(job.table.name, job.key) for job in plan.jobs)
        click.echo(
            f"\nstopped: {kept} of {plural(len(plan.jobs), 'job')} are kept; the same command goes on from there",
            err=True,
        )
        sys.exit(STOPPED)
    answer(run=settings.out, ran=summary.ran, stored=len(summary.cached), failed=summary.failed)
    stood = True
    if summary.ran or summary.cached:
        stood = _show(console, load_results(settings.out), summary, settings.shard, report)
    if summary.failed:
        click.echo(
            f"{plural(len(summary.failed), 'job')} failed: `frontdef results {settings.out} --failed` shows why, "
            f"`frontdef retry {settings.out}` runs them again",
            err=True,
        )
    if summary.failed or not stood:
        sys.exit(1)


def _further(plan: Plan, settings: Settings) -> Plan | None:
    """What is to be run next, of a matrix that is to decide; a share of its jobs decides nothing."""
    if plan.kind != "matrix" or settings.only or settings.shard:
        return None
    return next_look(plan, load_results(settings.out))


def _show(console: PlainConsole, results: Results, summary: Summary, shard: Shard | None, report: bool) -> bool:
    """Print what was found; whether every certified sample stood."""
    stood = show(console, results, shard)
    worst = results.worst().to_dict("records") if isinstance(results, MatrixResults) else []
    answer(certificates_stood=stood, worst=worst)
    console.print(f"{plural(len(summary.ran), 'job')} run, {len(summary.cached)} were stored already: {results.path}")
    if report:
        written = results.report().resolve()
        answer(report=written)
        console.print(f"report: {written}", soft_wrap=True)
    return stood


def _command(matrix: Path | None, options: dict[str, Any]) -> str:
    """The command line that gives this run again, without the options that choose what of it to do now."""
    words = ["frontdef", "run", *([str(matrix)] if matrix else [])]
    names = {"defenses": "defense", "libraries": "library"}
    for key in ("defenses", "dataset", "classifier", "libraries", "samples", "seed", "out"):
        if options[key] is not None:
            words += [f"--{names.get(key, key)}", str(options[key])]
    if options["device"] != "cpu":
        words += ["--device", options["device"]]
    return shlex.join(words)
