"""Every certificate attacked at its border: samples that are proved at ε and not at 1.1 ε, by every library.

FRONTDEF_DATA=FOLDER python benchmarks/certified.py benchmarks/certified.toml benchmarks/results/certified

For each defense and norm the radius of each sample's proof is bisected; samples whose proofs end at the same radius are
attacked there together. What is done is kept: the same command goes on. Exit code 1 where a certified sample fell.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import shlex
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from frontdef.certificate import certified_radii
from frontdef.checks.conformance.border import Attack, falls, realized
from frontdef.datasets import Split
from frontdef.matrix.entries import load_matrix
from frontdef.matrix.rows import line_up
from frontdef.models.load import Means
from frontdef.protected import Protected
from frontdef.registry import get_attack_libraries, get_defense
from frontdef.runs.inventory import Inventory
from frontdef.runs.plan import Samples
from frontdef.threat import Norm, ThreatModel

NORMS: tuple[Norm, ...] = ("linf", "l2")
RATIO = 1.1
COLUMNS = (
    "defense", "norm", "certifiable", "samples", "eps_from", "eps_to",
    "family", "parameters", "library", "surrogate", "fell", "raised",
)  # fmt: skip

ATTACKS = (
    Attack("fgsm"),
    Attack("pgd", {"steps": 10, "relative_step": 0.25, "random_start": True}),
    Attack("pgd", {"steps": 10, "relative_step": 0.25, "loss": "margin"}),
    Attack("apgd", {"steps": 10}),
    Attack("square", {"queries": 50}),
    Attack("fmn", {"steps": 20}),
    Attack("cascade"),
)
"""Each by every library that offers it in the norm, on all samples."""


def main() -> None:
    """Attack what was not attacked yet, and say what fell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("matrix", type=Path, help="the rows: data sets, classifiers, defenses")
    parser.add_argument("out", type=Path, help="folder of the summary")
    parser.add_argument("--most", type=int, default=100, help="samples a defense and norm")
    parser.add_argument("--defense", action="append", help="only this row, by its title; repeat it")
    options = parser.parse_args()
    matrix = load_matrix(options.matrix)
    samples = {dataset: Samples(dataset, matrix.samples, matrix.seed) for dataset in matrix.datasets}
    inventory = Inventory(samples, Means())
    options.out.mkdir(parents=True, exist_ok=True)
    table = options.out / "border.csv"
    for row in line_up(matrix, "cpu").rows:
        if options.defense and row.entry.title not in options.defense:
            continue
        done = {(kept["defense"], kept["norm"]) for kept in _read(table)}
        certificate = get_defense(row.entry.name).load_certificate()
        for norm in (norm for norm in NORMS if certificate and norm in certificate.norms):
            if (row.entry.title, norm) in done:
                continue
            started = time.perf_counter()
            model, split = inventory.model(row.request), inventory.split(row.dataset)
            radii = certified_radii(certificate, model, split.images, split.labels, norm, ratio=RATIO)
            print(f"{row.entry.title} {norm}: {int((radii > 0).sum())} certifiable", flush=True)
            rows = _attacked(model, split, radii, norm, options.most)
            _append(table, [{"defense": row.entry.title, "norm": norm, **values} for values in rows])
            print(f"{row.entry.title} {norm}: {time.perf_counter() - started:.0f} s", flush=True)
    told = json.dumps(_about(matrix.name, matrix.seed, matrix.samples, matrix.datasets), indent=1)
    (options.out / "about.json").write_text(told + "\n", encoding="utf-8")
    fallen = sum(int(kept["fell"]) for kept in _read(table))
    print(f"{fallen} certified samples fell")
    sys.exit(1 if fallen else 0)


def _attacked(model: Protected, split: Split, radii: torch.Tensor, norm: Norm, most: int) -> Iterator[dict[str, Any]]:
    """A row an attack, library and surrogate: over the groups of equal radii, the largest groups first."""
    values, sizes = radii[radii > 0].unique(return_counts=True)
    chosen: list[tuple[float, torch.Tensor]] = []
    for index in sizes.argsort(descending=True, stable=True).tolist():
        left = most - sum(len(rows) for _, rows in chosen)
        if left > 0:
            chosen.append((float(values[index]), (radii == values[index]).nonzero().flatten()[:left]))
    counted: dict[tuple[str, str, str, str], int] = {}
    raised: dict[tuple[str, str, str, str], str] = {}
    for eps, rows in chosen:
        x, y = split.images[rows], split.labels[rows]
        for _, library, spec in realized(ATTACKS, ThreatModel(norm, eps)):
            for surrogate in _surrogates(model, library.name):
                told = ", ".join(
                    f"{key}={value}" for key, value in spec.parameters.model_dump(exclude_defaults=True).items()
                )
                key = (spec.family.name, told, library.name, surrogate)
                counted.setdefault(key, 0)
                try:
                    counted[key] += int(falls(model, library, spec, surrogate, x, y).sum())
                except Exception as error:  # an attack that crashes is that library's affair, and tested nothing
                    raised[key] = f"{type(error).__name__}: {error}".splitlines()[0][:100]
    where = {
        "certifiable": int((radii > 0).sum()),
        "samples": sum(len(rows) for _, rows in chosen),
        "eps_from": min((eps for eps, _ in chosen), default=0.0),
        "eps_to": max((eps for eps, _ in chosen), default=0.0),
    }
    if not counted:
        yield {**where, "fell": 0}
    for (family, parameters, library_name, surrogate), fell in counted.items():
        yield {
            **where,
            "family": family, "parameters": parameters, "library": library_name, "surrogate": surrogate, "fell": fell,
            "raised": raised.get((family, parameters, library_name, surrogate), ""),
        }  # fmt: skip


def _surrogates(model: Protected, library: str) -> list[str]:
    """The default, and of the native attacks all that inform."""
    informative = [surrogate.name for surrogate in model.front_end.surrogates if surrogate.informative]
    return informative if library == "native" else informative[:1]


def _read(table: Path) -> list[dict[str, str]]:
    if not table.exists():
        return []
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _append(table: Path, rows: list[dict[str, Any]]) -> None:
    fresh = not table.exists()
    with table.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if fresh:
            writer.writeheader()
        writer.writerows(rows)


def _about(name: str, seed: int, samples: int, datasets: tuple[str, ...]) -> dict[str, Any]:
    libraries = {library.distribution for library in get_attack_libraries().values()}
    return {
        "name": name,
        "command": "python " + shlex.join(sys.argv),
        "versions": {name: version(name) for name in sorted({*libraries, "frontdef", "torch"})},
        "python": platform.python_version(),
        "seed": seed,
        "samples": samples,
        "datasets": datasets,
    }


if __name__ == "__main__":
    main()
