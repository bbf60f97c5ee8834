"""What a study stores: every column with its type, its meaning and its unit, in one place."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, NamedTuple

from frontdef.runs.table import Column, Table, View

if TYPE_CHECKING:
    import pandas as pd

_MODEL = {"model": Column("varchar", "label of the model")}
_LAYER = {
    **_MODEL,
    "layer": Column("integer", "place in the linear list of the model's layers, from 1; 0 is the input"),
    "label": Column("varchar", "what figures call the layer: conv1, bn1, linear1"),
}

_COLUMNS: dict[str, dict[str, Column]] = {
    "layers": {
        **_LAYER,
        "name": Column("varchar", "path of the module in the model"),
        "kind": Column("varchar", "convolution, linear, batch norm, front end, other, or input"),
        "shape": Column("varchar", "shape of its weights"),
        "parameters": Column("bigint", "how many weights and biases it has"),
        "reads": Column("varchar", "shape of what it reads, without the batch"),
    },
    "ratios": {
        **_LAYER,
        "p": Column("double", "of the norm; inf for the maximum"),
        "sample_id": Column("bigint", "which sample of the data set"),
        "ratio": Column("double", "perturbation-to-signal ratio of the sample at the layer's output, equation 3.1"),
        "clean_correct": Column("boolean", "whether the model classifies the image correctly"),
        "attacked_correct": Column("boolean", "whether it classifies the attacked image correctly"),
    },
    "filters": {
        **_LAYER,
        "filter": Column("integer", "which filter, from 0"),
        "size": Column("integer", "values in the filter, d"),
        "sparsity": Column("double", "(‖w‖₁/‖w‖₂)²: 1 for a single value, d for d equal ones"),
        "normalized": Column("double", "((‖w‖₁/‖w‖₂)² − 1)/(d − 1): 0 for a single value, 1 for equal ones"),
    },
    "batch_norm": {
        **_LAYER,
        "channel": Column("integer", "which channel, from 0"),
        "running_mean": Column("double", "running mean of the channel's input"),
        "running_variance": Column("double", "running variance of the channel's input"),
        "gamma": Column("double", "scale γ"),
        "beta": Column("double", "offset β"),
    },
    "singular_values": {
        **_LAYER,
        "place": Column("integer", "place in descending order, from 1"),
        "value": Column("double", "singular value of the layer as an operator on its whole input"),
        "relative": Column("double", "over the layer's largest"),
        "count": Column("integer", "how many the operator has"),
        "method": Column("varchar", "fourier or dense (all of them), lanczos (the largest)"),
        "stable_rank": Column(
            "double",
            "‖W‖_F²/‖W‖² over all of them: 1 for a single value, count where all are equal; NaN where it is not known",
        ),
    },
    "partial": {
        "code": Column("varchar", "what was trained how and when: A1N2, N1A2, A2N1, N2A1, …"),
        "mode": Column("varchar", "block: the code's first half is about all layers before the cut; single: about one"),
        "cut": Column("integer", "layers before the cut; in mode single the layer"),
        "label": Column("varchar", "the last layer before the cut, or the single one"),
        "seed": Column("bigint", "of both trainings"),
        "adversarial_layers": Column("integer", "layers whose weights come from adversarial training"),
        "adversarial_parameters": Column("bigint", "how many weights and biases these have"),
        "clean_loss": Column("double", "mean cross-entropy on clean images, nats"),
        "clean_accuracy": Column("double", "share of clean images that are classified correctly"),
        "adversarial_loss": Column("double", "mean cross-entropy on attacked images, nats"),
        "adversarial_accuracy": Column("double", "share of attacked images that are classified correctly"),
        "samples": Column("integer", "test images"),
    },
}


class LayerMeasure(NamedTuple):
    """How the rows of a table are measured of one model.

    Args:
        of: ``(protected, split, settings, seed) -> (columns, what else is known)``, as a reference: who reads a run
            imports none.
        topics: What of a study's ``what`` asks for it.
        settings: What of the study decides its rows, beside the model.
    """

    of: str
    topics: frozenset[str]
    settings: frozenset[str] = frozenset()


MEASURES: Mapping[str, LayerMeasure] = {
    "layers": LayerMeasure("frontdef.analysis.measure:layers", frozenset({"psr", "weights"})),
    "ratios": LayerMeasure(
        "frontdef.analysis.measure:ratios", frozenset({"psr"}), frozenset({"attack", "ratio", "samples", "seed"})
    ),
    "filters": LayerMeasure("frontdef.analysis.measure:filters", frozenset({"weights"})),
    "batch_norm": LayerMeasure("frontdef.analysis.measure:batch_norm", frozenset({"weights"})),
    "singular_values": LayerMeasure(
        "frontdef.analysis.measure:spectra", frozenset({"weights"}), frozenset({"weights"})
    ),
}
"""Table → how it is measured; a new measure is its function, and its columns and a row here."""

TOPICS = tuple(sorted({topic for measure in MEASURES.values() for topic in measure.topics}))
"""What can be asked of one model."""


def measured(topics: Collection[str]) -> tuple[str, ...]:
    """The tables that a model is looked at for.

    Args:
        topics: What is asked.
    """
    asked = (table for topic in topics for table, measure in MEASURES.items() if topic in measure.topics)
    return tuple(dict.fromkeys(asked))


_JOINED = {"partial": ("code", "mode", "cut", "seed")}
"""Table → the columns that its jobs' descriptions hold; of all others the model."""

TABLES: dict[str, Table] = {
    name: Table(name, columns, _JOINED.get(name, ("model",))) for name, columns in _COLUMNS.items()
}
"""Name → table. Each job writes rows of one."""

VIEWS = (
    View(
        "psr",
        {
            **_LAYER,
            "p": Column("double", "of the norm"),
            "mean": Column("double", "mean perturbation-to-signal ratio over the samples where it is finite"),
            "db": Column("double", "the same in dB: 20·log10 of the mean; empty where that is 0"),
            "db_low": Column("double", "lower end of the mean's 95 % interval (normal, over the samples), dB"),
            "db_high": Column("double", "upper end, dB"),
            "median": Column("double", "median ratio"),
            "samples": Column("bigint", "samples where it is finite"),
            "undefined": Column("bigint", "samples where the layer's signal is zero"),
        },
        "with by_layer as (select model, layer, label, p, avg(ratio) filter (isfinite(ratio)) as mean, "
        "1.959964 * stddev_samp(ratio) filter (isfinite(ratio)) / sqrt(count(*) filter (isfinite(ratio))) as half, "
        "median(ratio) filter (isfinite(ratio)) as median, count(*) filter (isfinite(ratio)) as samples, "
        "count(*) filter (not isfinite(ratio)) as undefined from ratios group by all) "
        "select model, layer, label, p, mean, 20 * log10(nullif(mean, 0)) as db, "
        "20 * log10(case when mean > half then mean - half end) as db_low, "
        "20 * log10(nullif(mean + half, 0)) as db_high, "
        "median, samples, undefined from by_layer order by model, p, layer",
    ),
)
"""What the results of a study are asked for beside its tables."""


def labels_of(table: pd.DataFrame) -> list[str]:
    """Labels of the layers in a table, in the order of the longest of the models' lists."""
    return [str(label) for label in table.groupby("label", sort=False)["layer"].max().sort_values(kind="stable").index]
