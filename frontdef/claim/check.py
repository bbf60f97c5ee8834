"""Score a claim's examples again, in float64, on your own copy of the model. Needs torch and numpy alone.

    python check.py --model nets.py:build --weights mine.pt [--row TITLE] [--draws N]

``build()`` returns the model, an ``nn.Module`` from images ``(N,C,H,W)`` in [0,1] to logits, with its front end where
the row has one. An example counts where it is finite, in [0,1], within the radius of its image (to 1e-6), and not given
the image's label. What is left of the images is an upper bound on robust accuracy, whoever made the examples. Exit code
1 where it is above what is claimed, or the clean accuracy is more than two points from the claim's: another model.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

TYPES = {"F32": np.float32, "F64": np.float64, "I64": np.int64}
NORMS = {"linf": float("inf"), "l2": 2, "l1": 1, "l0": 0}
TOLERANCE = 1e-6
MARGIN = 0.02
HERE = Path(__file__).resolve().parent


def tensors(path: str | Path, sha256: str = "") -> dict[str, Tensor]:
    """Read a safetensors file: a header in JSON, then the values."""
    data = Path(path).read_bytes()
    if sha256 and hashlib.sha256(data).hexdigest() != sha256:
        sys.exit(f"{path} is not the file of this claim: its sha256 is another")
    (size,) = struct.unpack("<Q", data[:8])
    values, found = memoryview(data)[8 + size :], {}
    for name, entry in json.loads(data[8 : 8 + size]).items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            kept = np.frombuffer(values[begin:end], TYPES[entry["dtype"]])
            found[name] = torch.from_numpy(kept.reshape(entry["shape"]).copy())
    return found


def model(source: str, weights: str | None) -> nn.Module:
    """Call the function of ``FILE.py:function`` and load the weights into what it returns."""
    path, _, function = source.rpartition(":")
    spec = importlib.util.spec_from_file_location("theirs", path)
    if spec is None or spec.loader is None:
        sys.exit(f"--model is FILE.py:function, got {source!r}")
    module = importlib.util.module_from_spec(spec)
    sys.modules["theirs"] = module
    spec.loader.exec_module(module)
    built: nn.Module = getattr(module, function)()
    if weights:
        plain = str(weights).endswith(".safetensors")
        state: Any = tensors(weights) if plain else torch.load(weights, map_location="cpu", weights_only=True)
        for key in ("state_dict", "model"):
            state = state.get(key, state)
        built.load_state_dict(state)
    return built.double().eval()


def classes(net: nn.Module, images: Tensor, draws: int, batch: int = 100) -> Tensor:
    """Class of the mean probability over the draws, (N,)."""
    found = []
    with torch.no_grad():
        for part in images.double().split(batch):
            found.append(torch.stack([net(part).softmax(1) for _ in range(draws)]).mean(0).argmax(1))
    return torch.cat(found) if found else torch.zeros(0, dtype=torch.int64)


def distance(examples: Tensor, images: Tensor, norm: str) -> Tensor:
    """Distance of each example from its image, (N,), in units of [0,1]; for l0 the number of values that differ."""
    moved = (examples.double() - images.double()).flatten(1)
    away: Tensor = torch.linalg.vector_norm(moved, NORMS[norm], dim=1)
    return away


def main() -> None:
    """Print claimed and scored robust accuracy of every threat model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, metavar="FILE.py:function")
    parser.add_argument(
        "--weights", help="a file of torch (weights only) or safetensors; none where build() loads them"
    )
    parser.add_argument("--row", help="which row of the claim; not needed where there is one")
    parser.add_argument("--draws", type=int, default=1, help="draws of a randomized model to average")
    asked = parser.parse_args()
    claim = json.loads((HERE / "claim.json").read_text(encoding="utf-8"))
    rows = [row for row in claim["rows"] if asked.row in (None, row["title"])]
    if len(rows) != 1:
        sys.exit("choose one with --row: " + "; ".join(row["title"] for row in claim["rows"]))
    row = rows[0]
    kept, net = tensors(HERE / row["file"], row["sha256"]), model(asked.model, asked.weights)
    images, labels = kept["images"], kept["labels"]
    right = classes(net, images, asked.draws) == labels
    clean = right.double().mean().item()
    without = f"{100 * clean:.2f} % right without attack, {100 * row['clean']:.2f} % claimed"
    print(f"{row['title']}: {len(labels)} images, {without}")
    above = other = abs(clean - row["clean"]) > MARGIN + 0.5 / len(labels)
    if other:
        print("  ANOTHER MODEL than the claim's, or its weights read in another way: this says nothing of the claim")
    for norm in row["norms"]:
        numbers, examples = kept[f"{norm}.images"], kept[f"{norm}.examples"]
        away = distance(examples, images[numbers], norm)
        there = torch.isfinite(examples).flatten(1).all(1) & ((examples >= 0) & (examples <= 1)).flatten(1).all(1)
        fools = there & (classes(net, examples, asked.draws) != labels[numbers])
        for threat in (threat for threat in row["threats"] if threat["norm"] == norm):
            robust = right.clone()
            robust[numbers[fools & (away <= threat["eps"] + TOLERANCE)]] = False
            scored = robust.double().mean().item()
            worse = scored > threat["robust"] + 0.5 / len(labels)
            above |= worse
            word = "ABOVE WHAT IS CLAIMED" if worse else "of another model" if other else "holds"
            claimed, radius = f"{100 * threat['robust']:.2f} %", f"{norm} eps={threat['eps']:g}"
            print(f"  {radius}: claimed {claimed}, here at most {100 * scored:.2f} %: {word}")
    sys.exit(int(above))


if __name__ == "__main__":
    main()
