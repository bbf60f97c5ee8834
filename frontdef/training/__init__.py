"""Training of a front end and of what stands behind it: stages as data, checkpoints, resume.

ART has trainers of its own (`art.defences.trainer`), and they are not used here. They take an ART classifier with one
fixed optimizer, so they know neither stages nor a front end that is trained along; they draw batches and examples from
numpy's global generator, carry every batch through numpy, report no progress, and can't be resumed. What they do beyond
a plain loop is to craft the examples; here that is the native PGD, the benchmark's own reference. What each
of them does beside the papers is in docs/defenses/advtrain.md.
"""

from __future__ import annotations

from frontdef.training.checkpoint import Checkpoint
from frontdef.training.loop import ProgressCallback, TrainingLog, fit_classifier
from frontdef.training.outputs import moments, outputs, prepare, seeded

__all__ = [
    "Checkpoint",
    "ProgressCallback",
    "TrainingLog",
    "fit_classifier",
    "moments",
    "outputs",
    "prepare",
    "seeded",
]
