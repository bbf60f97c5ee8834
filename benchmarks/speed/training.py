"""What does it save to compute a front end's outputs once, and not in every epoch?

The same training, of `cnn4` on digits with its default recipe, with the outputs kept and with them computed anew; the
weights are compared, too, and must not differ in a bit. Every round runs each contender once, in turn, so that a slow
moment of the machine hits all; figures are medians, in processor time of one thread.

    python benchmarks/speed/training.py [--images 500] [--rounds 3] [--defenses none,wavelet,…]
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from frontdef import training
from frontdef.datasets import Split
from frontdef.models.recipes import default_recipe
from frontdef.registry import get_classifier, get_dataset, get_defense

DEFENSES = "none,wavelet,art-feature-squeezing,art-jpeg,art-spatial-smoothing,art-thermometer"


def train(name: str, split: Split, limit: int) -> tuple[float, torch.Tensor]:
    """Processor seconds of a training that keeps at most ``limit`` bytes of outputs, and the weights."""
    front_end = get_defense(name).build({}, image_shape=split.images.shape[1:]).requires_grad_(False)
    in_shape = next(training.outputs(front_end, split.images[:1], torch.device("cpu"))).shape[1:]
    classifier = get_classifier("cnn4").build(in_shape, 10)
    training.PRECOMPUTE_LIMIT = limit
    start = time.process_time_ns()
    log = training.fit_classifier(front_end, classifier, split, default_recipe("digits", "cnn4"), seed=0)
    seconds = (time.process_time_ns() - start) / 1e9
    assert log.precomputed is (limit > 0)
    return seconds, torch.cat([tensor.detach().flatten() for tensor in classifier.state_dict().values()])


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--defenses", default=DEFENSES)
    options = parser.parse_args()
    torch.set_num_threads(1)
    split = get_dataset("digits").load("train").take(options.images)
    times: dict[tuple[str, int], list[float]] = {}
    train("none", split.take(50), 2**31)
    for _ in range(options.rounds):
        for name in options.defenses.split(","):
            weights = []
            for limit in (2**31, 0):
                seconds, values = train(name, split, limit)
                times.setdefault((name, limit), []).append(seconds)
                weights.append(values)
            assert torch.equal(*weights)
    print(f"{'defense':24} {'once [s]':>9} {'anew [s]':>9} {'ratio':>6}")
    for name in options.defenses.split(","):
        once, anew = (statistics.median(times[name, limit]) for limit in (2**31, 0))
        print(f"{name:24} {once:9.2f} {anew:9.2f} {anew / once:6.2f}")


if __name__ == "__main__":
    main()
