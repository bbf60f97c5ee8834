"""Weights on disk as data: read without unpickling, taken out of what they are wrapped in, loaded whole or refused."""

from __future__ import annotations

import argparse
import codecs
import difflib
import hashlib
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from frontdef.errors import ModelError, nearest
from frontdef.models.notes import Note
from frontdef.models.place import STARTS

SAFETENSORS = (".safetensors",)
TORCH_FILES = (".pt", ".pth", ".bin", ".ckpt", ".tar")
SUFFIXES = (*SAFETENSORS, *TORCH_FILES)

USUAL_KEYS = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights", "params")
"""Under which training scripts keep the state dict in a checkpoint."""

USUAL_PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.")
"""What DataParallel, torch.compile and training frameworks put before every name."""

SAVE_AGAIN = (
    "Mend: where the model was trained, `torch.save(model.state_dict(), 'weights.pt')`, or "
    "`safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')`"
)


def sha256_of(file: Path) -> str:
    """Hash of a file of weights.

    Raises:
        ModelError: It does not exist or can't be read; what its folder has is named.
    """
    if not file.is_file():
        folder = file.parent
        there = sorted(path.name for path in folder.iterdir() if path.suffix in SUFFIXES) if folder.is_dir() else []
        near = difflib.get_close_matches(file.name, there, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        listed = f"{folder} has {nearest(file.name, there)}" if there else f"{folder} has no file of weights"
        raise ModelError(f"the weights {file} do not exist.{hint} {listed}. {STARTS}")
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"the weights {file} can't be read: {error.strerror or error}") from None


def require_sha256(file: Path, stated: str | None) -> str:
    """The hash of a file, which is the one that its owner states.

    Args:
        file: The weights.
        stated: 64 hexadecimal digits; None accepts any.

    Raises:
        ModelError: Another hash; both are named.
    """
    measured = sha256_of(file)
    if stated is not None and stated.lower() != measured:
        raise ModelError(
            f"{file.name} is not the file that is stated: its sha256 is {measured}, {stated.lower()} is asked for. "
            "Mend: get the right file; or, if this one is meant, state its sha256"
        )
    return measured


def read_state(file: Path, key: str | None = None) -> tuple[dict[str, Tensor], list[Note]]:
    """Read a state dict; nothing is unpickled but tensors.

    Args:
        file: ``.safetensors``, or what ``torch.save`` wrote (``.pt``, ``.pth``, …).
        key: Under which key of the checkpoint it lies, or which prefix its names have there; None finds it under the
            usual ones.

    Returns:
        Name → tensor on the CPU, and what was chosen.

    Raises:
        ModelError: Missing, damaged, a pickle with code in it, no state dict, or several.
    """
    sha256_of(file)
    if file.suffix.lower() not in SUFFIXES:
        raise ModelError(f"weights are {', '.join(SUFFIXES)}; {file.name} is none of them. {SAVE_AGAIN}")
    with file.open("rb") as opened:
        start = opened.read(64)
    if start.startswith(b"version https://git-lfs"):
        raise ModelError(f"{file.name} is a pointer of Git LFS, not the weights themselves. Mend: git lfs pull")
    content = _safetensors(file) if file.suffix.lower() in SAFETENSORS else _torch_file(file)
    return _state_in(content, file.name, key)


def fit_state(state: Mapping[str, Tensor], module: nn.Module, what: str) -> tuple[dict[str, Tensor], list[Note]]:
    """Strip prefixes that all names of a state share and the module does not have.

    Args:
        state: Name → tensor.
        module: Whose names count.
        what: What messages call the weights.
    """
    wanted, stripped = module.state_dict().keys(), ""
    fitted = dict(state)
    while prefix := next(
        (candidate for candidate in USUAL_PREFIXES if fitted and all(k.startswith(candidate) for k in fitted)), None
    ):
        if any(name.startswith(prefix) for name in wanted):
            break
        fitted = {name.removeprefix(prefix): tensor for name, tensor in fitted.items()}
        stripped += prefix
    notes = [Note("weights", f"{what}: the prefix {stripped!r} of every name was left out")] if stripped else []
    return fitted, notes


