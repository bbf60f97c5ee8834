"""How good are the default recipes? Clean test accuracy and training time of undefended classifiers.

python benchmarks/recipes.py [--dataset digits] [--classifiers small-cnn,cnn4,fc2,resnet32] [--seeds 3]
                             [--device cpu] [--data FOLDER]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from frontdef import training
from frontdef.config import Config
from frontdef.frontend import Identity
from frontdef.models.recipes import default_recipe
from frontdef.registry import get_classifier, get_classifiers, get_dataset


def main() -> None:
    """Print a line for each classifier and seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--classifiers", default=",".join(classifier.name for classifier in get_classifiers()))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    dataset = get_dataset(options.dataset)
    train, test = (dataset.load(name, root=options.data) for name in ("train", "test"))
    device = torch.device(options.device)
    print(f"{'classifier':12} {'epochs':>6} {'seed':>4} {'accuracy':>9} {'cpu [s]':>8} {'wall [s]':>8}")
    for name in options.classifiers.split(","):
        recipe = default_recipe(options.dataset, name)
        for seed in range(options.seeds):
            front_end = Identity(Config())
            mean, std = training.moments(training.outputs(front_end, train.images, device))
            classifier = get_classifier(name).build(
                dataset.image_shape, dataset.n_classes, mean=mean, std=std, seed=seed
            )
            start = time.process_time()
            log = training.fit_classifier(front_end, classifier, train, recipe, seed=seed, device=device)
            spent = time.process_time() - start
            with torch.no_grad():
                batches = torch.split(test.images, 256)
                predicted = torch.cat([classifier(batch.to(device)).argmax(1).cpu() for batch in batches])
            accuracy = float((predicted == test.labels).float().mean())
            epochs = sum(stage.epochs for stage in recipe)
            print(f"{name:12} {epochs:6} {seed:4} {accuracy:9.2%} {spent:8.1f} {log.seconds:8.1f}", flush=True)


if __name__ == "__main__":
    main()
