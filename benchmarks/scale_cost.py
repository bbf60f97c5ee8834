"""What a run on ImageNet would cost, from what the code says of passes and bytes, and from what is assumed of a GPU.

    python benchmarks/scale_cost.py                       # all 50,000 images
    python benchmarks/scale_cost.py --samples 1000

The passes are those that the set of attacks `thorough` asks for in two norms, 28 attacks; the bytes are those of
`Cell.bytes`. That a GPU makes so many passes a second is assumed (--passes), never measured here.
"""

from __future__ import annotations

import argparse
from math import prod

from frontdef.attacks.spec import make_spec
from frontdef.matrix.plan import UNBOUNDED
from frontdef.matrix.sets import get_attack_set
from frontdef.registry import get_family
from frontdef.threat import check_norm, parse_eps

SHAPE = (3, 224, 224)
THREATS = {"linf": ("4/255",), "l2": (3.0,)}


def attacks() -> list[tuple[str, int]]:
    """Each attack in words, and the passes a sample that it asks for at most."""
    asked = []
    for entry in get_attack_set("thorough").entries(THREATS):
        family, norm = get_family(entry.family), check_norm(entry.norm)
        eps = UNBOUNDED[norm] if family.minimum_norm else parse_eps(entry.eps[0])
        spec = make_spec(family, norm, eps, entry.parameters, defaults=entry.defaults)
        asked.append((str(spec), spec.passes))
    return asked


def main() -> None:
    """Print the figures, a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=50_000)
    parser.add_argument("--models", type=int, default=50)
    parser.add_argument("--libraries", type=int, default=4)
    parser.add_argument("--gpus", type=int, default=64)
    parser.add_argument("--passes", type=float, default=2000.0, help="Forward or backward passes a second and GPU.")
    options = parser.parse_args()
    asked = attacks()
    cells = options.models * len(asked) * options.libraries
    passes = sum(count for _, count in asked)
    total = passes * options.samples * options.models * options.libraries
    seconds = total / options.passes
    image = 4 * prod(SHAPE)
    heaviest = max(asked, key=lambda attack: attack[1])
    for what, figure in {
        "attacks": f"{len(asked)}",
        "cells": f"{cells:,}",
        "passes a sample, model and library": f"{passes:,}",
        "passes in all": f"{total:.3g}",
        f"GPU hours at {options.passes:,.0f} passes a second (assumed)": f"{seconds / 3600:,.0f}",
        f"days on {options.gpus} GPUs, if none waits": f"{seconds / 86400 / options.gpus:,.1f}",
        "the longest cell, hours": f"{heaviest[1] * options.samples / options.passes / 3600:,.1f} ({heaviest[0]})",
        "examples on disk, TB": f"{cells * options.samples * 2 * image / 1e12:,.1f}",
        "records on disk, GB, at most": f"{cells * options.samples * 200 / 1e9:,.1f}",
        "images in the memory of each worker, GB": f"{options.samples * image / 1e9:,.1f}",
    }.items():
        print(f"| {what} | {figure} |")


if __name__ == "__main__":
    main()
