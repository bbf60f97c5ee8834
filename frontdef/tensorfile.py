"""A file of tensors and what is said of them: written and read piece by piece, with a checksum over all of it.

torch is imported where a tensor is asked for: who reads arrays, as those who read a run do, needs none.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from frontdef.errors import StoreError
from frontdef.reading import open_file, parse_json
from frontdef.whole import cannot_write, temporary

if TYPE_CHECKING:
    from torch import Tensor

NAMES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64", "int32": "I32",
    "int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL",
}  # fmt: skip
"""torch's and numpy's name of a type → what safetensors calls it."""

TYPES = {name: dtype for dtype, name in NAMES.items()}

TORCH_ALONE = {"bfloat16": 2}
"""A type that numpy lacks → its bytes."""

UNSIGNED = "0" * 64
"""What stands in the header in place of the checksum until all values are known."""

CHUNK = 1 << 22
"""Bytes that are read at once where values are only hashed."""


class Layout(NamedTuple):
    """Type (a row of `NAMES`) and shape of a tensor, known before its values are."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def itemsize(self) -> int:
        """Bytes of a value."""
        return TORCH_ALONE.get(self.dtype) or np.dtype(self.dtype).itemsize

    @property
    def size(self) -> int:
        """Bytes."""
        return math.prod(self.shape) * self.itemsize


def layout_of(values: Tensor) -> Layout:
    """Type and shape of a tensor; the type may be one that is not stored."""
    return Layout(_name(values), tuple(values.shape))


def _name(values: Tensor) -> str:
    return str(values.dtype).removeprefix("torch.")