def load_state(module: nn.Module, state: Mapping[str, Tensor], what: str) -> None:
    """Load every tensor of a state into a module that has exactly these names and shapes.

    Args:
        module: Takes them, cast to its own type.
        state: Name → tensor.
        what: What messages call the weights.

    Raises:
        ModelError: Names that are missing or not expected (the nearest is named), other shapes, NaN.
    """
    wanted = module.state_dict()
    # A BatchNorm's counter of batches is not used in eval mode, and files of old releases lack it.
    missing = [name for name in wanted if name not in state and not name.endswith("num_batches_tracked")]
    unexpected = [name for name in state if name not in wanted]
    if missing or unexpected:
        raise ModelError(_misfit(what, missing, unexpected, len(wanted)))
    mismatched = [
        f"{name} is {tuple(state[name].shape)}, the model's is {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in state and isinstance(tensor, Tensor) and tensor.shape != state[name].shape
    ]
    if mismatched:
        raise ModelError(
            f"{what} is of another architecture: {_some(mismatched, 3)}. Mend: the arguments that it was trained with "
            "(depth, width, number of classes)"
        )
    broken = [
        name for name, tensor in state.items() if tensor.is_floating_point() and not bool(tensor.isfinite().all())
    ]
    if broken:
        raise ModelError(f"{what} holds NaN or infinite values: {_some(broken, 3)}. Mend: an earlier checkpoint")
    try:
        module.load_state_dict(dict(state), strict=False)
    except (RuntimeError, TypeError) as error:
        raise ModelError(f"{what} can't be loaded: {' '.join(str(error).split())[:400]}") from None


def _safetensors(file: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(file))
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{file.name} is damaged, or no safetensors file: {error}") from None


def _require_uncompressed(file: Path) -> None:
    """Refuse an archive whose few bytes would be unpacked to many; torch never compresses."""
    try:
        with zipfile.ZipFile(file) as archive:
            packed = [entry.filename for entry in archive.infolist() if entry.compress_type != zipfile.ZIP_STORED]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return  # no archive: torch says what it is
    if packed:
        raise ModelError(
            f"{file.name} is a compressed archive ({_some(packed, 2)}), and torch.save writes none. {SAVE_AGAIN}"
        )


def _torch_file(file: Path) -> Any:
    _require_uncompressed(file)
    # weights_only is said here and not left to torch's default, which an environment variable may turn off.
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(_harmless()):
            warnings.simplefilter("ignore")
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        said = " ".join(str(error).split())
        if "TorchScript" in said or "torch.jit" in said:
            raise ModelError(f"{file.name} is a TorchScript archive, which is code. {SAVE_AGAIN}") from None
        if "Unsupported global" in said or "unsupported GLOBAL" in said or "Unsupported operand" in said:
            name = said.partition("GLOBAL ")[2].split(" ")[0]
            holds = f" (it names {name})" if name else ""
            raise ModelError(
                f"{file.name} is a pickle that holds objects beside tensors{holds}. Unpickling runs whatever code the "
                f"file names, so it is refused. {SAVE_AGAIN}"
            ) from None
        raise ModelError(
            f"{file.name} is truncated, damaged, or not written by torch.save ({type(error).__name__}). Mend: compare "
            "its "
            "size with the original's, and copy it again"
        ) from None


def _harmless() -> list[Any]:
    """What training scripts leave beside the tensors and what can only hold data: numpy's numbers, parsed arguments."""
    numbers = [type(np.dtype(kind)) for kind in ("float64", "float32", "int64", "int32", "bool")]
    scalar = np.float64(0).__reduce__()[0]
    old_name = (scalar, "numpy.core.multiarray.scalar")  # before numpy 2
    return [np.dtype, *numbers, scalar, old_name, codecs.encode, argparse.Namespace]


