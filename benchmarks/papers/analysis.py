"""Two looks behind docs/analysis.md: between the layers of the study's networks, and at their filters.

    FRONTDEF_DATA=… python benchmarks/papers/analysis.py

Prints, for each network of benchmarks/papers/analysis.toml, the perturbation-to-signal ratio after every module,
activations and pooling included, and the stable rank ‖W‖²_F/‖W‖² of each convolution's filters as rows of a matrix.
"""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import frontdef
from frontdef.attacks.native.pgd import pgd
from frontdef.registry import get_dataset

STUDY = Path(__file__).with_name("analysis.toml")


def outputs(body: nn.Sequential, x: Tensor) -> list[Tensor]:
    """What each module of a network puts out."""
    activations = []
    for module in body:
        x = module(x)
        activations.append(x)
    return activations


def main() -> None:
    """Train or read the networks, and print both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=100)
    samples = parser.parse_args().samples
    study: dict[str, Any] = tomllib.loads(STUDY.read_text(encoding="utf-8"))
    attack = study["attack"]
    split = get_dataset(study["dataset"]).load("test").take(samples, study["seed"])
    for row in study["model"]:
        model = frontdef.train(
            row["name"],
            dataset=study["dataset"],
            classifier=study["classifier"],
            recipe=[frontdef.Stage(**stage) for stage in row["recipe"]],
            train_samples=study["train_samples"],
            seed=study["seed"],
        )
        threat = frontdef.ThreatModel(attack["norm"], attack["eps"])
        step_size = attack["relative_step"] * attack["eps"]
        attacked = pgd(model, split.images, split.labels, threat=threat, steps=attack["steps"], step_size=step_size)
        network = model.classifier
        print(row["label"])
        with torch.no_grad():
            clean, moved = ((x - network.mean) / network.std for x in (split.images, attacked))
            for module, clean_output, moved_output in zip(
                network.body, outputs(network.body, clean), outputs(network.body, moved), strict=True
            ):
                ratio = (moved_output - clean_output).flatten(1).norm(dim=1) / clean_output.flatten(1).norm(dim=1)
                line = f"  {type(module).__name__:<10} {20 * ratio.mean().log10().item():7.2f} dB"
                if isinstance(module, nn.Conv2d):
                    filters = module.weight.flatten(1)
                    rank = filters.norm().square() / torch.linalg.matrix_norm(filters, 2).square()
                    line += f"   stable rank of the filters {rank.item():.1f}"
                print(line)


if __name__ == "__main__":
    main()