class TensorWriter:
    """A safetensors file that grows: values are appended, a batch at a time, and no batch is kept in memory.

    It stands under its own name only once `commit` was called; a process that is killed before leaves nothing there.

    Args:
        path: Ends in ``.safetensors``.
        layouts: Name → type and shape of what will be written.
        about: What the tensors belong to, JSON values.

    Raises:
        StoreError: The folder can't be written, or a type that is not stored.
    """

    def __init__(self, path: Path, layouts: Mapping[str, Layout], about: Mapping[str, Any]) -> None:
        for name, layout in layouts.items():
            if layout.dtype not in NAMES:
                raise StoreError(f"tensor {name!r} is {layout.dtype}; stored are {', '.join(NAMES)}")
        self.path = path
        self.layouts: dict[str, Layout] = dict(layouts)
        self.about: dict[str, Any] = dict(about)
        self._hashes = {name: hashlib.sha256() for name in layouts}
        self._written = dict.fromkeys(layouts, 0)
        header = self._header(UNSIGNED)
        self._starts = _starts(self.layouts, len(header))
        self._temporary = temporary(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._temporary.open("w+b")
        except OSError as error:
            raise cannot_write(path, error) from error
        try:
            self._file.write(header)
        except OSError as error:
            self.discard()
            raise cannot_write(path, error) from error

    def append(self, name: str, values: Tensor) -> None:
        """Write the next values of a tensor.

        Args:
            name: The tensor's.
            values: Of its type; ``(n,…)`` of ``(N,…)``.

        Raises:
            StoreError: No space.
            ValueError: Another type, or more values than were announced.
        """
        layout, raw = self.layouts[name], _raw(values)
        if _name(values) != layout.dtype or self._written[name] + len(raw) > layout.size:
            raise ValueError(f"{_name(values)} {tuple(values.shape)} is no part of {name!r}: {layout}")
        try:
            self._file.seek(self._starts[name] + self._written[name])
            self._file.write(raw)
        except OSError as error:
            self.discard()
            raise cannot_write(self.path, error) from error
        self._hashes[name].update(raw)
        self._written[name] += len(raw)

    def rows(self, name: str, start: int, stop: int) -> Tensor:
        """What was appended, ``(stop - start,…)``.

        Raises:
            StoreError: No space.
        """
        try:
            self._file.flush()
        except OSError as error:
            self.discard()
            raise cannot_write(self.path, error) from error
        layout = self.layouts[name]
        return _tensor(*_rows(self._temporary, self._starts[name], layout, start, stop))

    def commit(self) -> None:
        """Write the checksum and give the file its name.

        Raises:
            StoreError: No space.
            ValueError: A tensor is not complete.
        """
        missing = [name for name, layout in self.layouts.items() if self._written[name] != layout.size]
        if missing:
            raise ValueError(f"not all of {', '.join(missing)} was written")
        hashes = {name: values.digest() for name, values in self._hashes.items()}
        try:
            self._file.seek(0)
            self._file.write(self._header(_checksum(self.layouts, hashes, self.about)))
            self._file.close()
            os.replace(self._temporary, self.path)
        except OSError as error:
            self.discard()
            raise cannot_write(self.path, error) from error

    def discard(self) -> None:
        """Leave nothing, unless it was committed."""
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self._temporary.unlink(missing_ok=True)

    def _header(self, checksum: str) -> bytes:
        said = json.dumps({"sha256": checksum, **self.about}, sort_keys=True)
        header: dict[str, Any] = {"__metadata__": {"about": said}}
        for name, start in _starts(self.layouts, 0).items():
            dtype, shape = self.layouts[name]
            offsets = [start, start + self.layouts[name].size]
            header[name] = {"dtype": NAMES[dtype], "shape": list(shape), "data_offsets": offsets}
        data = json.dumps(header, separators=(",", ":")).encode()
        data += b" " * (-len(data) % 8)
        return len(data).to_bytes(8, "little") + data


class TensorFile:
    """A file that a `TensorWriter` wrote, once its checksum was found right; values are read when asked for.

    Args:
        path: The file.

    Raises:
        StoreError: Missing, truncated or changed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.layouts: dict[str, Layout]
        self.about: dict[str, Any]
        self.layouts, self._starts, self.about = _read_header(path)
        try:
            hashes = {name: self._hash(name) for name in self.layouts}
        except OSError as error:
            raise _cannot_read(path, error) from None
        if self.about.pop("sha256", None) != _checksum(self.layouts, hashes, self.about):
            raise StoreError(f"{path} was changed (sha256 differs): delete it, and it is made anew")

    def __contains__(self, name: str) -> bool:
        return name in self.layouts

    def rows(self, name: str, start: int, stop: int) -> Tensor:
        """``(stop - start,…)`` of a tensor ``(N,…)``."""
        return _tensor(*_rows(self.path, self._starts[self._known(name)], self.layouts[name], start, stop))

    def tensor(self, name: str) -> Tensor:
        """A whole tensor."""
        return _tensor(*self._whole(name))

    def array_rows(self, name: str, start: int, stop: int) -> np.ndarray:
        """``(stop - start,…)`` of a tensor ``(N,…)``, without torch.

        Raises:
            StoreError: numpy lacks the type.
        """
        return self._array(*_rows(self.path, self._starts[self._known(name)], self.layouts[name], start, stop))

    def array(self, name: str) -> np.ndarray:
        """A whole tensor, without torch.

        Raises:
            StoreError: numpy lacks the type.
        """
        return self._array(*self._whole(name))

    def _whole(self, name: str) -> tuple[np.ndarray, Layout]:
        layout = self.layouts[self._known(name)]
        return _read(self.path, self._starts[name], layout), layout

    def _array(self, raw: np.ndarray, layout: Layout) -> np.ndarray:
        if layout.dtype in TORCH_ALONE:
            raise StoreError(f"{self.path} holds {layout.dtype}, which numpy lacks: read it as a tensor")
        return raw.view(layout.dtype).reshape(layout.shape)

    def _known(self, name: str) -> str:
        if name not in self.layouts:
            raise StoreError(f"{self.path} has no tensor {name!r}: delete it, and it is made anew")
        return name

    def _hash(self, name: str) -> bytes:
        digest, left = hashlib.sha256(), self.layouts[name].size
        with self.path.open("rb") as file:
            file.seek(self._starts[name])
            while left:
                values = file.read(min(CHUNK, left))
                if not values:
                    break
                digest.update(values)
                left -= len(values)
        return digest.digest()


def _read_header(path: Path) -> tuple[dict[str, Layout], dict[str, int], dict[str, Any]]:
    """Layouts, where in the file each tensor begins, and what is said of them."""
    from safetensors import SafetensorError, safe_open

    try:
        open_file(path).close()  # a pipe would be waited for
        with safe_open(path, "np"):  # refuses headers that lie about shapes, offsets or the length of the file
            pass
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = parse_json(file.read(length))
        about = parse_json(header.pop("__metadata__")["about"])
        layouts = {name: Layout(TYPES[entry["dtype"]], tuple(entry["shape"])) for name, entry in header.items()}
        starts = {name: 8 + length + int(entry["data_offsets"][0]) for name, entry in header.items()}
        said = dict(about)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise _cannot_read(path, error) from None
    return layouts, starts, said


def _cannot_read(path: Path, error: Exception) -> StoreError:
    return StoreError(f"cannot read {path}: {error}. Delete it, and it is made anew")


def _starts(layouts: Mapping[str, Layout], first: int) -> dict[str, int]:
    """Where each tensor begins; those of wide types stand first, so that each is aligned to its type."""
    starts = {}
    for name in sorted(layouts, key=lambda name: -layouts[name].itemsize):
        starts[name] = first
        first += layouts[name].size
    return starts


def _checksum(layouts: Mapping[str, Layout], hashes: Mapping[str, bytes], about: Mapping[str, Any]) -> str:
    """Hash of names, types, shapes and values, and of everything that is said of them."""
    digest = hashlib.sha256(json.dumps(about, sort_keys=True, separators=(",", ":")).encode())
    for name in sorted(layouts):
        dtype, shape = layouts[name]
        digest.update(f"{name}\0torch.{dtype}\0{tuple(shape)}\0".encode() + hashes[name])
    return digest.hexdigest()


def _raw(values: Tensor) -> memoryview:
    """The bytes of a tensor, not copied where it lies on the CPU in one piece."""
    import torch

    return values.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data


def _tensor(raw: np.ndarray, layout: Layout) -> Tensor:
    import torch

    dtype = getattr(torch, layout.dtype)
    if not len(raw):  # which torch does not view as another type
        return torch.empty(layout.shape, dtype=dtype)
    return torch.from_numpy(raw).view(dtype).reshape(layout.shape)


def _rows(path: Path, begin: int, layout: Layout, start: int, stop: int) -> tuple[np.ndarray, Layout]:
    """Bytes of some rows, and what they are."""
    row = Layout(layout.dtype, layout.shape[1:])
    start, stop, _ = slice(start, stop).indices(layout.shape[0])
    rows = Layout(layout.dtype, (stop - start, *row.shape))
    return _read(path, begin + start * row.size, rows), rows


def _read(path: Path, begin: int, layout: Layout) -> np.ndarray:
    """Bytes of a tensor."""
    raw = np.empty(layout.size, dtype=np.uint8)
    with path.open("rb") as file:
        file.seek(begin)
        if file.readinto(raw.data) != layout.size:
            raise StoreError(f"{path} is shorter than it was: delete it, and it is made anew")
    return raw