def _state_in(content: Any, file: str, key: str | None) -> tuple[dict[str, Tensor], list[Note]]:
    if not isinstance(content, Mapping):
        raise ModelError(f"{file} holds {_a(content)}, not a state dict (name → tensor). {SAVE_AGAIN}")
    if key is not None:
        prefix = f"{key}."
        under = {name.removeprefix(prefix): tensor for name, tensor in content.items() if str(name).startswith(prefix)}
        if key not in content and under:
            content = {key: under}
        if key not in content:
            near = difflib.get_close_matches(key, [str(name) for name in content], n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ModelError(f"{file} has no key {key!r}.{hint} It has {_some([str(name) for name in content], 12)}")
        content = content[key]
        if not _is_state(content):
            raise ModelError(f"what {file} has under {key!r} is {_a(content)}, not a state dict (name → tensor)")
        return _tensors(content), []
    if _is_state(content):
        return _tensors(content), []
    states = [str(name) for name, value in content.items() if _is_state(value)]
    usual = [name for name in USUAL_KEYS if name in states]
    if not states:
        keys = _some([f"{name} ({_a(value)})" for name, value in content.items()], 8)
        raise ModelError(f"{file} holds no state dict (name → tensor): it has {keys or 'nothing'}. {SAVE_AGAIN}")
    if len(usual) != 1 and len(states) != 1:
        raise ModelError(
            f"{file} holds several state dicts: {', '.join(states)}. Mend: say which, weights_key = {states[0]!r}"
        )
    chosen = usual[0] if usual else states[0]
    others = [name for name in states if name != chosen]
    beside = f", not from {' or '.join(map(repr, others))} (weights_key = … takes another)" if others else ""
    return _tensors(content[chosen]), [
        Note("weights", f"{file}: the weights are taken from its key {chosen!r}{beside}")
    ]


def _is_state(value: Any) -> bool:
    """Whether names map to tensors, most of all: some scripts leave a number among them."""
    return (
        isinstance(value, Mapping)
        and len(value) > 0
        and all(isinstance(name, str) for name in value)
        and all(isinstance(tensor, Tensor) for tensor in value.values())
    )


def _tensors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach() for name, tensor in state.items()}


def _misfit(what: str, missing: list[str], unexpected: list[str], total: int) -> str:
    told = []
    if missing:
        told.append(f"{len(missing)} of the model's {total} tensors are missing: {_some(missing, 3)}")
    if unexpected:
        named = []
        for name in unexpected[:3]:
            near = difflib.get_close_matches(name, missing, n=1, cutoff=0.6)
            named.append(f"{name} (did you mean {near[0]}?)" if near else name)
        more = f" and {len(unexpected) - 3} more" if len(unexpected) > 3 else ""
        told.append(f"{len(unexpected)} are not expected: {', '.join(named)}{more}")
    hint = _prefix_hint(missing, unexpected)
    return (
        f"{what} does not fit the model. {'; '.join(told)}{hint}. Mend: the function and the arguments that these "
        "weights were trained with"
    )


def _prefix_hint(missing: list[str], unexpected: list[str]) -> str:
    """What to say where the names differ by one prefix alone."""
    unexpected = [name for name in unexpected if not name.endswith("num_batches_tracked")]
    for longer, shorter, where in (
        (unexpected, missing, "the file's names"),
        (missing, unexpected, "the model's names"),
    ):
        end = next((name for name in shorter if longer and longer[0].endswith(f".{name}")), "")
        prefix = longer[0].removesuffix(end) if end else ""
        if prefix and {name.removeprefix(prefix) for name in longer} == set(shorter):
            return f". Only {where} have the prefix {prefix!r}, the rest is the same"
    return ""


def _some(texts: list[str], n: int) -> str:
    return ", ".join(texts[:n]) + (f" and {len(texts) - n} more" if len(texts) > n else "")


def _a(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"a mapping of {len(value)} entries"
    return f"a {type(value).__module__.partition('.')[0]}.{type(value).__qualname__}".replace("builtins.", "")
