"""Data sets of somebody else: each array and picture that breaks the contract is named, and bounded."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from frontdef.datasets import parse
from frontdef.errors import DataError, FrontdefError

X = np.random.default_rng(0).random((6, 1, 4, 4), dtype=np.float32)
Y = np.array([0, 1, 0, 1, 0, 1])

READ = {
    "as it should be": X,
    "big-endian": X.astype(">f4"),
    "float64": X.astype(np.float64),
    "negative strides": X[::-1, :, ::-1, ::-1],
    "column order": np.asfortranarray(X),
    "float16": X.astype(np.float16),
    "uint8": (X * 255).astype(np.uint8),
}
REFUSED = {
    "objects": np.array([object()] * 6),
    "uint16": (X * 65535).astype(np.uint16),
    "big-endian integers": (X * 255).astype(">i4"),
    "complex": X.astype(np.complex64),
    "text": X.astype(str),
    "dates": np.zeros((6, 1, 4, 4), "M8[s]"),
    "fields": np.zeros((6, 1, 4, 4), [("a", "f4")]),
    "one image without the first axis": X[0],
    "no axis at all": np.float32(1),
    "no image": X[:0],
    "five axes": X[None],
    "too many labels": X[:4],
    "NaN": np.full_like(X, np.nan),
    "beyond 1": X + 1,
}


def save(path: Path, **arrays) -> str:
    np.savez(path, **arrays)
    return f"arrays:{path}"


@pytest.mark.parametrize("case", READ)
def test_arrays_of_every_layout_in_memory_are_the_same_images(tmp_path, case):
    split = parse(save(tmp_path / "x.npz", x=READ[case], y=Y)).load()
    expected = READ[case] if READ[case].dtype != np.uint8 else READ[case] / 255
    assert np.allclose(split.images.numpy(), expected, atol=1e-3)


@pytest.mark.parametrize("case", REFUSED)
def test_arrays_that_break_the_contract_are_named(tmp_path, case):
    with pytest.raises(DataError, match=r"x\.npz"):
        parse(save(tmp_path / "x.npz", x=REFUSED[case], y=Y)).load()


OTHERS = {
    "labels of objects": {"y": np.array([object()] * 6)},
    "labels of floats": {"y": Y + 0.5},
    "labels without an axis": {"y": np.int64(1)},
    "labels beyond any model": {"y": Y * 2**60},
    "negative labels": {"y": -1 - Y},
    "classes without an axis": {"y": Y, "classes": np.array("a")},
    "classes of objects": {"y": Y, "classes": np.array([{}, {}])},
    "classes as a grid": {"y": Y, "classes": np.array([["a", "b"], ["c", "d"]])},
    "too many classes": {"y": Y, "n_classes": np.array(2**62)},
    "no classes": {"y": Y, "n_classes": np.array(-3)},
    "classes that are a text": {"y": Y, "n_classes": np.array("ten")},
    "layout as numbers": {"y": Y, "layout": np.arange(9)},
}


@pytest.mark.parametrize("case", OTHERS)
def test_what_stands_beside_the_images_is_checked_too(tmp_path, case):
    with pytest.raises(DataError):
        parse(save(tmp_path / "x.npz", x=X, **OTHERS[case])).load()


def npy(header: bytes, version: int = 1) -> bytes:
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header


HEADERS = {
    "more than the memory": npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 1, 9, 9)}"),
    "negative": npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 1, 4, 4)}"),
    "beyond 64 bits": npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (%d, 1, 4, 4)}" % 2**90),
    "texts that fill the memory": npy(b"{'descr': '<U99999999', 'fortran_order': False, 'shape': (9999, 1, 4, 4)}"),
    "deep": npy(b"(" * 5000 + b")" * 5000),
    "a call": npy(b"__import__('os').system('true')"),
    "a header of 256 MiB": npy(b" " * 2**20, 2).replace(struct.pack("<I", 2**20), struct.pack("<I", 2**28)),
    "an unknown version": b"\x93NUMPY\x09\x00" + bytes(100),
    "nothing": b"",
}


@pytest.mark.parametrize("case", HEADERS)
def test_headers_that_lie_are_not_believed(tmp_path, case):
    path, labels = tmp_path / "x.npz", io.BytesIO()
    np.save(labels, Y)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", HEADERS[case])
        archive.writestr("y.npy", labels.getvalue())
    with pytest.raises(DataError, match=r"x\.npz"):
        parse(f"arrays:{path}").load()


@pytest.mark.parametrize(
    "name", ["/dev/zero", "/", "pipe", "~nouser/x.npz", "a\0b.npz", "a" * 300, "", "x.npz@n_classes=99999999"]
)
@pytest.mark.parametrize("form", ["arrays", "imagefolder"])
def test_places_that_are_none(tmp_path, monkeypatch, form, name):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    save(tmp_path / "x.npz", x=X, y=Y)
    with pytest.raises(FrontdefError):
        parse(f"{form}:{name}")


def folder(tmp_path: Path, pictures: dict[str, bytes]) -> str:
    for name, data in pictures.items():
        for label in ("a", "b"):
            place = tmp_path / "f" / label
            place.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(data)
    return f"imagefolder:{tmp_path / 'f'}"


def png(width: int, height: int, data: bytes = b"") -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def encoded(form: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(buffer, form)
    return buffer.getvalue()


PICTURES = {
    "a bomb": png(60_000, 60_000, bytes(1_000_000)),
    "a larger bomb": png(2**31 - 1, 2**31 - 1),
    "a picture without pixels": png(4, 4),
    "a picture of no size": png(0, 4),
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n%%EndComments\nshowpage\n",
    "GIF": encoded("GIF"),
    "nothing": b"",
    "a page": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
}


@pytest.mark.parametrize("case", PICTURES)
def test_pictures_are_bounded_before_they_are_decoded(tmp_path, case):
    place = folder(tmp_path, {"1.png": PICTURES[case], "2.png": PICTURES[case]})
    with pytest.raises(DataError, match=r"1\.png"):
        parse(place).load()


def test_a_device_and_a_pipe_among_the_pictures(tmp_path):
    place = folder(tmp_path, {"1.png": png(4, 4, bytes(20)), "2.png": png(4, 4, bytes(20))})
    os.symlink("/dev/zero", tmp_path / "f" / "a" / "0.png")
    os.mkfifo(tmp_path / "f" / "a" / "3.png")
    os.symlink(tmp_path / "f", tmp_path / "f" / "a" / "loop")
    assert len(parse(place).load()) == 2


def test_a_class_whose_name_is_no_text(tmp_path):
    place = folder(tmp_path, {"1.png": png(4, 4, bytes(20)), "2.png": png(4, 4, bytes(20))})
    (tmp_path / "f" / "b").rename(os.fsdecode(os.fsencode(tmp_path / "f") + b"/b\xff"))
    with pytest.raises(DataError, match="rename it"):
        parse(place)
