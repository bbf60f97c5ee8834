"""``frontdef analyze``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from frontdef.analysis.partial import CODES
from frontdef.analysis.plan import make_plan
from frontdef.analysis.results import StudyResults
from frontdef.analysis.study import Study
from frontdef.cli.answer import answer
from frontdef.cli.arguments import COUNT, PATH, SEED
from frontdef.cli.complete import names
from frontdef.cli.console import PlainConsole
from frontdef.cli.interrupt import STOPPED
from frontdef.cli.layers import print_analysis
from frontdef.cli.model import KEYS, own_model_options, source_of
from frontdef.cli.readers import read_for
from frontdef.cli.run import RUNS, only_options, process_options, settings_of
from frontdef.cli.tables import print_frame
from frontdef.config import build
from frontdef.counts import plural
from frontdef.device import check_device
from frontdef.errors import ConfigError
from frontdef.models.sources import ModelSource
from frontdef.runs.progress import make_progress
from frontdef.runs.results import load_results, require_kind
from frontdef.runs.run import run


@click.command()
@click.argument("path", metavar="[STUDY]", required=False, type=PATH)
@own_model_options
@click.option("--what", help="psr, weights, partial: one or several, separated by commas; default: the study's.")
@click.option(
    "--defense",
    "-d",
    "defenses",
    shell_complete=names("defense"),
    help="These defenses instead of the study's models; before --model.",
)
@click.option("--dataset", shell_complete=names("data set"), help="This data set instead of the study's.")
@click.option("--classifier", shell_complete=names("classifier"), help="This classifier instead of the study's.")
@click.option("--samples", type=COUNT, help="Number of test images.")
@click.option("--train-samples", type=COUNT, help="Number of training images.")
@click.option("--eps", help="Radius of the attack, in [0,1] pixel values or as 8/255.")
@click.option("--steps", type=COUNT, help="Steps of the attack.")
@click.option("--p", help="Exponents of the ratio's norms, separated by commas; inf is one.")
@click.option("--codes", help=f"Of partial training, separated by commas: {', '.join(CODES)}.")
@click.option("--cuts", help="Of partial training, separated by commas: how many layers stand before it, or a layer.")
@click.option("--single", is_flag=True, help="Partial training of one layer against all others instead.")
@click.option("--seed", type=SEED, help="Seed of the study.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option("--data", type=PATH, help="Folder of the data sets; default: FRONTDEF_DATA.")
@click.option("--cache", type=PATH, help="Folder of trained models; default: FRONTDEF_CACHE.")
@click.option("--download", is_flag=True, help="Allow data sets to be downloaded.")
@process_options
@only_options
@click.option("--out", type=PATH, help="Folder; default: runs/NAME.")
@click.option(
    "--sql", help="Ask with SQL over the tables layers, ratios, psr, filters, batch_norm, … (docs/analysis.md)."
)
@click.option("--csv", is_flag=True, help="Print the answer to --sql as CSV.")
@click.option("--figure", type=PATH, help="Write the ratios' curve for a paper: FILE.svg, .pdf.")
@click.option("--report", is_flag=True, help="Write the HTML report of a folder again; a study always writes it.")
def analyze(path: Path | None, **options: Any) -> None:
    """Look into the layers of trained classifiers: what happens to perturbations, and what training changed.

    STUDY is a TOML file that names models; without one, a natural and an adversarial classifier of digits are looked
    at, or with --model one of yours, as it is, on the test images of --dataset. What is finished is kept: a study that
    was stopped goes on where it stopped. STUDY may also be the folder of one that was stored: it is shown, and asked
    with --sql.
    """
    console = PlainConsole()
    stored = path is not None and path.is_dir()
    if path is not None and stored:
        _refuse(options)
        results = _stored(path)
    else:
        results, failed = _run(console, path, options)
    if options["sql"]:
        rows = results.sql(options["sql"])
        answer(rows=rows.to_dict("records"))
        click.echo(rows.to_csv(index=False), nl=False) if options["csv"] else print_frame(console, rows)
        return
    answer(run=results.path, models=results.models(), failed=[] if stored else failed)
    print_analysis(console, results)
    if options["figure"]:
        from frontdef.report.layers.paper import save_figure

        console.print(f"figure: {save_figure(results, options['figure']).resolve()}", soft_wrap=True)
    if not stored or options["report"]:
        written = results.report().resolve()
        answer(report=written)
        console.print(f"report: {written}", soft_wrap=True)
    if not stored and failed:
        click.echo(
            f"{plural(len(failed), 'job')} failed: `frontdef results {results.path} --failed` shows why, "
            f"`frontdef retry {results.path}` runs them again",
            err=True,
        )
        sys.exit(1)


def _stored(path: Path) -> StudyResults:
    return require_kind(load_results(path), StudyResults, f": `frontdef results {path}` shows it")


def _run(console: PlainConsole, path: Path | None, options: dict[str, Any]) -> tuple[StudyResults, list[str]]:
    check_device(options["device"])
    study = _read(path, options)
    plan = make_plan(study, device=options["device"])
    settings = settings_of(options, options["out"] or RUNS / study.name, _command(path, options))
    try:
        summary = run(plan, settings, make_progress(console))
    except KeyboardInterrupt:
        click.echo("\nstopped: what was finished is kept; the same command goes on from there", err=True)
        sys.exit(STOPPED)
    done = f"{len(summary.ran)} done, {len(summary.cached)} were stored already"
    console.print(f"{done}: {settings.out}", soft_wrap=True)
    return StudyResults(settings.out), summary.failed


def _read(path: Path | None, options: dict[str, Any]) -> Study:
    """The study with the command line's changes; validated again as a whole."""
    study: Study = read_for("analyze", path)
    values = study.model_dump()
    for name in ("dataset", "classifier", "samples", "train_samples", "seed"):
        if options[name] is not None:
            values[name] = options[name]
    source = source_of(options["source"], options)
    if options["what"]:
        values["what"] = options["what"].split(",")
    defenses = options["defenses"].split(",") if options["defenses"] else []
    if source is not None:
        values["base"] = str(Path.cwd())
        values["model"] = [_own(source, name) for name in defenses or ["none"]]
    elif defenses:
        values["model"] = [{"name": name} for name in defenses]
    attack = {name: options[name] for name in ("eps", "steps") if options[name] is not None}
    values["attack"] = {**values["attack"], **attack}
    if options["p"]:
        values["ratio"] = {
            **values["ratio"],
            "p": [p if p == "inf" else _number(p) for p in _list(options["p"])],
        }
    partial = {name: _list(options[name]) for name in ("codes", "cuts") if options[name]}
    if "cuts" in partial:
        partial["cuts"] = [int(cut) if cut.isdigit() else cut for cut in partial["cuts"]]
    values["partial"] = {**values["partial"], **partial, **({"modes": ["single"]} if options["single"] else {})}
    return build(Study, values, "the command line")


