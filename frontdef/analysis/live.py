"""Models that are at hand: any torch classifier, without a data set or a training that frontdef knows."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor, nn

from frontdef.analysis.look import Look
from frontdef.analysis.results import StudyResults
from frontdef.analysis.settings import LayerSettings
from frontdef.analysis.tables import MEASURES, TOPICS, measured
from frontdef.config import build
from frontdef.datasets import Split
from frontdef.errors import ConfigError, UnknownNameError
from frontdef.images import as_images, as_labels
from frontdef.models.live import INPUTS, borrowed, identity_of_live
from frontdef.models.load import Means, load_model
from frontdef.models.request import Keyed
from frontdef.protected import Protected
from frontdef.runs.plan import Held, Plan
from frontdef.runs.progress import PlainProgress
from frontdef.runs.run import Settings, run

SAMPLES = "arrays"
"""Name of the samples that are given."""


def analyze(
    models: Mapping[str, nn.Module],
    images: Any,
    labels: Any,
    *,
    out: str | Path,
    what: tuple[str, ...] = ("psr", "weights"),
    seed: int = 0,
    name: str = "layers",
    **settings: Any,
) -> StudyResults:
    """Look into the layers of models, and keep what is found in a folder; what is there already is not done again.

    Partial training needs recipes and training images: a study, `frontdef.analysis.make_plan`, or
    `frontdef.analysis.retrain`.

    Args:
        models: Name → classifier, an ``nn.Module`` from images in [0,1] to logits, or a `Protected`. Left as it was.
        images: ``(N,C,H,W)`` in [0,1].
        labels: Class indices ``(N,)``.
        out: The folder.
        what: ``psr``, ``weights``, or both.
        seed: Of the attack.
        name: Title of the report.
        settings: As in a study's file: ``attack={"eps": 0.1, "steps": 40}``, ``ratio={"p": [1, 2]}``, ``weights={…}``.

    Returns:
        What was found; `Results.failures` names what could not be.

    Raises:
        ConfigError: No model, or settings that are not allowed.
        UnknownNameError: Something else asked for than ``psr`` and ``weights``.
        ImageError: Images or labels that break the contract.
        StoreError: The folder can't be written, or holds something else.
    """
    if not models:
        raise ConfigError("no model is given: analyze({'natural': model}, images, labels, out='runs/layers')")
    for topic in what:
        if topic not in TOPICS:
            raise UnknownNameError("analysis", topic, TOPICS, "Partial training: `frontdef analyze STUDY`.")
    chosen = build(LayerSettings, settings, "analyze")
    pixels = as_images(images)
    samples = Held(Split(pixels, torch.as_tensor(labels), torch.arange(len(pixels))))
    with ExitStack() as stack:
        requests = {
            title: _Given(title, stack.enter_context(borrowed(module)), pixels) for title, module in models.items()
        }
        for request in requests.values():
            as_labels(labels, len(pixels), int(request.protected.predict(pixels[:1]).shape[1]))
        jobs = tuple(
            Look(
                of=table,
                title=title,
                request=request,
                dataset=SAMPLES,
                settings=chosen,
                seed=seed,
                chosen={
                    **chosen.model_dump(mode="json", include=set(MEASURES[table].settings)),
                    "seed": seed,
                    "samples": samples.key,
                },
            )
            for title, request in requests.items()
            for table in measured(what)
        )
        study = {
            **chosen.model_dump(mode="json"),
            "name": name,
            "samples": len(pixels),
            "seed": seed,
            "what": list(what),
        }
        plan = Plan("study", name, study, jobs, {SAMPLES: samples})
        run(plan, Settings(Path(out), command=""), PlainProgress(Console(quiet=True)))
    return StudyResults(out)


@dataclass(frozen=True, eq=False)
class _Given(Keyed):
    """A model that is at hand, as a request: known by its tensors, code and answers."""

    title: str
    protected: Protected
    images: Tensor
    dataset: str = SAMPLES
    classifier: str = ""
    defense: str = "none"
    training: str = "as it is"

    @property
    def image_shape(self) -> tuple[int, ...]:
        """``(C,H,W)``."""
        return tuple(self.images.shape[1:])

    def describe(self) -> dict[str, Any]:
        """Its identity: tensors, code and answers to fixed inputs."""
        return identity_of_live(self.protected, self.protected.predict, self.images[:INPUTS])

    def __str__(self) -> str:
        return self.title


@load_model.register(_Given)
def _as_it_is(request: _Given, means: Means, progress: Any = None, waiting: Any = None) -> Protected:
    return request.protected
