"""What an attack on a randomized model should average over its draws: logits or probabilities.

    python benchmarks/eot_average.py [--samples 128] [--draws 10] [--judge 50] [--seeds 0 1] [--out FOLDER]

Models: sparsecode with dropout as in papers/sparsecode-digits.toml, and three of `tests/zoo` (run from the repository's
root). For each attack, of the samples that the judge calls right without attack, how many it leaves, by which it
averaged; the judge takes the mean probability over fresh draws. p: exact McNemar test of the first two, all seeds
together.
"""

from __future__ import annotations

import argparse
import csv
import json
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

import frontdef
from frontdef.attacks.guard import isolated
from frontdef.attacks.spec import make_spec
from frontdef.code import version_of
from frontdef.matrix.entries import parse_matrix
from frontdef.matrix.verify import score
from frontdef.protected import Protected
from frontdef.registry import get_attack_libraries, get_dataset, get_family
from frontdef.verdicts.statistics import mcnemar
from tests.zoo import ZOO
from tests.zoo.lab import Lab

SPARSECODE = Path(__file__).parent / "papers" / "sparsecode-digits.toml"
MEMBERS = ("random shift under EOT", "dropout under EOT", "strong noise under EOT")
ATTACKS: tuple[tuple[str, str, str, float, dict[str, object]], ...] = (
    ("native", "fgsm", "linf", 1.0, {}),
    ("native", "pgd", "linf", 1.0, {"steps": 20, "relative_step": 0.1, "random_start": True}),
    ("native", "pgd", "linf", 1.0, {"steps": 20, "relative_step": 0.1, "random_start": True, "loss": "margin"}),
    ("native", "apgd", "linf", 1.0, {"steps": 20}),
    ("native", "square", "linf", 1.0, {"queries": 100}),
    ("foolbox", "cw", "l2", 10.0, {"steps": 30, "lr": 0.05}),
    ("torchattacks", "cw", "l2", 10.0, {"steps": 30, "lr": 0.05}),
)
"""Library, family, norm, radius (in ℓ∞ in units of the model's ε), parameters."""


class AtNoLevel(nn.Module):
    """A view that hands out log-probabilities: all of them at or below 0."""

    def __init__(self, view: Protected) -> None:
        super().__init__()
        self.view = view

    def __getattr__(self, name: str) -> object:
        return super().__getattr__(name) if name == "view" else getattr(self.view, name)

    def forward(self, x: Tensor) -> Tensor:
        """Log-probabilities ``(N,K)``."""
        return self.view(x).log_softmax(1)


VIEWS: Mapping[str, Callable[[Protected, int], nn.Module]] = {
    "logits": lambda model, draws: model.eot(draws),
    "probabilities": lambda model, draws: model.eot(draws, average="probabilities"),
    "log-probabilities": lambda model, draws: AtNoLevel(model.eot(draws, average="probabilities")),
}


@dataclass(frozen=True)
class Subject:
    """A randomized model, its images, and the radius at which it is attacked in ℓ∞ and ℓ2."""

    name: str
    model: Protected
    x: Tensor
    y: Tensor
    eps: Mapping[str, float]


def subjects(samples: int, seed: int) -> Iterator[Subject]:
    """The models."""
    matrix = parse_matrix(SPARSECODE.read_text(encoding="utf-8"))
    (entry,) = (entry for entry in matrix.defense if entry.title == "sparsecode")
    model = frontdef.train(
        entry.name, dataset="digits", classifier="fc2", recipe=entry.recipe, train_samples=matrix.train_samples,
        seed=seed, **entry.config,
    )  # fmt: skip
    split = get_dataset("digits").load("test").take(samples, seed)
    yield Subject("sparsecode", model, split.images, split.labels, {"linf": 0.1, "l2": 1.0})
    for member in ZOO:
        if member.name in MEMBERS:
            protected, there = member.protected(Lab(seed))
            x, y = there.test.images[:samples], there.test.labels[:samples]
            yield Subject(member.name, protected, x, y, {"linf": 0.1, "l2": 1.0})


def main() -> None:
    """Print a table."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--samples", type=int, default=128)
    asked.add_argument("--draws", type=int, default=10)
    asked.add_argument("--judge", type=int, default=50)
    asked.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    asked.add_argument("--only", default="", help="models whose names have this in them")
    asked.add_argument("--out", type=Path, help="folder of rows.csv and about.json; docs/attacks.md is made of them")
    words = asked.parse_args()
    torch.set_num_threads(1)
    left: dict[tuple[str, str], dict[str, list[Tensor]]] = {}
    table: dict[tuple[str, str], dict[str, object]] = {}
    for seed in words.seeds:
        for subject in subjects(words.samples, seed):
            if words.only not in subject.name:
                continue
            model, x, y = subject.model, subject.x, subject.y
            right = score(model, x, y, draws=words.judge, seed=seed + 1).predictions == y
            for library, family, norm, share, parameters in ATTACKS:
                eps = subject.eps[norm] * (share if norm == "linf" else 1)
                spec = make_spec(get_family(family), norm, eps, parameters, seed)
                for name, view in VIEWS.items():
                    with isolated(model, seed):
                        adv = get_attack_libraries()[library].run(spec, view(model, words.draws), x, y).detach()
                    inside = spec.threat.contains(x, adv)
                    adv = torch.where(inside[:, None, None, None], adv, x)
                    stands = right & (score(model, adv, y, draws=words.judge, seed=seed + 2).predictions == y)
                    said = f"{library} {family} {parameters.get('loss', '')}".strip()
                    left.setdefault((subject.name, said), {}).setdefault(name, []).append(stands)
                rows = {name: torch.cat(all_seeds) for name, all_seeds in left[subject.name, said].items()}
                first, second = rows["logits"], rows["probabilities"]
                only = int((~second & first).sum()), int((~first & second).sum())
                p = mcnemar(*only)
                figures = "  ".join(f"{name} {100 * stood.double().mean():5.1f} %" for name, stood in rows.items())
                print(f"{subject.name:24} {said:20} n={len(first):4}  {figures}  only {only}  p={p:.2g}", flush=True)
                table[subject.name, said] = {
                    "model": subject.name, "attack": said, "n": len(first),
                    **{name: int(stood.sum()) for name, stood in rows.items()}, "p": f"{p:.2g}",
                }  # fmt: skip
    if words.out:
        write(words.out, list(table.values()), sys.argv[1:])


def write(out: Path, rows: list[dict[str, object]], arguments: list[str]) -> None:
    """Write the table and what it was made with."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    about = {
        "command": shlex.join(["python", f"benchmarks/{Path(__file__).name}", *arguments]),
        "versions": {name: version_of(name) for name in ("frontdef", "torch", "torchattacks", "foolbox")},
    }
    (out / "about.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
