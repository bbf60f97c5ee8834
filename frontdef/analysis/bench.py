"""Where units are run: the samples and the model at hand, and what came of a unit."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from frontdef.analysis.layers import linear_list
from frontdef.analysis.measure import INPUT, MEASURES, evaluate
from frontdef.analysis.partial import parse_code, retrain
from frontdef.analysis.store import AnalysisStore
from frontdef.analysis.study import Study
from frontdef.analysis.units import Unit, make_units
from frontdef.datasets import Split
from frontdef.datasets.record import SplitName
from frontdef.matrix.attempt import Attempt, load_model
from frontdef.protected import Protected
from frontdef.registry import get_dataset


def head_of(
    study: Study,
    *,
    out: Path,
    device: str = "cpu",
    data: Path | None = None,
    cache: Path | None = None,
    download: bool = False,
) -> dict[str, Any]:
    """What a process has to be told to run units of a study, as JSON values.

    Args:
        study: What is asked.
        out: The folder.
        device: Where models are trained and attacked.
        data: Folder of the data sets; None takes ``FRONTDEF_DATA``.
        cache: Folder of trained models; None takes ``FRONTDEF_CACHE`` or the user's cache folder.
        download: Whether data sets may be downloaded.
    """
    return {
        "bench": "frontdef.analysis.bench:Bench",
        "study": study.model_dump(mode="json"),
        "out": str(out),
        "device": device,
        "data": None if data is None else str(data),
        "cache": None if cache is None else str(cache),
        "download": download,
    }


class Bench:
    """Runs units of one study, in this process or in one of `frontdef.matrix.executor.Processes`.

    Args:
        head: What is run, as `head_of` says it.

    Raises:
        UnknownNameError: A name that does not exist.
        ConfigError: A cut out of range, or more samples than there are.
        DataError: The data set is missing or damaged.
        StoreError: The folder holds something else.
    """

    def __init__(self, head: Mapping[str, Any]) -> None:
        self.study = Study.model_validate(head["study"])
        self.device = torch.device(head["device"])
        self.data, self.cache = (None if head[name] is None else Path(head[name]) for name in ("data", "cache"))
        self.download = bool(head["download"])
        self.store = AnalysisStore(Path(head["out"]))
        self.cells = {unit.key: unit for unit in make_units(self.study, head["device"])}
        self.test = self._samples("test", self.study.samples, self.study.seed)

    def _samples(self, split: SplitName, count: int | None, seed: int) -> Split:
        loaded = get_dataset(self.study.dataset).load(split, root=self.data, download=self.download)
        return loaded.take(count, seed)

    def load(self, unit: Unit) -> Protected:
        """The unit's model, trained if it is not in the cache.

        Raises:
            ConfigError: A training that diverges.
            StoreError: The cache can't be written.
        """
        return load_model(
            unit.request, self.test, self.device, cache=self.cache, data=self.data, download=self.download
        )

    def run(self, unit: Unit, protected: Protected) -> Attempt:
        """Run a unit and store its rows; whatever goes wrong in it is a result.

        Args:
            unit: One of the study's.
            protected: Its model; a unit of partial training changes it.

        Raises:
            StoreError: The folder can't be written.
        """
        started = time.perf_counter()
        try:
            with protected.surrogate(unit.surrogate):
                columns, about = self._partial(unit, protected) if unit.stages else self._measure(unit, protected)
        except Exception:
            return Attempt(error=traceback.format_exc())
        about |= {"seconds": time.perf_counter() - started}
        self.store.write(unit.table, unit.key, {**columns, **unit.where}, about)
        return Attempt(about=about)

    def _measure(self, unit: Unit, protected: Protected) -> tuple[dict[str, Any], dict[str, Any]]:
        return MEASURES[unit.table](protected, self.test, self.study, self.study.seed)

    def _partial(self, unit: Unit, protected: Protected) -> tuple[dict[str, Any], dict[str, Any]]:
        code, cut, mode, seed = (unit.where[name] for name in ("code", "cut", "mode", "seed"))
        front_end, classifier = protected.front_end, protected.classifier
        train = self._samples("train", self.study.train_samples, seed)
        kept, retrained = retrain(
            front_end, classifier, train, unit.stages, parse_code(code), cut, mode=mode, seed=seed, device=self.device
        )
        by_training = ((parse_code(code).first, kept), (parse_code(code).second, retrained))
        adversarial = [layer for letter, layers in by_training if letter == "A" for layer in layers]
        test = self.test.first(unit.settings["samples"])
        after = Protected(front_end, classifier, image_shape=protected.image_shape)
        found: dict[str, Any] = {
            "label": linear_list(classifier)[cut - 1].label if cut else INPUT[0],
            "adversarial_layers": len(adversarial),
            "adversarial_parameters": sum(one.numel() for layer in adversarial for one in layer.parameters()),
            "samples": len(test),
            **evaluate(after, test, self.study, self.study.seed),
        }
        return found, {"adversarial_accuracy": found["adversarial_accuracy"]}
