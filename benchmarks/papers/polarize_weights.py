"""The networks that the authors of "Polarizing Front Ends for Robust CNNs" published, as trained defenses of frontdef.

    python benchmarks/papers/polarize_weights.py mnist.ckpt benchmarks/papers/weights/polarize-mnist.safetensors

The checkpoints are those of epoch 59 in the authors' repository, github.com/canbakiskan/polarizing-frontend, folder
checkpoints (`mnist_polarized_model`, `fashion_polarized_model`); the hashes below say whether they are the same files.
They hold tensors alone, and nothing is unpickled. The result is what `frontdef train polarize --out FILE` writes:
`frontdef.protect(None, "polarize", weights=FILE)` reads it, and so does a matrix.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from frontdef.models import saved
from frontdef.models.state import read_state, require_sha256
from frontdef.registry import get_classifier, get_dataset, get_defense

PUBLISHED = {
    "3de6e059bc1904dafc549ea8f3c73df34300f5456dc26e5ef2846a577ff6c976": "mnist",
    "5516086b52697ede862565cbcc339e8fda97fb58cfe6affe5f27521729f83869": "fashion-mnist",
}
"""sha256 of a checkpoint → the data set that it was trained on."""

CLASSIFIER = "polarize-cnn"

LAYERS = {"conv1": "0", "conv2": "3", "fc1": "7", "fc2": "9"}
"""Layer of the checkpoint → place in the body of `polarize-cnn`."""


def convert(checkpoint: Path, out: Path) -> None:
    """Write a published network as a trained defense.

    Args:
        checkpoint: One of `PUBLISHED`.
        out: Ends in ``.safetensors``.

    Raises:
        SystemExit: Another file.
    """
    sha256 = require_sha256(checkpoint, None)
    if sha256 not in PUBLISHED:
        raise SystemExit(f"{checkpoint} has the sha256 {sha256}, which is none of the published networks'")
    dataset = get_dataset(PUBLISHED[sha256])
    state, _ = read_state(checkpoint, "model_state_dict")
    threshold = round(float(state["frontend.jump"]), 6)
    defense = get_defense("polarize")
    config = defense.configure({"thresholds": (-threshold, threshold), "filters": len(state["frontend.weight"])})
    front_end = defense.build(config.model_dump(), image_shape=dataset.image_shape)
    filters = front_end.state_dict()
    # The filters before and between the stages were not published, so none are remembered.
    filters |= {"filters": state["frontend.weight"], "history": torch.zeros_like(filters["history"])}
    front_end.load_state_dict(filters)
    front_end.mark_trained()
    in_shape = (len(state["frontend.weight"]), *dataset.image_shape[1:])
    classifier = get_classifier(CLASSIFIER).build(in_shape, dataset.n_classes)
    classifier.body.load_state_dict(_renamed(state))
    about = {
        "request": {"defense": [defense.name, config.model_dump(mode="json")], "classifier": [CLASSIFIER]},
        "source": {"checkpoint": sha256},
        "in_shape": list(in_shape),
        "image_shape": list(dataset.image_shape),
        "n_classes": dataset.n_classes,
    }
    saved.save(out, front_end, classifier, about)


def _renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        f"{place}.{kind}": state[f"classifier.{layer}.{kind}"]
        for layer, place in LAYERS.items()
        for kind in ("weight", "bias")
    }


def main() -> None:
    """Convert one checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    convert(arguments.checkpoint, arguments.out)
    print(arguments.out)


if __name__ == "__main__":
    main()
