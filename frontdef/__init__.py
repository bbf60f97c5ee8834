"""frontdef: front-end defenses as ART plugins, attacked by three libraries with the same parameters.

``import frontdef`` is light: torch and ART are imported when a name that needs them is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import pluggy

from frontdef._version import __version__

if TYPE_CHECKING:
    from frontdef import bpda
    from frontdef.api import load, protect
    from frontdef.certificate import Certificate
    from frontdef.claim.live import import_claim
    from frontdef.classifiers import Classifier
    from frontdef.config import Config, field
    from frontdef.defense import Defense
    from frontdef.errors import ModelError
    from frontdef.frontend import FrontEnd
    from frontdef.logger import Logger
    from frontdef.matrix.evaluate import evaluate
    from frontdef.metrics import Metric
    from frontdef.models.train import train
    from frontdef.protected import Protected
    from frontdef.registry import get_attacks, get_classifiers, get_datasets, get_defenses
    from frontdef.runs.ended import JobEnded
    from frontdef.runs.results import load_results
    from frontdef.stage import Stage
    from frontdef.threat import ThreatModel
    from frontdef.zoo import Normalization, Preprocessing, Zoo, ZooModel, ZooRequest

hookimpl: pluggy.HookimplMarker = pluggy.HookimplMarker("frontdef")

_HOMES = {
    "Certificate": "frontdef.certificate",
    "Classifier": "frontdef.classifiers",
    "Config": "frontdef.config",
    "Defense": "frontdef.defense",
    "FrontEnd": "frontdef.frontend",
    "JobEnded": "frontdef.runs.ended",
    "Logger": "frontdef.logger",
    "Metric": "frontdef.metrics",
    "ModelError": "frontdef.errors",
    "Normalization": "frontdef.zoo",
    "Preprocessing": "frontdef.zoo",
    "Protected": "frontdef.protected",
    "Stage": "frontdef.stage",
    "ThreatModel": "frontdef.threat",
    "Zoo": "frontdef.zoo",
    "ZooModel": "frontdef.zoo",
    "ZooRequest": "frontdef.zoo",
    "evaluate": "frontdef.matrix.evaluate",
    "field": "frontdef.config",
    "get_attacks": "frontdef.registry",
    "get_classifiers": "frontdef.registry",
    "get_datasets": "frontdef.registry",
    "get_defenses": "frontdef.registry",
    "import_claim": "frontdef.claim.live",
    "load": "frontdef.api",
    "load_results": "frontdef.runs.results",
    "protect": "frontdef.api",
    "train": "frontdef.models.train",
}

__all__ = [
    "Certificate",
    "Classifier",
    "Config",
    "Defense",
    "FrontEnd",
    "JobEnded",
    "Logger",
    "Metric",
    "ModelError",
    "Normalization",
    "Preprocessing",
    "Protected",
    "Stage",
    "ThreatModel",
    "Zoo",
    "ZooModel",
    "ZooRequest",
    "__version__",
    "bpda",
    "evaluate",
    "field",
    "get_attacks",
    "get_classifiers",
    "get_datasets",
    "get_defenses",
    "hookimpl",
    "import_claim",
    "load",
    "load_results",
    "protect",
    "train",
]


def __getattr__(name: str) -> Any:
    if name == "bpda":
        return importlib.import_module("frontdef.bpda")
    if name in _HOMES:
        try:
            return getattr(importlib.import_module(_HOMES[name]), name)
        except ModuleNotFoundError as error:
            package = str(error.name).partition(".")[0]
            if package == "frontdef":
                raise
            from frontdef.errors import MissingExtraError

            raise MissingExtraError(f"frontdef.{name}", package) from error
    raise AttributeError(f"module 'frontdef' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
