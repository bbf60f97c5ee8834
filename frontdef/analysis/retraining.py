"""Partial adversarial training of one network at one cut, as a job."""

from __future__ import annotations

import copy
import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from frontdef._version import __version__
from frontdef.analysis.layers import linear_list
from frontdef.analysis.measure import INPUT, evaluate
from frontdef.analysis.partial import parse_code, retrain
from frontdef.analysis.settings import LayerSettings
from frontdef.analysis.tables import TABLES
from frontdef.models.fingerprint import computing
from frontdef.models.request import ModelRequest
from frontdef.models.sketch import stage_passes
from frontdef.protected import Protected
from frontdef.registry import get_dataset
from frontdef.runs.job import Job
from frontdef.runs.table import Rows
from frontdef.stage import Stage

if TYPE_CHECKING:
    from frontdef.runs.inventory import Inventory


@dataclass(frozen=True)
class Retraining(Job):
    """One second training.

    Args:
        code: What is trained how and when, ``A1N2``.
        mode: ``block`` or ``single``.
        cut: Layers before the cut, or the single layer.
        seed: Of both trainings.
        first: The model of the first training.
        stages: The recipe of the second.
        settings: How the result is attacked.
        chosen: What of the settings decides the result, JSON values.
        samples: Number of test images.
        attack_seed: Of the attack.
        surrogate: The gradient that the attack follows; None for the front end's default.
    """

    code: str
    mode: str
    cut: int
    seed: int
    first: ModelRequest
    stages: tuple[Stage, ...]
    settings: LayerSettings
    chosen: Mapping[str, Any]
    samples: int
    attack_seed: int
    surrogate: str | None = None

    table = TABLES["partial"]

    @property
    def models(self) -> tuple[ModelRequest, ...]:
        """The one that is trained on."""
        return (self.first,)

    def decides(self) -> Mapping[str, Any]:
        """All that decides the result."""
        return {
            **self.describe(),
            "model": self.first.key(),
            "surrogate": self.surrogate,
            "stages": [stage.model_dump(mode="json") for stage in self.stages],
            "settings": dict(self.chosen),
            "samples": self.samples,
            "attack_seed": self.attack_seed,
            "code_of": computing(__name__),
            "torch": importlib.metadata.version("torch"),
            "frontdef": __version__,
        }

    def describe(self) -> Mapping[str, Any]:
        """Which piece of the sweep it is."""
        return {"code": self.code, "mode": self.mode, "cut": self.cut, "seed": self.seed}

    @property
    def place(self) -> tuple[str, str]:
        """Code and mode, and the cut."""
        return f"{self.code} {self.mode}", f"cut {self.cut}"

    @property
    def passes(self) -> float | None:
        """Those of the second training, and those of the attack on what comes out."""
        train = self.first.train_samples or get_dataset(self.first.dataset).n_train
        if train is None:
            return None
        return 2 * (train * sum(map(stage_passes, self.stages)) + self.samples * self.settings.attack.steps)

    @property
    def alike(self) -> tuple[Any, ...]:
        """Every second training of the same kind."""
        return self.table.name, self.mode, parse_code(self.code).second

    def tell(self, about: Mapping[str, Any]) -> str:
        """The time, and the accuracy under attack."""
        return f"{about['wall']:.1f} s, {about['adversarial_accuracy']:.1%} right under attack"

    def __str__(self) -> str:
        return f"partial {self.code} {self.mode} {self.cut} {self.seed}"

    def run(self, inventory: Inventory) -> Rows:
        """Train a copy the second way, and attack it.

        Raises:
            Exception: A layer that can't be drawn anew, a training that diverges.
        """
        protected = copy.deepcopy(inventory.model(self.first))
        front_end, classifier = protected.front_end, protected.classifier
        train = inventory.draw(self.first.dataset, "train", self.first.train_samples, self.seed)
        kept, retrained = retrain(
            front_end, classifier, train, self.stages, parse_code(self.code), self.cut,
            mode=self.mode, seed=self.seed, device=inventory.device,
        )  # fmt: skip
        by_training = ((parse_code(self.code).first, kept), (parse_code(self.code).second, retrained))
        adversarial = [layer for letter, layers in by_training if letter == "A" for layer in layers]
        test = inventory.split(self.first.dataset).first(self.samples)
        after = Protected(front_end, classifier, image_shape=protected.image_shape)
        with after.surrogate(self.surrogate):
            measured = evaluate(after, test, self.settings, self.attack_seed)
        columns = {
            "label": linear_list(classifier)[self.cut - 1].label if self.cut else INPUT[0],
            "adversarial_layers": len(adversarial),
            "adversarial_parameters": sum(values.numel() for layer in adversarial for values in layer.parameters()),
            "samples": len(test),
            **measured,
        }
        return Rows(columns, {"adversarial_accuracy": measured["adversarial_accuracy"]})
