"""What a plan is made of: cells, certificates, diagnoses and measurements, each with the key of its result."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from frontdef._version import __version__
from frontdef.attacks.spec import AttackSpec, shown
from frontdef.matrix.entries import DefenseEntry, ModelEntry
from frontdef.metrics import Metric
from frontdef.models.fingerprint import code_of
from frontdef.models.request import ModelRequest
from frontdef.registry import get_attack_libraries, get_defense
from frontdef.threat import ThreatModel


def digest(value: Any) -> str:
    """Hash of JSON values, the same on every machine."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


@dataclass(frozen=True)
class Cell:
    """One result: a pure function of what its key hashes.

    Args:
        request: The model: data set, classifier, defense, recipe, seed.
        entry: The defense's row.
        table: The matrix's classifier in whose table the row stands; a defense may have another one behind it.
        surrogate: Surrogate gradient of the attack; None for the front end's default.
        spec: The attack, with the cell's own seed.
        library: Id of the attack library.
        samples: Number of test images.
        sample_seed: Decides which.
        batch_size: Images an attack call gets at once.
        eot_draws: Draws an attack on a randomized front end averages.
        verify_draws: Fresh draws that judge a randomized front end.
        device: Type of device.
        source: The row of the model that is attacked instead; None attacks the defense itself.
        source_request: That model.
    """

    request: ModelRequest
    entry: DefenseEntry
    table: str
    surrogate: str | None
    spec: AttackSpec
    library: str
    samples: int
    sample_seed: int
    batch_size: int
    eot_draws: int
    verify_draws: int
    device: str
    source: ModelEntry | None = None
    source_request: ModelRequest | None = None

    @cached_property
    def key(self) -> str:
        """Hash of all that decides the result."""
        return digest(self.describe())

    def describe(self) -> dict[str, Any]:
        """All that decides the result, as JSON values."""
        spec, randomized = self.spec, get_defense(self.entry.name).randomized
        source = {} if self.source_request is None else {"source": self.source_request.key()}
        return source | {
            "model": self.request.key(),
            "surrogate": self.surrogate,
            "family": spec.family.name,
            "norm": spec.threat.norm,
            "eps": spec.threat.eps,
            "parameters": spec.settings(),
            "seed": spec.seed,
            "library": self.library,
            "library_version": get_attack_libraries()[self.library].version(),
            "samples": self.samples,
            "sample_seed": self.sample_seed,
            "batch_size": self.batch_size,
            "draws": [self.eot_draws, self.verify_draws] if randomized else None,
            "device": self.device,
            "torch": importlib.metadata.version("torch"),
            "frontdef": __version__,
        }

    @property
    def eps(self) -> float | None:
        """The radius; None for a minimum-norm attack."""
        return None if self.spec.family.minimum_norm else self.spec.threat.eps

    @property
    def family(self) -> str:
        """The attack in tables: its family, and the model that it was run on where that is another."""
        return shown(self.spec.family.name, self.source.title if self.source else "")

    def __str__(self) -> str:
        through = f" through {self.surrogate}" if self.surrogate else ""
        attack = shown(str(self.spec), self.source.title if self.source else "")
        model = f"{self.request.dataset} {self.request.classifier} {self.entry.title}"
        return f"{model}{through} · {attack} · {self.library}"


@dataclass(frozen=True)
class Certification:
    """One certificate to compute: a model and a threat model."""

    request: ModelRequest
    entry: DefenseEntry
    table: str
    threat: ThreatModel
    samples: int
    sample_seed: int

    @cached_property
    def key(self) -> str:
        """Hash of all that decides the result."""
        return digest(
            [self.request.key(), self.threat.norm, self.threat.eps, self.samples, self.sample_seed, __version__]
        )


@dataclass(frozen=True)
class Diagnosing:
    """One diagnosis to make: is the gradient of a model lying?"""

    request: ModelRequest
    entry: DefenseEntry
    table: str
    threat: ThreatModel
    samples: int
    sample_seed: int

    @cached_property
    def key(self) -> str:
        """Hash of all that decides the result."""
        what = ["diagnosis", self.request.key(), self.entry.surrogate, self.threat.norm, self.threat.eps]
        return digest([*what, self.samples, self.sample_seed, __version__])


@dataclass(frozen=True)
class Measuring:
    """One metric to measure on a model."""

    request: ModelRequest
    entry: DefenseEntry
    table: str
    metric: Metric
    parameters: Any
    samples: int
    sample_seed: int

    @cached_property
    def key(self) -> str:
        """Hash of all that decides the result."""
        what = ["metric", self.request.key(), self.metric.name, code_of(self.metric.measure), self.settings()]
        return digest([*what, self.entry.surrogate, self.samples, self.sample_seed, __version__])

    def settings(self) -> dict[str, Any]:
        """The parameters, as JSON values."""
        return dict(self.parameters.model_dump(mode="json"))

    def __str__(self) -> str:
        return f"{self.metric.name} of {self.request.dataset} {self.request.classifier} {self.entry.title}"
