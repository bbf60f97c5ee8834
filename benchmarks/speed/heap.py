"""What keeping freed memory gains: a forward and a backward pass in processes with and without it, in turn.

Each round starts a process for either, which warms up on the same batch. Weights are drawn: the time of a pass does not
depend on them. Processor time of one thread, system time included, which is where new pages are made.

    python benchmarks/speed/heap.py [--rounds 3] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import record
import torch
from efficiency import gradient, seconds

from frontdef.config import Config
from frontdef.frontend import Identity
from frontdef.heap import keep_freed
from frontdef.protected import Protected
from frontdef.registry import get_classifier

NETWORKS = {"cnn4": (1, 28, 28), "resnet32": (3, 32, 32), "resnet18": (3, 32, 32)}
BATCHES = {"cnn4": (64, 256, 1024), "resnet32": (128,), "resnet18": (128,)}
WARM = 2
"""Passes before those that are measured, and how many are."""


def work(network: str, size: int) -> dict[str, float]:
    """Seconds of a pass, and the most memory that the process held, MiB; in this process."""
    import resource

    torch.set_num_threads(1)
    shape = NETWORKS[network]
    model = Protected(Identity(Config()), get_classifier(network).build(shape, 10), image_shape=shape)
    x, y = torch.rand((size, *shape)), torch.zeros(size, dtype=torch.long)
    for _ in range(WARM):
        gradient(model, x, y)
    taken = seconds(lambda: [gradient(model, x, y) for _ in range(WARM)], "cpu") / WARM
    return {"seconds": taken, "mebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="Write the figures there as well.")
    parser.add_argument("--work", nargs=3, metavar=("NETWORK", "SIZE", "HEAP"), help="Of a process of a round.")
    options = parser.parse_args()
    if options.work:
        network, size, heap = options.work
        if heap == "kept":
            keep_freed()
        print(json.dumps(work(network, int(size))))
        return
    print("| network | batch | kept ÷ given back | peak memory, MiB: given back, kept |\n| --- | --- | --- | --- |")
    rows = []
    for network in NETWORKS:
        for size in BATCHES[network]:
            told: dict[str, list[dict[str, float]]] = {"given back": [], "kept": []}
            for _ in range(options.rounds):
                for heap, measured in told.items():
                    command = [sys.executable, __file__, "--work", network, str(size), heap]
                    measured.append(json.loads(subprocess.run(command, capture_output=True, check=True).stdout))
            pairs = zip(told["kept"], told["given back"], strict=True)
            ratio = record.spread([kept["seconds"] / given["seconds"] for kept, given in pairs])
            memory = {heap: max(each["mebibytes"] for each in measured) for heap, measured in told.items()}
            rows.append({"network": network, "batch": size, "ratio": ratio, "memory": memory})
            print(
                f"| {network} | {size} | {ratio['median']:.2f} | {memory['given back']:.0f}, {memory['kept']:.0f} |",
                flush=True,
            )
    if options.json:
        record.write(options.json, {"rounds": options.rounds, "rows": rows})


if __name__ == "__main__":
    main()
