"""Weights on disk: safetensors with a JSON sidecar (sha256, what they belong to). Nothing is ever unpickled."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from frontdef.errors import MissingExtraError, StoreError

if TYPE_CHECKING:
    from torch import Tensor


def save(tensors: Mapping[str, Tensor], path: Path, about: Mapping[str, Any]) -> None:
    """Write tensors to ``path`` and their description to ``path`` with the suffix ``.json``, whole or not at all.

    Args:
        tensors: What to store.
        path: Ends in ``.safetensors``.
        about: What they belong to: configs, versions, seeds; JSON values.

    Raises:
        StoreError: The folder can't be written.
        MissingExtraError: safetensors is not installed.
    """
    try:
        from safetensors.torch import save as serialize
    except ImportError:
        raise MissingExtraError("storing weights", "safetensors") from None
    data = serialize({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    sidecar = {"sha256": _checksum(data, about), **about}
    write_whole(path, data)
    write_whole(path.with_suffix(".json"), json.dumps(sidecar, indent=1, sort_keys=True).encode())


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read tensors and their description; the sha256 is checked.

    Raises:
        StoreError: Missing, truncated, or not what the sidecar describes.
        MissingExtraError: safetensors is not installed.
    """
    try:
        from safetensors.torch import load as deserialize
    except ImportError:
        raise MissingExtraError("reading weights", "safetensors") from None
    try:
        data = path.read_bytes()
        about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"cannot read the weights {path} with their sidecar: {error}") from None
    if not isinstance(about, dict) or _checksum(data, about) != about.get("sha256"):
        raise StoreError(
            f"{path} and its sidecar were not written together, or one was changed (sha256 differs): delete both, and "
            "train again"
        )
    return deserialize(data), about


def _checksum(data: bytes, about: Mapping[str, Any]) -> str:
    """Hash of the tensors' file and of everything that its sidecar says."""
    return hashlib.sha256(data + _canonical(about)).hexdigest()


def _canonical(about: Mapping[str, Any]) -> bytes:
    rest = {key: value for key, value in about.items() if key != "sha256"}
    return json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()


def save_single(tensors: Mapping[str, Tensor], path: Path, about: Mapping[str, Any]) -> None:
    """Write tensors and their description to one file.

    A process that is killed between the two files of `save` leaves a pair that does not match; here there is one.

    Raises:
        StoreError: The folder can't be written.
        MissingExtraError: safetensors is not installed.
    """
    try:
        from safetensors.torch import save as serialize
    except ImportError:
        raise MissingExtraError("storing weights", "safetensors") from None
    stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    header = {"about": json.dumps({"sha256": _digest(stored, about), **about}, sort_keys=True)}
    write_whole(path, serialize(stored, metadata=header))


def load_single(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_single` wrote; the sha256 is checked.

    Raises:
        StoreError: Missing, truncated or changed.
        MissingExtraError: safetensors is not installed.
    """
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError:
        raise MissingExtraError("reading weights", "safetensors") from None
    try:
        with safe_open(path, "pt") as file:
            about = json.loads(file.metadata()["about"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise StoreError(f"cannot read {path}: {error}. Delete it, and it is made anew") from None
    if _digest(tensors, about) != about.pop("sha256", None):
        raise StoreError(f"{path} was changed (sha256 differs): delete it, and it is made anew")
    return tensors, about


def _digest(tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> str:
    """Hash of names, types, shapes and values, and of everything that is said of them."""
    digest = hashlib.sha256(_canonical(about))
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode() + tensor.numpy().tobytes())
    return digest.hexdigest()


def write_whole(path: Path, data: bytes) -> None:
    """Write a file through a temporary name, so that a killed process leaves the old file or the new one.

    Raises:
        StoreError: No space, no permission, a read-only file system.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):  # where a folder of the path is a file, unlink fails, too
            temporary.unlink()
        raise StoreError(f"cannot write {path}: {error.strerror or error}") from error
