"""What a study said, small enough to keep in a repository: a row a model and layer, none a sample, filter or value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from frontdef.runs.results import Results

QUERIES = {
    "accuracy": "select model, count(*) as n, avg(clean_correct::int) as clean, avg(attacked_correct::int) as attacked "
    "from (select distinct model, sample_id, clean_correct, attacked_correct from ratios) "
    "group by model order by model",
    "psr": "select * from psr",
    "partial": "select code, mode, cut, label, seed, adversarial_layers, samples as n, clean_loss, clean_accuracy, "
    "adversarial_loss, adversarial_accuracy from partial order by code, mode, cut, seed",
    "filters": "select model, layer, label, count(*) as n, avg(normalized) as mean, "
    "quantile_cont(normalized, 0.25) as low, quantile_cont(normalized, 0.75) as high from filters "
    "group by model, layer, label order by model, layer",
    "batch_norm": "select model, layer, label, count(*) as n, "
    + ", ".join(f"avg({name}) as {name}, stddev_samp({name}) as {name}_spread" for name in (
        "running_mean", "running_variance", "gamma", "beta"))
    + " from batch_norm group by model, layer, label order by model, layer",
    "singular_values": "select model, layer, label, any_value(method) as method, any_value(count) as count, "
    "count(*) as n, max(value) as largest, any_value(stable_rank) as stable_rank from singular_values "
    "group by model, layer, label order by model, layer",
}  # fmt: skip
"""Table → what is asked for it."""


def _asked(query: str, results: Results) -> pd.DataFrame:
    return results.sql(query)


SUMMARY: Mapping[str, Callable[[Results], pd.DataFrame]] = {
    name: partial(_asked, query) for name, query in QUERIES.items()
}
"""Name of a table → what makes it: ``accuracy`` has a row a model, ``partial`` a row a second training, the others a
row a model and layer."""