def _own(source: ModelSource, defense: str) -> dict[str, Any]:
    """A row of a study: a model of the user's behind a defense."""
    title = source.name if defense == "none" else f"{source.name} {defense}"
    return {**source.model_dump(exclude_unset=True), "name": title, "defense": defense}


def _list(text: str) -> list[Any]:
    return [part.strip() for part in text.split(",")]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"--p is one or several positive numbers or inf, got {text!r}") from None


def _refuse(options: dict[str, Any]) -> None:
    """A stored analysis is only read."""
    read = {"sql", "csv", "report", "figure", "device", "data", "cache", "jobs", "time_limit"}
    refused = [name.replace("_", "-") for name, value in options.items() if name not in read and value]
    if refused:
        raise ConfigError(
            f"STUDY is the folder of a stored analysis, which --{refused[0]} can't change: give the study's file, with "
            "--out for the folder"
        )


def _command(path: Path | None, options: dict[str, Any]) -> str:
    """The command line that gives this analysis again."""
    words = ["frontdef", "analyze", *([str(path)] if path else [])]
    names = {"defenses": "defense"}
    kept = (
        "what", "defenses", "dataset", "classifier", "samples", "train_samples", "eps", "steps", "p", "codes", "cuts",
        "seed", "out",
    )  # fmt: skip
    for key in kept:
        if options[key] is not None:
            words += [f"--{names.get(key, key).replace('_', '-')}", str(options[key])]
    words += ["--single"] if options["single"] else []
    words += ["--device", options["device"]] if options["device"] != "cpu" else []
    for key in ("source", *KEYS):
        names = {"source": "model", "arguments": "argument"}
        for value in options[key] if key == "arguments" else filter(None, [options[key]]):
            words += [f"--{names.get(key, key).replace('_', '-')}", str(value)]
    return shlex.join(words)
