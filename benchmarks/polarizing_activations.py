"""What the published polarizing front ends put out: Figures 1b, 1c and 3 of the paper as numbers.

    FRONTDEF_DATA=… python benchmarks/polarizing_activations.py benchmarks/papers/results/polarizing-activations

The distribution of the normalized activations over test images behind the filters as published, behind filters as they
are drawn at first (the authors published none from between the stages), and of the bare pixels; and the filters.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
import summary
import torch
from frontdef_polarize.front_end import PolarizingFrontEnd, normalized
from torch import Tensor

import frontdef
from frontdef.registry import get_dataset, get_defense
from frontdef.runs.versions import versions

WEIGHTS = Path(__file__).parent / "papers" / "weights"
DATASETS = ("mnist", "fashion-mnist")
BINS = 100
"""Over [−1,1]."""


def fronts(dataset: str) -> dict[str, PolarizingFrontEnd]:
    """What is looked at, by its title."""
    published = frontdef.protect(None, "polarize", weights=WEIGHTS / f"polarize-{dataset}.safetensors").front_end
    assert isinstance(published, PolarizingFrontEnd)
    shape = get_dataset(dataset).image_shape
    drawn = get_defense("polarize").build({}, image_shape=shape)
    pixels = get_defense("polarize").build({"source": "pixels"}, image_shape=shape)
    assert isinstance(drawn, PolarizingFrontEnd)
    assert isinstance(pixels, PolarizingFrontEnd)
    return {"filters as published": published, "filters as drawn at first": drawn, "pixels": pixels}


def shares(z: Tensor) -> list[float]:
    """Share of the activations in each of `BINS` bins over [−1,1]."""
    counts = torch.histc(z.flatten(), BINS, -1.0, 1.0)
    return (counts / counts.sum()).tolist()


def main() -> None:
    """Write the summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--samples", type=int, default=1000, help="test images, drawn with seed 0")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    activations, filters = [], []
    for dataset in DATASETS:
        images = get_dataset(dataset).load("test", samples=arguments.samples, seed=0).images
        for title, front_end in fronts(dataset).items():
            with torch.no_grad():
                told = shares(front_end.activations(images))
            activations += [
                {"dataset": dataset, "source": title, "bin": -1 + (2 * place + 1) / BINS, "share": share}
                for place, share in enumerate(told)
            ]
            if front_end.filters is None:
                continue
            weights = normalized(front_end.filters.detach())[:, 0]
            filters += [
                {"dataset": dataset, "source": title, "filter": index, "row": row, "column": column, "weight": weight}
                for index, filter_ in enumerate(weights.tolist())
                for row, line in enumerate(filter_)
                for column, weight in enumerate(line)
            ]
    said = {
        "name": "polarizing-activations",
        "command": "python benchmarks/polarizing_activations.py benchmarks/papers/results/polarizing-activations",
        "versions": {name: version for name, version in versions().items() if name in {"frontdef", *summary.NAMED}},
        "device": "cpu", "seed": 0, "samples": arguments.samples, "datasets": list(DATASETS), "notes": [],
        "failures": [], "missing": {},
    }  # fmt: skip
    frames = {"activations": pd.DataFrame(activations), "filters": pd.DataFrame(filters)}
    summary.write(arguments.out, said, frames, digits=6)


if __name__ == "__main__":
    main()
