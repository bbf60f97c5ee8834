"""What the hooks offer: one row a hook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from frontdef.attacks.library import AttackLibrary
from frontdef.lazy import resolve


@dataclass(frozen=True)
class RecordKind:
    """What one hook offers.

    Args:
        hook: The hook's name.
        singular: What one of its records is called in messages.
        plural: What they are called in tables and JSON.
        record: Reference to the class of the records.
        references: Fields of a record that may be lazy references.
        published: Plugins of this project that bring some; the id of each begins with its plugin's.
    """

    hook: str
    singular: str
    plural: str
    record: str
    references: tuple[str, ...] = ()
    published: tuple[str, ...] = ()

    def accepts(self, record: Any) -> bool:
        """Whether a record is of this kind; attack libraries may also be references."""
        return isinstance(record, resolve(self.record)) or (self is LIBRARIES and isinstance(record, str))

    def identify(self, record: Any) -> str:
        """The id of a record; a reference that was not resolved yet stands for itself."""
        return record if isinstance(record, str) else str(record.name)


DEFENSES = RecordKind(
    "frontdef_defenses", "defense", "defenses", "frontdef.defense:Defense", ("front_end", "config", "certificate"),
    ("advtrain", "art", "hah", "l2nn", "latent", "lowrank", "polarize", "sparsecode", "sparsenet", "wavelet"),
)  # fmt: skip
LIBRARIES = RecordKind(
    "frontdef_attacks", "attack library", "attack libraries", "frontdef.attacks.library:AttackLibrary"
)
FAMILIES = RecordKind("frontdef_families", "attack family", "attack families", "frontdef.attacks.spec:Family")
DATASETS = RecordKind("frontdef_datasets", "data set", "data sets", "frontdef.datasets:Dataset", ("loader",))
CLASSIFIERS = RecordKind(
    "frontdef_classifiers", "classifier", "classifiers", "frontdef.classifiers:Classifier", ("builder",)
)

METRICS = RecordKind("frontdef_metrics", "metric", "metrics", "frontdef.metrics:Metric", ("measure", "parameters"))

ZOOS = RecordKind("frontdef_models", "model zoo", "model zoos", "frontdef.zoo:Zoo", ("load", "names"))

LOGGERS = RecordKind("frontdef_loggers", "logger", "loggers", "frontdef.logger:Logger", ("log",), ("mlflow", "wandb"))

KINDS = (DEFENSES, LIBRARIES, FAMILIES, DATASETS, CLASSIFIERS, METRICS, ZOOS, LOGGERS)


def make_library(offered: Any) -> AttackLibrary:
    """Import and instantiate an attack library, from whatever form it was offered in.

    Raises:
        TypeError: Not an attack library.
    """
    resolved = resolve(offered)
    library = resolved() if isinstance(resolved, type) else resolved
    if not isinstance(library, AttackLibrary):
        raise TypeError(f"{offered!r} is not an AttackLibrary")
    return library
