"""``frontdef bundle``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from frontdef.claim.bundle import bundle as write_claim
from frontdef.cli.answer import answer
from frontdef.cli.arguments import PATH
from frontdef.cli.console import PlainConsole
from frontdef.cli.text import printable
from frontdef.errors import ConfigError
from frontdef.matrix.results import MatrixResults
from frontdef.runs.results import Results, load_results


@click.command()
@click.argument("path", metavar="[RUN]", required=False, type=PATH)
@click.option("--out", type=PATH, default=Path("claim.zip"), show_default=True, help="The archive.")
@click.option("--import", "claim", type=PATH, metavar="CLAIM", help="Count somebody's examples as evidence instead.")
@click.option("--into", type=PATH, metavar="RUN", help="The run in which they count.")
@click.option("--by", default="", help="Who made them, as tables say it; default: the name of the claim's run.")
@click.option(
    "--row", default="", metavar="TITLE", help="Row of RUN on which all are tried; default: of the same name."
)
@click.option("--data", type=PATH, help="Folder of the data sets; default: FRONTDEF_DATA.")
@click.option("--cache", type=PATH, help="Folder of trained models; default: FRONTDEF_CACHE.")
def bundle(path: Path | None, out: Path, claim: Path | None, into: Path | None, **options: Any) -> None:
    """Write what RUN claims so that anyone can check it, or count somebody else's claim as evidence in a run.

    The archive holds the images, the examples that lower each worst case, and check.py, which needs torch and numpy
    alone: on a copy of the model it scores every example again, in float64, and says what is left.

    With --import CLAIM --into RUN, the examples of a claim are judged by RUN's own models and rule, and lower its worst
    cases where they hold.
    """
    if claim is not None:
        target = into or path
        if target is None:
            raise ConfigError("--import counts examples in a run: say which with --into RUN")
        _bring(load_results(target), claim, options)
        return
    if path is None:
        raise ConfigError("say which run is bundled, `frontdef bundle RUN`, or give --import CLAIM --into RUN")
    _write(load_results(path), out)


def _write(results: Results, out: Path) -> None:
    claim = write_claim(results, out)
    answer(claim=out, rows=claim.rows, examples=claim.examples, lost=claim.lost)
    click.echo(f"{out}: {claim.examples} examples for {claim.rows} rows")
    if claim.lost:
        click.echo(
            f"{claim.lost} times a sample fell to an example that the run did not keep: the claim leaves it standing",
            err=True,
        )
    click.echo("to check it: unpack it, then `python check.py --model nets.py:build --weights mine.pt`")


def _bring(results: Results, claim: Path, options: dict[str, Any]) -> None:
    from frontdef.claim.brought import bring, require_matrix
    from frontdef.runs.progress import PlainProgress
    from frontdef.runs.run import Settings

    before = _left(require_matrix(results))
    settings = Settings(results.path, device=results.head.device, data=options["data"], cache=options["cache"])
    progress = PlainProgress(PlainConsole(stderr=True))
    counted = bring(results, claim, settings, progress, by=options["by"], row=options["row"])
    for brought in counted:
        unknown = (
            f"; of {brought.unknown} the image is none of the run's, or has another label there"
            if brought.unknown
            else ""
        )
        click.echo(f"{printable(brought.row)}: {brought.examples} examples, said to be of {brought.norm}{unknown}")
    after = _left(load_results(results.path))
    lowered = {where: left for where, left in after.items() if left < before.get(where, 1.0)}
    names = ("dataset", "classifier", "defense", "norm", "eps")
    answer(
        imported=[brought._asdict() for brought in counted],
        lowered=[{**dict(zip(names, where, strict=True)), "robust": left} for where, left in lowered.items()],
    )
    for where, left in lowered.items():
        title, (norm, eps) = printable(" ".join(where[:3])), where[3:]
        click.echo(f"{title} {norm} eps={eps:g}: {before[where]:.1%} → {left:.1%} robust")
    if not lowered:
        click.echo("no worst case is lower than it was: the run had broken these samples, or its model withstands them")


def _left(results: MatrixResults) -> dict[tuple[str, str, str, str, float], float]:
    """Worst cases."""
    return {(row.dataset, row.classifier, row.defense, row.norm, row.eps): row.worst_case for row in results.brackets()}
