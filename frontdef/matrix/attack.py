"""A cell of the matrix: an attack of one library on one defended model. Protect, attack, verify."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from frontdef.attacks.goal import goal
from frontdef.attacks.guard import attacked, isolated, note_model
from frontdef.attacks.lost import Lost, lost_in_float32
from frontdef.attacks.rounding import changed_by_rounding, expected
from frontdef.attacks.spec import AttackSpec, shown
from frontdef.matrix.row import RowJob
from frontdef.matrix.tables import RECORDS
from frontdef.matrix.verify import Scores, joined, score, verify
from frontdef.memory import Batches, at_once
from frontdef.models.entry import ModelEntry
from frontdef.models.fingerprint import version_of
from frontdef.models.request import ModelRequest, Request
from frontdef.protected import Protected
from frontdef.registry import get_attack_libraries, get_defense
from frontdef.runs.job import BatchSize
from frontdef.runs.table import Rows
from frontdef.tensorfile import Layout
from frontdef.threat import format_eps
from frontdef.verdicts import broken
from frontdef.verdicts.looks import ALPHA

if TYPE_CHECKING:
    from frontdef.datasets import Split
    from frontdef.runs.inventory import Inventory
    from frontdef.tensorfile import TensorWriter


@dataclass(frozen=True)
class Source:
    """Another trained model that is attacked instead.

    Args:
        entry: Its row.
        request: That model.
    """

    entry: ModelEntry
    request: ModelRequest


@dataclass(frozen=True)
class Cell(RowJob):
    """One cell.

    Args:
        surrogate: Surrogate gradient of the attack; None for the front end's default.
        spec: The attack, with the cell's own seed.
        library: Id of the attack library.
        batch_size: Images an attack call gets at once.
        eot_draws: Draws that an attack on a randomized front end averages.
        verify_draws: Fresh draws that judge a randomized front end.
        device: Type of device.
        judged_eps: Radius of the one figure that is told of the cell: the attack's own, or of a minimum-norm attack the
            run's largest in its norm.
        source: The model that is attacked instead; None attacks the defense itself.
        level: Error level of a comparison of this cell with that of another library.
        most: Samples up to which such a comparison may go on; 0 where it does not.
    """

    surrogate: str | None
    spec: AttackSpec
    library: str
    batch_size: int
    eot_draws: int
    verify_draws: int
    device: str
    judged_eps: float
    source: Source | None = None
    level: float = ALPHA
    most: int = 0

    table = RECORDS
    shared = False

    @property
    def models(self) -> tuple[Request, ...]:
        """The one that is judged, and the one that is attacked where that is another."""
        return (self.row.request, *((self.source.request,) if self.source else ()))

    def decides(self) -> Mapping[str, Any]:
        """All that decides the result."""
        spec, library = self.spec, get_attack_libraries()[self.library]
        source = {"source": self.source.request.key()} if self.source else {}
        return source | {
            **super().decides(),
            "surrogate": self.surrogate,
            "family": spec.family.name,
            "norm": spec.threat.norm,
            "eps": spec.threat.eps,
            "parameters": spec.settings(),
            "seed": spec.seed,
            "library": self.library,
            "library_version": library.version(),
            "code": library.code(spec.family.name, spec.threat.norm),
            "batch_size": self.batch_size,
            "draws": [self.eot_draws, self.verify_draws] if self._randomized else None,
            "device": self.device,
            "torch": version_of("torch"),
        }

    def describe(self) -> Mapping[str, Any]:
        """Ids and numbers by which the cell is found."""
        return {
            "cell": self.key,
            **self.row.describe(),
            **self.row.details(),
            "surrogate": self.surrogate or "",
            "source": self.source.entry.title if self.source else "",
            "family": self.spec.family.name,
            "norm": self.spec.threat.norm,
            "eps": self.eps,
            "judged_eps": self.judged_eps,
            "level": self.level,
            "parameters": self.spec.written,
            "library": self.library,
            "library_version": get_attack_libraries()[self.library].version(),
            "seed": self.spec.seed,
        }

    @property
    def eps(self) -> float | None:
        """The radius; None for a minimum-norm attack."""
        return None if self.spec.family.minimum_norm else self.spec.threat.eps

    @property
    def passes(self) -> float | None:
        """Forward and backward passes that the library makes, at most; None of one with its own defaults."""
        row = get_attack_libraries()[self.library].offers(self.spec.family.name, self.spec.threat.norm)
        assert row is not None
        cost, draws = row.cost(self.spec), self.eot_draws if self._randomized else 1
        return None if cost is None else self.samples * cost * draws

    @property
    def _randomized(self) -> bool:
        """Whether the model that is judged, or the one that is attacked, draws."""
        entries = (self.row.entry, *((self.source.entry,) if self.source else ()))
        return any(get_defense(entry.name).randomized for entry in entries)

    @property
    def alike(self) -> tuple[Any, ...]:
        """The same attack of the same library."""
        spec = self.spec
        return (
            self.row.dataset,
            self.row.request.classifier,
            spec.family.name,
            spec.threat.norm,
            spec.written,
            self.library,
        )

    @property
    def batch(self) -> BatchSize:
        """Images that the attack gets at once; of a randomized front end times the draws that it averages."""
        draws = self.eot_draws if self._randomized else 1
        return BatchSize(min(self.batch_size, self.samples) * draws, self.spec.family.gradient)

    def bytes(self, shapes: Mapping[str, tuple[int, ...]]) -> int:
        """Examples, the same after the front end, and records, about."""
        return self.samples * (2 * 4 * math.prod(shapes[self.row.dataset]) + 200)

    @property
    def column(self) -> str:
        """Its column in the grid."""
        return f"{self.spec.family.name} {self.spec.threat.norm}"

    def tell(self, about: Mapping[str, Any]) -> str:
        """Robust accuracy and time."""
        at = "" if self.eps is not None else f" at ε={format_eps(self.judged_eps)}"
        return f"{about['robust_accuracy']:.1%} robust{at}, {about['seconds']:.1f} s"

    def note(self, about: Mapping[str, Any]) -> str:
        """That the attack got fewer images at once, because memory ran out."""
        asked = min(self.batch_size, self.samples)
        return f"memory ran out, so in batches of {about['batch']} instead of {asked}" if about["batch"] < asked else ""

    def __str__(self) -> str:
        through = f" through {self.surrogate}" if self.surrogate else ""
        return f"{self.row}{through} · {self.asked} · {self.library}"

    @property
    def asked(self) -> str:
        """The attack in words."""
        return shown(str(self.spec), self.source.entry.title if self.source else "")

    def run(self, inventory: Inventory) -> Rows:
        """Attack the samples and judge the examples.

        Raises:
            Exception: Whatever the library raises.
        """
        protected = inventory.model(self.row.request)
        victim = inventory.model(self.source.request) if self.source else protected
        split, spec = inventory.split(self.row.dataset).first(self.samples), self.spec
        library = get_attack_libraries()[self.library]
        realization = library.offers(spec.family.name, spec.threat.norm)
        assert realization is not None
        randomized = type(victim.front_end).randomized
        averaged = victim.eot(self.eot_draws, average=spec.average or "probabilities") if randomized else victim
        target = averaged.precise() if spec.precise else averaged
        wanted = goal(spec, victim, split.images, split.labels)
        batches = Batches(self.batch_size)
        took: list[float] = []

        def attack(rows: slice) -> Tensor:
            x, y = split.images[rows].to(victim.device), wanted[rows].to(victim.device)
            started = time.perf_counter()
            x_adv = attacked(library, spec, target, x, y, conduct).cpu()
            took.append(time.perf_counter() - started)
            return x_adv

        kept = inventory.stream(self, self._kept(protected, split.images, inventory))
        with victim.surrogate(self.surrogate):
            with isolated(victim, spec.seed) as conduct:
                victim.passes.forward = victim.passes.backward = 0
                victim.passes.stages.clear()
                for _, x_adv in batches.over(len(split), attack, note=lambda: note_model(victim)):
                    kept.append("x_adv", x_adv)
                spent = (victim.passes.forward, victim.passes.backward)
            rounding = self._rounding(target, split, wanted, batches.size)
            lost = self._lost(averaged, split, wanted, batches.size, inventory)
            columns = self._judge(protected, split, kept, wanted, inventory)
        about = {
            "forwards": spent[0] / len(split),
            "backwards": spent[1] / len(split),
            "stages": [
                dict(zip(("stage", "tried", "broke", "forwards", "backwards"), (name, *did), strict=True))
                for name, did in victim.passes.stages.items()
            ],
            "seconds": sum(took),
            "batch": min(batches.size, len(split)),
            "call": realization.call,
            "difference": "" if spec.defaults else realization.difference,
            "causes": [] if spec.defaults else list(realization.causes),
            "weakens": [] if spec.defaults else list(realization.weakens),
            "strengthens": [] if spec.defaults else list(realization.strengthens),
            "rounding": rounding and rounding[0] / rounding[1],
            "rounding_samples": rounding and rounding[1],
            "zero_loss": lost and lost.losses / len(split),
            "zero_gradient": lost and lost.gradients / len(split),
            "caveat": realization.caveat,
            "faults": conduct.faults,
            "robust_accuracy": broken.robust_accuracy(columns, spec.threat.norm, self.judged_eps),
        }
        return Rows({"sample_id": split.ids.numpy(), **columns}, about, kept)

    def _lost(self, averaged: Protected, split: Split, wanted: Tensor, size: int, inventory: Inventory) -> Lost | None:
        """On how many samples float32 loses the cross-entropy; None for an attack that follows another gradient."""
        spec = self.spec
        if spec.family.follows not in {"white box", "one step"}:
            return None

        def look(rows: slice) -> Lost:
            return lost_in_float32(averaged, split.images[rows].to(averaged.device), wanted[rows].to(averaged.device))

        def all_lost() -> Lost:
            with isolated(averaged, spec.seed):
                looked = [lost for _, lost in Batches(size).over(len(split), look, note=lambda: note_model(averaged))]
            return Lost(sum(lost.losses for lost in looked), sum(lost.gradients for lost in looked))

        if type(averaged.front_end).randomized:
            return all_lost()
        about = ("lost", self.surrogate, size, wanted.cpu().numpy().tobytes())
        return inventory.fact(self.models[-1], about, all_lost)

    def _rounding(self, victim: Protected, split: Split, wanted: Tensor, most: int) -> tuple[int, int] | None:
        """Samples whose example rounding alone changes, and of how many; None where libraries may differ anyway."""
        library, spec = get_attack_libraries()[self.library], self.spec
        if type(victim.front_end).randomized or not expected(library, spec):
            return None
        rows = slice(0, min(most, len(split)))
        with isolated(victim, spec.seed):
            x, y = split.images[rows].to(victim.device), wanted[rows].to(victim.device)
            return changed_by_rounding(library, spec, victim, x, y)

    def _kept(self, protected: Protected, images: Tensor, inventory: Inventory) -> dict[str, Layout]:
        """What is kept beside the records: the examples, and what the classifier sees where these are images."""

        def seen() -> torch.Size:
            with torch.no_grad(), isolated(protected, self.spec.seed):
                return protected.front_end(images[:1].to(protected.device)).shape[1:]

        whole = Layout("float32", tuple(images.shape))
        shape = inventory.fact(self.row.request, "shape of what the classifier sees", seen)
        return {"x_adv": whole, "seen": whole} if shape == images.shape[1:] else {"x_adv": whole}

    def _judge(
        self, protected: Protected, split: Split, kept: TensorWriter, wanted: Tensor, inventory: Inventory
    ) -> dict[str, np.ndarray]:
        """Verify the examples, some at once; each lot draws under a seed of its own, which no attack saw."""
        spec, clean = self.spec, self._clean(protected, inventory)

        def judge(rows: slice) -> tuple[dict[str, np.ndarray], Tensor]:
            x, y, x_adv = split.images[rows], split.labels[rows], kept.rows("x_adv", rows.start, rows.stop)
            columns = verify(
                protected, x, x_adv, y, clean.of(rows), spec.threat,
                minimum_norm=spec.family.minimum_norm, draws=self.verify_draws, seed=spec.seed + 1 + rows.start,
                wanted=wanted[rows] if spec.targeted else None,
            )  # fmt: skip
            return columns, _seen(protected, x_adv) if "seen" in kept.layouts else x_adv

        lots = []
        with isolated(protected, spec.seed + 1):
            for _, (columns, seen) in Batches(at_once(split.images.shape[1:])).over(len(split), judge):
                lots.append(columns)
                if "seen" in kept.layouts:
                    kept.append("seen", seen)
        return {name: np.concatenate([lot[name] for lot in lots]) for name in lots[0]}

    def _clean(self, protected: Protected, inventory: Inventory) -> Scores:
        """Scores of the run's images, the same for every cell of the model: one that draws has one clean accuracy."""
        whole, seed = inventory.split(self.row.dataset), self.sample_seed + 1

        def look(rows: slice) -> Scores:
            x, y = whole.images[rows], whole.labels[rows]
            return score(protected, x, y, draws=self.verify_draws, seed=seed + rows.start)

        def scores() -> Scores:
            with isolated(protected, seed):
                return joined([lot for _, lot in Batches(at_once(whole.images.shape[1:])).over(len(whole), look)])

        return inventory.fact(self.row.request, ("clean", self.verify_draws), scores)


def _seen(protected: Protected, x_adv: Tensor) -> Tensor:
    """The examples after the front end, as the classifier reads them."""
    with torch.no_grad():
        return protected.front_end(x_adv.nan_to_num().clamp(0, 1).to(protected.device)).cpu()
