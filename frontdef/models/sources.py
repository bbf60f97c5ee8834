"""A model that somebody else trained, from the keys of ``[[model]]`` to a module that can be attacked."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from frontdef.classifiers.network import seeded
from frontdef.config import Config, field
from frontdef.errors import ModelError
from frontdef.models.digest import state_digest
from frontdef.models.locate import foreign_errors, locate, zoo_of
from frontdef.models.notes import Note
from frontdef.models.place import place_of
from frontdef.models.state import SUFFIXES, fit_state, load_state, read_state, require_sha256
from frontdef.models.wrapped import Channels, Reading, UserClassifier, first_pass
from frontdef.registry import Entry
from frontdef.zoo import Normalization, Preprocessing, Zoo, ZooRequest

SEED = 0
"""Of what a source draws while it builds, so that a model with random weights is the same every time."""


class ModelSource(Config):
    """A model as a matrix names it: the keys of ``[[model]]``."""

    name: str = field(min_length=1, description="what tables call it")
    source: str = field(description="FILE.py:function, package.module:function, or ZOO:NAME (torchvision:, timm:, …)")
    arguments: dict[str, Any] = field(default_factory=dict, description="of the function, or of the zoo's model")
    weights: str | None = field(
        None, description=".safetensors or .pt/.pth, relative to the matrix file; of a zoo also the name of its weights"
    )
    weights_key: str | None = field(None, description="where in the file the weights lie, if not in a usual place")
    sha256: str | None = field(
        None, pattern="^[0-9a-fA-F]{64}$", description="of the file of weights; refused if other"
    )
    normalize: Normalization | None = field(
        None, description="mean and std, after input_range and channels; absent: the model, or the zoo, does it"
    )
    input_range: tuple[float, float] = field((0.0, 1.0), description="what the pixel values 0 and 1 become")
    channels: Channels = field("rgb", description="the order in which the model reads the channels")
    output: str | int | None = field(None, description="attribute, key or index of the logits in what it returns")
    class_order: tuple[int, ...] | None = field(
        None, description="its logit k is of the data set's class class_order[k]; absent: k"
    )
    clean_accuracy: float | None = field(None, ge=0, le=1, description="share; refused where it is not reached")

    def reading(self, declared: Normalization | None = None) -> Reading:
        """How its module reads images; a normalization that a zoo declares counts where the source has none."""
        return Reading(self.normalize or declared, self.input_range, self.channels, self.output, self.class_order)


@dataclass(frozen=True, eq=False)
class UserModel:
    """A model that somebody else trained, ready to be attacked.

    Args:
        name: What tables call it.
        module: float32 ``(N,C,H,W)`` in [0,1] → logits ``(N,K)``. One that was opened is in eval mode and frozen; one
            that was adopted is its owner's, unchanged: use it within `frontdef.models.live.borrowed`.
        identity: All that decides its outputs, JSON values without paths.
        notes: What is worth knowing of it.
        n_classes: Number of logits; None where no image was at hand.
        preprocessing: What its weights expect of the data set; None where nobody says.
        differentiable: Whether its logits have a gradient towards the image.
        random: Whether nobody trained it.
    """

    name: str
    module: nn.Module
    identity: Mapping[str, Any]
    notes: tuple[Note, ...] = ()
    n_classes: int | None = None
    preprocessing: Preprocessing | None = None
    differentiable: bool = True
    random: bool = False

    @cached_property
    def key(self) -> str:
        """Hash of the identity. The name is no part of it: a model that is renamed keeps its results."""
        text = json.dumps(self.identity, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    def describe(self) -> dict[str, Any]:
        """JSON values for the record of a run."""
        return {
            "name": self.name,
            "key": self.key,
            "identity": dict(self.identity),
            "notes": [note.to_dict() for note in self.notes],
            "n_classes": self.n_classes,
            "preprocessing": None if self.preprocessing is None else self.preprocessing.to_dict(),
            "differentiable": self.differentiable,
            "random": self.random,
        }


def open_model(
    source: ModelSource,
    *,
    base: str | Path = ".",
    n_classes: int | None = None,
    image_shape: Sequence[int] | None = None,
    device: torch.device | str = "cpu",
    download: bool = False,
) -> UserModel:
    """Build a model, load its weights, and put in front of it what it expects.

    Args:
        source: Which.
        base: The folder where relative paths start: that of the matrix file.
        n_classes: Number of classes of the data set; another number of logits is refused.
        image_shape: ``(C,H,W)`` of its images; the model is tried on two of them.
        device: Where to put it.
        download: Whether a zoo may fetch weights; without it nothing is ever fetched.

    Raises:
        ModelError: A source that does not exist or raises, weights that do not fit, an output that is no logits; each
            message names the mend.
        PluginError: Two plugins claim the zoo.
    """
    base = Path(base)
    if source.sha256 is not None and source.weights is None:
        raise ModelError(f"model {source.name!r} states a sha256 and no weights: it is the hash of a file of weights")
    with _reproducible():
        entry = zoo_of(source.source)
        built = _build(source, base) if entry is None else _ask_zoo(source, entry, base, download)
    what, notes = f"model {source.name!r}", list(built.notes)
    weights = None
    if built.file is not None:
        weights = require_sha256(built.file, source.sha256)
        state, file_notes = read_state(built.file, source.weights_key)
        state, stripped = fit_state(state, built.body, built.file.name)
        load_state(built.body, state, f"{what}: {built.file.name}")
        notes += [*file_notes, *stripped]
    notes += prepare(built.body, what)
    require_finite(built.body, what)
    reading = source.reading(built.normalize)
    with foreign_errors(source.source, f"when it was moved to {device}"):
        module = UserClassifier(built.body, reading, name=what).to(device).eval().requires_grad_(False)
    classes, differentiable = None, True
    if image_shape is not None:
        images = torch.full((2, *image_shape), 0.5, device=device)
        classes, tried = try_on(module, images, n_classes, source.source)
        differentiable = has_gradient(module, images[:1])
        notes += [*tried, *no_gradient(differentiable, what)]
    identity = {
        **built.identity,
        "arguments": dict(source.arguments),
        "weights": weights,
        "weights_key": source.weights_key,
        "state": state_digest(built.body),
        "reading": reading.to_dict(),
        "torch": importlib.metadata.version("torch"),
    }
    return UserModel(
        source.name, module, identity, tuple(notes), classes, built.preprocessing, differentiable, built.random
    )


@dataclass(frozen=True)
class _Built:
    body: nn.Module
    file: Path | None
    identity: Mapping[str, Any]
    normalize: Normalization | None = None
    preprocessing: Preprocessing | None = None
    random: bool = False
    notes: tuple[Note, ...] = ()


def _build(source: ModelSource, base: Path) -> _Built:
    blueprint = locate(source.source, base)
    file = None if source.weights is None else place_of(source.weights, base, "weights")
    # The folder of a file is no part of what it is: of "sub/nets.py:build", "nets.py:build" counts.
    text = source.source.replace("\\", "/").rpartition("/")[2]
    return _Built(blueprint.build(source.arguments), file, {"source": text, "code": dict(blueprint.code)})


def _ask_zoo(source: ModelSource, entry: Entry, base: Path, download: bool) -> _Built:
    zoo: Zoo = entry.record
    name = source.source.partition(":")[2]
    is_file = source.weights is not None and Path(source.weights).suffix.lower() in SUFFIXES
    request = ZooRequest(
        name=name,
        weights=None if is_file else source.weights,
        file=place_of(str(source.weights), base, "weights") if is_file else None,
        base=base,
        download=download,
        arguments=source.arguments,
    )
    with foreign_errors(source.source, "when its zoo was asked for it"):
        answer = zoo.open(request)
    notes = [Note("zoo", text) for text in answer.notes]
    if answer.random:
        notes.append(Note("weights", "no weights are named, so they are random"))
    if source.normalize is not None and answer.normalize not in {None, source.normalize}:
        text = f"normalize is the matrix's; the zoo declares {answer.normalize}"
        notes.append(Note("normalize", text, "warning"))
    identity = {"source": source.source, "code": {"zoo": entry.plugin.pin, **answer.identity}}
    return _Built(
        answer.module, answer.file, identity, answer.normalize, answer.preprocessing, answer.random, tuple(notes)
    )


@contextmanager
def _reproducible() -> Iterator[None]:
    """Seed all global generators, and restore them: a source that draws its weights draws the same ones every time."""
    python, arrays = random.getstate(), np.random.get_state()
    random.seed(SEED)
    np.random.seed(SEED)
    try:
        with seeded(SEED):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(arrays)


def prepare(body: nn.Module, what: str) -> list[Note]:
    """Bring a module that frontdef owns into eval mode and single precision.

    Returns:
        What had to be changed, and the hooks that go on working.
    """
    notes = []
    kinds = {str(tensor.dtype).removeprefix("torch.") for tensor in body.parameters() if tensor.is_floating_point()}
    if precisions := sorted(kinds - {"float32"}):
        body.float()
        text = f"{what} was in {' and '.join(precisions)}; it is attacked in float32"
        notes.append(
            Note("precision", text + (", where gradients do not underflow" if "float64" not in precisions else ""))
        )
    body.eval()
    return [*notes, *stubborn(body, what), *hooks(body, what)]


def stubborn(body: nn.Module, what: str) -> list[Note]:
    """Modules that are still in training mode after ``eval()``."""
    training = [name or "the module itself" for name, module in body.named_modules() if module.training]
    if not training:
        return []
    text = f"{what}: eval() leaves {_some(training)} in training mode; the flag is set directly while it is attacked"
    return [Note("mode", text, "warning")]


def hooks(body: nn.Module, what: str) -> list[Note]:
    """Hooks that a module brings; they go on working, in every pass of every attack."""
    tables = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    hooked = [
        name or "the module itself"
        for name, module in body.named_modules()
        if any(getattr(module, table, None) for table in tables)
    ]
    if not hooked:
        return []
    return [Note("hooks", f"{what} has hooks on {_some(hooked)}; they stay, and run in every pass of every attack")]


def require_finite(body: nn.Module, what: str) -> None:
    """Check the parameters.

    Raises:
        ModelError: NaN or infinite values, or no values at all (the meta device).
    """
    for name, tensor in (*body.named_parameters(), *body.named_buffers()):
        if tensor.is_meta:
            raise ModelError(f"{what}: {name} is on the meta device, it has no values. Mend: build it on the CPU")
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise ModelError(f"{what}: {name} holds NaN or infinite values. Mend: an earlier checkpoint")


def try_on(module: UserClassifier, images: Tensor, n_classes: int | None, source: str) -> tuple[int, list[Note]]:
    """Try a model on a few images: whether it reads them, leaves them alone, and gives the right number of logits.

    Raises:
        ModelError: It does not.
    """
    before, version, notes = images.clone(), images._version, []
    logits = first_pass(module, images)
    # Autograd refuses what writes in place even where the values stay, as those of ReLU on images do.
    if images._version != version or not torch.equal(images, before):
        module.protect_input()
        notes.append(Note("input", f"{module.name} changes its input in place; it is given copies"))
    require_classes(logits.shape[1], n_classes, module.name, source)
    return int(logits.shape[1]), notes


def has_gradient(module: UserClassifier, x: Tensor) -> bool:
    """Whether a gradient of the logits reaches the images."""
    image = x.clone().requires_grad_()
    with torch.enable_grad():
        logits = module(image)
    return bool(logits.requires_grad)


def no_gradient(differentiable: bool, what: str) -> list[Note]:
    """What is to be said of a model without a gradient; nothing of others."""
    if differentiable:
        return []
    text = f"{what} gives no gradient: only attacks that ask for scores or decisions can tell anything of it"
    return [Note("gradient", text, "warning")]


def require_classes(logits: int, n_classes: int | None, what: str, source: str = "") -> None:
    """Check the number of logits.

    Raises:
        ModelError: Fewer than two, or another number than the data set has classes.
    """
    if logits < 2:
        raise ModelError(
            f"{what} gives a single logit; a classifier gives one a class. Mend: a module that returns "
            "torch.cat([-z, z], dim=1) / 2 for the logit z is the same classifier"
        )
    if n_classes is not None and logits != n_classes:
        mend = "the data set that it was trained on, or the arguments of its function that set the number of classes"
        if logits == n_classes + 1:
            mend = "networks that were converted from TensorFlow often have a background class first: drop that logit"
        elif source.startswith(("timm:", "torchvision:")):
            mend = (
                f"arguments = {{ num_classes = {n_classes} }} in [[model]], --argument num_classes={n_classes} on the "
                "command line, or the data set that it was trained on"
            )
        raise ModelError(f"{what} gives {logits} logits, the data set has {n_classes} classes. Mend: {mend}")


def _some(texts: Sequence[str], n: int = 3) -> str:
    return ", ".join(texts[:n]) + (f" and {len(texts) - n} more" if len(texts) > n else "")
