"""Weights on disk: safetensors with a JSON sidecar (sha256, what they belong to). Nothing is ever unpickled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from frontdef.errors import StoreError
from frontdef.reading import MIB, open_file, parse_json, read_bounded
from frontdef.tensorfile import TensorFile, TensorWriter, layout_of
from frontdef.whole import write_whole

if TYPE_CHECKING:
    from torch import Tensor


LARGEST_SIDECAR = 64 * MIB
"""Bytes of a sidecar; it holds what was asked for and how a training went."""


def save(tensors: Mapping[str, Tensor], path: Path, about: Mapping[str, Any]) -> None:
    """Write tensors to ``path`` and their description to ``path`` with the suffix ``.json``, whole or not at all.

    Args:
        tensors: What to store.
        path: Ends in ``.safetensors``.
        about: What they belong to: configs, versions, seeds; JSON values.

    Raises:
        StoreError: The folder can't be written.
    """
    from safetensors.torch import save as serialize

    data = serialize({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    sidecar = {"sha256": _checksum(data, about), **about}
    write_whole(path, data)
    write_whole(path.with_suffix(".json"), json.dumps(sidecar, indent=1, sort_keys=True).encode())


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read tensors and their description; the sha256 is checked.

    Raises:
        StoreError: Missing, truncated, or not what the sidecar describes.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load as deserialize

    try:
        with open_file(path) as file:
            data = file.read()
        about = parse_json(read_bounded(path.with_suffix(".json"), LARGEST_SIDECAR))
    except (OSError, ValueError) as error:
        raise StoreError(f"cannot read the weights {path} with their sidecar: {error}") from None
    if not isinstance(about, dict) or _checksum(data, about) != about.get("sha256"):
        raise StoreError(
            f"{path} and its sidecar were not written together, or one was changed (sha256 differs): delete both, and "
            "train again"
        )
    try:
        return deserialize(data), about
    except (SafetensorError, ValueError, KeyError) as error:
        raise StoreError(f"{path} is no safetensors file ({error}), whatever its sidecar says") from None


def _checksum(data: bytes, about: Mapping[str, Any]) -> str:
    """Hash of the tensors' file and of everything that its sidecar says."""
    content = hashlib.sha256(data)
    content.update(_canonical(about))
    return content.hexdigest()


def _canonical(about: Mapping[str, Any]) -> bytes:
    rest = {key: value for key, value in about.items() if key != "sha256"}
    return json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()


def save_single(tensors: Mapping[str, Tensor], path: Path, about: Mapping[str, Any]) -> None:
    """Write tensors and their description to one file.

    A process that is killed between the two files of `save` leaves a pair that does not match; here there is one.

    Raises:
        StoreError: The folder can't be written.
    """
    stored = {name: tensor.detach() for name, tensor in tensors.items()}
    writer = TensorWriter(path, {name: layout_of(tensor) for name, tensor in stored.items()}, about)
    for name, tensor in stored.items():
        writer.append(name, tensor)
    writer.commit()


def load_single(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_single` wrote; the sha256 is checked.

    Raises:
        StoreError: Missing, truncated or changed.
    """
    file = TensorFile(path)
    return {name: file.tensor(name) for name in file.layouts}, file.about
