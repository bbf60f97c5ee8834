"""One call that counts somebody else's examples as evidence in a run, of a model that is at hand or that files hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from torch import nn

from frontdef.claim.brought import bring, count, require_matrix, since
from frontdef.config import build
from frontdef.datasets.record import Split
from frontdef.errors import ConfigError, ModelError
from frontdef.matrix.entries import Matrix
from frontdef.matrix.live import SAMPLES, lined_up
from frontdef.matrix.plan import expand
from frontdef.matrix.results import MatrixResults
from frontdef.matrix.rows import defense_entries_of
from frontdef.matrix.tables import RECORDS
from frontdef.models.wrapped import Reading
from frontdef.runs.plan import Held, Plan
from frontdef.runs.progress import PlainProgress
from frontdef.runs.results import Results, load_results
from frontdef.runs.run import Settings
from frontdef.zoo import Normalization

if TYPE_CHECKING:
    from torch import Tensor


def import_claim(
    claim: str | Path,
    into: str | Path | Results,
    model: nn.Module | Callable[[Tensor], Any] | None = None,
    *,
    by: str = "",
    row: str = "",
    normalize: Mapping[str, Any] | None = None,
    data: str | Path | None = None,
    cache: str | Path | None = None,
) -> MatrixResults:
    """Judge somebody else's examples by a run's own models, and count those that hold as evidence in it.

    Args:
        claim: The archive, as ``frontdef bundle`` writes it.
        into: The run, or its folder.
        model: The object that the run was asked for with, of a run of `frontdef.evaluate`; None of any other. Its
            images and labels are those that the run kept.
        by: Who made the examples, as tables say it; empty takes the name of the claim's run.
        row: Title of the run's row on which all are tried; empty tries each on the row of its own name.
        normalize: As it was given with the model.
        data: Folder of the data sets; None takes ``FRONTDEF_DATA``. A run of objects needs none.
        cache: Folder of trained models; None takes ``FRONTDEF_CACHE``.

    Returns:
        The run, read anew.

    Raises:
        ConfigError: The run is no matrix, is of a model that was not given, or made by other code; or the claim has no
            example of a sample that the run has.
        ModelError: The model is not the one that the run is of.
        UnknownNameError: No such row.
        StoreError: The claim or the run can't be read.
    """
    results = require_matrix(load_results(into.path if isinstance(into, Results) else into))
    head, progress = results.head, PlainProgress(Console(quiet=True))
    data, cache = (None if folder is None else Path(folder) for folder in (data, cache))
    settings = Settings(results.path, device=head.device, data=data, cache=cache)
    if not head.live and model is not None:
        raise ConfigError(f"{results.path} says which files its models are of, so it takes no model: leave it out")
    if model is None:
        bring(results, Path(claim), settings, progress, by=by, row=row)
        return MatrixResults(results.path)
    matrix = Matrix.model_validate(head.document)
    entries = defense_entries_of(matrix.defense) if isinstance(matrix.defense, str) else matrix.defense
    kept = results.samples(SAMPLES)
    held = Held(Split(kept["images"], kept["labels"], kept["ids"], SAMPLES), head.samples[SAMPLES])
    name = next((str(job.entry.about["classifier"]) for job in results.jobs_of(RECORDS.name)), "model")
    reading = None if normalize is None else Reading(build(Normalization, normalize, "normalize"))
    with lined_up(
        model, held, entries, name=name, reading=reading, device=head.device, seed=matrix.seed, every=True
    ) as lineup:
        plan = expand(matrix, lineup, {SAMPLES: held}, head.device)
        _require_model(results, plan)
        count(results, plan, Path(claim), settings, progress, by=by, row=row)
    return MatrixResults(results.path)


def _require_model(results: Results, plan: Plan) -> None:
    """Check that the models of a plan are those of a run.

    Raises:
        ModelError: Others.
    """
    ours, theirs = {request.key() for request in plan.requests}, results.head.models
    if not theirs <= ours:
        raise ModelError(
            f"this model is not the one that {results.path} is of: its weights, its code or its answers are others"
            f"{since(results)}. Mend: the object that evaluate was called with, and normalize=… as it was given there"
        )
