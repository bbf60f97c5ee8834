"""Read a claim that somebody else wrote: nothing is unpacked, nothing is run, and it is bounded before it is read."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, Field, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load

from frontdef.errors import StoreError
from frontdef.reading import MIB, open_file, parse_json
from frontdef.threat import MEASURED

LARGEST_HEAD, LARGEST_ROW, LARGEST = 16 * MIB, 512 * MIB, 2048 * MIB
"""Bytes of ``claim.json``, of a row's file, and of the files of all rows, unpacked."""

MOST_FILES = 10_000

BROKEN = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, OSError, EOFError, RuntimeError, NotImplementedError,
    ValueError, OverflowError, SafetensorError,
)  # fmt: skip
"""What reading a file raises that is no archive, or no tensors."""


class _Row(BaseModel):
    title: str = Field(max_length=1000)
    dataset: str = Field(max_length=300)
    classifier: str = Field(max_length=300)
    defense: str = Field(max_length=300)
    file: str = Field(pattern=r"^[0-9]{1,5}\.safetensors$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    norms: tuple[Annotated[str, Field(max_length=8)], ...] = Field(max_length=16)


class _Head(BaseModel):
    run: str = Field(max_length=300)
    rows: tuple[_Row, ...] = Field(max_length=MOST_FILES)


@dataclass(frozen=True, eq=False)
class ClaimedRow:
    """A row of a claim.

    Args:
        title: Data set, classifier and defense in words.
        model: The same by name.
        sha256: Of its file.
        images: float32 ``(N,C,H,W)``.
        labels: int64 ``(N,)``.
        examples: Norm → which image each example is of, int64 ``(M,)``, and the examples, float32 ``(M,C,H,W)``.
    """

    title: str
    model: tuple[str, str, str]
    sha256: str
    images: np.ndarray
    labels: np.ndarray
    examples: Mapping[str, tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Claimed:
    """A claim: the name of the run that it is of, and its rows."""

    run: str
    rows: tuple[ClaimedRow, ...]


def read_claim(path: Path) -> Claimed:
    """Read the archive that ``frontdef bundle`` writes, whoever wrote this one.

    Raises:
        StoreError: It is none, is damaged, or is larger than any claim.
    """
    try:
        with open_file(path) as file, zipfile.ZipFile(file) as archive:
            if len(archive.infolist()) > MOST_FILES:
                raise ValueError(f"it has more than {MOST_FILES:,} files")
            head = _Head.model_validate(parse_json(_bounded(archive, "claim.json", LARGEST_HEAD)))
            return Claimed(head.run, tuple(_rows(archive, head.rows)))
    except ValidationError as error:
        first = error.errors()[0]
        reason = f"claim.json: {'.'.join(map(str, first['loc']))}: {first['msg']}"
    except BROKEN as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
    raise StoreError(f"{path} is no claim that can be read: {reason}. `frontdef bundle RUN --out FILE` writes one")


def _bounded(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """A file of the archive; what it says of its own size is not believed."""
    try:
        entry = archive.getinfo(name)
    except KeyError:
        raise ValueError(f"it has no {name}") from None
    if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise ValueError(f"{name} is neither stored nor deflated")
    with archive.open(entry) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ValueError(f"{name} unpacks to more than {limit // MIB} MiB")
    return data


def _rows(archive: zipfile.ZipFile, rows: Iterable[_Row]) -> Iterator[ClaimedRow]:
    """Each of them; small files can unpack to much, and many rows can name one of them."""
    left = LARGEST
    for row in rows:
        data = _bounded(archive, row.file, LARGEST_ROW)
        left -= len(data)
        if left < 0:
            raise ValueError(f"the files of its rows unpack to more than {LARGEST // MIB:,} MiB")
        yield _row(row, data)


def _row(row: _Row, data: bytes) -> ClaimedRow:
    if hashlib.sha256(data).hexdigest() != row.sha256:
        raise ValueError(f"{row.file} is not the file that claim.json names: its sha256 is another")
    tensors = load(data)
    images = _tensor(tensors, "images", np.float32, row.file)
    if images.ndim != 4 or not len(images):
        raise ValueError(f"{row.file}: images are (N,C,H,W), got {images.shape}")
    labels = _tensor(tensors, "labels", np.int64, row.file)
    if labels.shape != (len(images),):
        raise ValueError(f"{row.file}: labels {labels.shape} do not fit {len(images)} images")
    examples: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for norm in row.norms:
        if norm not in MEASURED:
            raise ValueError(f"{row.file}: {norm!r} is no norm of {', '.join(MEASURED)}")
        places = _tensor(tensors, f"{norm}.images", np.int64, row.file)
        made = _tensor(tensors, f"{norm}.examples", np.float32, row.file)
        if places.ndim != 1 or made.shape != (len(places), *images.shape[1:]):
            raise ValueError(f"{row.file}: {norm}.examples {made.shape} do not fit {len(places)} images of its size")
        if len(places) and not (places.min() >= 0 and places.max() < len(images)):
            raise ValueError(f"{row.file}: {norm}.images names an image that is not there")
        examples[norm] = places, made
    return ClaimedRow(row.title, (row.dataset, row.classifier, row.defense), row.sha256, images, labels, examples)


def _tensor(tensors: Mapping[str, np.ndarray], name: str, kind: type, file: str) -> np.ndarray:
    if name not in tensors:
        raise ValueError(f"{file} has no {name}")
    if tensors[name].dtype != kind:
        raise ValueError(f"{file}: {name} is {tensors[name].dtype}, {np.dtype(kind)} is needed")
    return tensors[name]
