"""Every reader of what comes from outside: an input that is right, how it is spoiled, and what reads it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import random
import tempfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
import torch
import torchvision.transforms  # noqa: F401  imported once, not in the time of an input that asks for it
from PIL import Image
from safetensors.torch import save as serialize

from frontdef import weights
from frontdef.analysis.study import load_study
from frontdef.cli import main
from frontdef.cli.arguments import parse_config, parse_shape, split_words
from frontdef.datasets import parse
from frontdef.datasets.decode import decode
from frontdef.matrix.entries import load_matrix, packaged
from frontdef.matrix.plan import attacks_of
from frontdef.matrix.tables import CERTIFIED
from frontdef.models import saved
from frontdef.models.state import read_state
from frontdef.runs import query
from frontdef.runs.head import Head, JobEntry, digest, dump
from frontdef.runs.head import parse as parse_head
from frontdef.runs.results import load_results
from frontdef.runs.sealed import CHECKSUM, UNSIGNED
from frontdef.runs.store import Store, encode
from frontdef.runs.table import Rows
from frontdef.tensorfile import TensorFile
from frontdef.threat import ThreatModel, parse_eps
from tests.run_writer import RunWriter
from tests.stored_runs import matrix_run, study_run

from .mutate import mutate_bytes, mutate_head, mutate_json, mutate_query, mutate_toml

Mutator = Callable[[bytes, random.Random], bytes]


class Parser(NamedTuple):
    """A reader of something from outside.

    Args:
        seeds: Inputs that are right.
        mutate: How they are spoiled.
        read: Reads bytes, with a folder to put them into.
    """

    seeds: list[bytes]
    mutate: Mutator
    read: Callable[[bytes, Path], object]


def _file(name: str, read: Callable[[Path], object]) -> Callable[[bytes, Path], object]:
    def write(data: bytes, folder: Path) -> object:
        path = folder / name
        path.write_bytes(data)
        return read(path)

    return write


MODEL = {"dataset": "d", "classifier": "c", "defense": "none", "norm": "linf", "eps": 0.1}
ROWS = Rows({"sample_id": np.arange(30), "certified": np.ones(30, bool)}, {"statement": "a proof", "broke": {"x": [1]}})
ROWS_FILE = encode(CERTIFIED, "a", ROWS)


def _unsigned(data: bytes) -> bytes:
    import pyarrow.parquet as pq

    checksum = pq.ParquetFile(io.BytesIO(data)).metadata.metadata[CHECKSUM]
    return data.replace(checksum, UNSIGNED)


def _signed(data: bytes) -> bytes:
    return data.replace(UNSIGNED, hashlib.sha256(data).hexdigest().encode())


def _parquet(data: bytes, folder: Path) -> object:
    root = folder / "run"
    if not root.exists():
        writer = RunWriter(root)
        writer.add(CERTIFIED, "a", MODEL, ROWS)
        writer.finish(radii={"linf": [0.1]})
    (root / "certified" / "a.parquet").write_bytes(_signed(data))
    return load_results(root).certified()


def _resealed(data: bytes) -> bytes:
    """JSON whose checksum is right again, where it is still JSON."""
    try:
        values = json.loads(data)
        if isinstance(values, dict):
            values.pop("sha256", None)
            data = json.dumps({"sha256": digest(values), **values}).encode()
    except (ValueError, RecursionError):
        pass
    return data


def _head(data: bytes, folder: Path) -> object:
    return parse_head(_resealed(data), "run.json")


COMMANDS: dict[str, Callable[[Path], object]] = {
    **{
        name: partial(lambda words, root: _command(*(str(root) if word == "RUN" else word for word in words)), words)
        for name, words in {
            "results": ("results", "RUN"), "worst": ("results", "RUN", "--worst"),
            "sql": ("results", "RUN", "--sql", "from cells"),
            "agreement": ("results", "RUN", "--agreement", "--json"), "metrics": ("results", "RUN", "--metrics"),
            "failed": ("results", "RUN", "--failed"), "compare": ("compare", "RUN", "RUN"), "report": ("report", "RUN"),
            "status": ("status", "RUN"), "verify": ("verify", "RUN"),
        }.items()
    },
    "retry": lambda root: (found := load_results(root)).kind.remake(found.head.document, found.head.device),
}  # fmt: skip
"""What reads a run folder; of ``retry`` as much as comes before work."""


def _command(*words: str) -> None:
    """Run one in this process.

    Raises:
        Exception: The error that it told in a line.
    """
    quiet = io.StringIO()
    try:
        with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
            main.main(list(words), standalone_mode=False)
    except SystemExit:
        return
    except click.ClickException as error:
        raise error.__cause__ or error from None


def _commands(data: bytes, folder: Path) -> object:
    """Each input is read by one of the commands."""
    root = folder / "made"
    if not root.exists():
        study_run(root)
        matrix_run(root)
    (root / "run.json").write_bytes(_resealed(data))
    return list(COMMANDS.values())[zlib.crc32(data) % len(COMMANDS)](root)


def _failure(data: bytes, folder: Path) -> object:
    path = folder / "run" / "failures" / "b.json"
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(_resealed(data))
    if not (path.parent.parent / "run.json").exists():
        (path.parent.parent / "run.json").write_bytes(HEAD)
    return Store(folder / "run").failure("b")


def _sidecar(data: bytes, folder: Path) -> object:
    tensors, path = serialize({"x": torch.zeros(1)}), folder / "x.safetensors"
    path.write_bytes(tensors)
    try:
        values = json.loads(data)
        if isinstance(values, dict):
            values.pop("sha256", None)
            data = json.dumps({"sha256": weights._checksum(tensors, values), **values}).encode()
    except (ValueError, RecursionError):
        pass
    path.with_suffix(".json").write_bytes(data)
    read = saved.read(path)
    return read.defense, read.config, read.image_shape


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _argument(data: bytes, folder: Path) -> object:
    text = _text(data)
    kind, _, value = text.partition(" ")
    if kind == "eps":
        return ThreatModel("linf", parse_eps(value))
    if kind == "shape":
        return parse_shape(value)
    if kind == "data":
        return parse(value)
    return parse_config(tuple(split_words(text, "--stage")))


def _sql(data: bytes, folder: Path) -> object:
    database = query.connect()
    database.register("certified", ROWS_TABLE)
    query.lock(database)
    return query.ask(database, _text(data), 5)


def _rows_table() -> object:
    import pyarrow as pa

    return pa.table({"sample_id": np.arange(30), "certified": np.ones(30, bool)})


ROWS_TABLE = _rows_table()


def _npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, x=np.zeros((4, 1, 4, 4), np.float32), y=np.array([0, 1, 0, 1]), classes=np.array(["a", "b"]))
    return buffer.getvalue()


def _torch() -> bytes:
    buffer = io.BytesIO()
    torch.save({"state_dict": {"a": torch.zeros(3, 4), "b": torch.ones(2)}, "epoch": 3}, buffer)
    return buffer.getvalue()


def _legacy() -> bytes:
    buffer = io.BytesIO()
    torch.save({"a": torch.zeros(3, 4)}, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def _pictures() -> list[bytes]:
    pixels = np.random.default_rng(0).integers(0, 255, (12, 9, 3), np.uint8)
    encoded = []
    for form, picture in [("PNG", pixels), ("PNG", pixels[..., 0]), ("JPEG", pixels), ("BMP", pixels), ("PPM", pixels),
                          ("TIFF", pixels), ("WEBP", pixels)]:  # fmt: skip
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, form)
        encoded.append(buffer.getvalue())
    return encoded


def _tensors() -> bytes:
    path = Path("/dev/shm") if Path("/dev/shm").is_dir() else Path(".")
    file = path / "frontdef-seed.safetensors"
    weights.save_single(
        {"x_adv": torch.zeros(3, 1, 2, 2), "n": torch.arange(3)}, file, {"table": "records", "key": "a"}
    )
    data = file.read_bytes()
    file.unlink()
    return data


STUDY = b"""name = "s"\nsamples = 20\nwhat = ["psr"]\n[[model]]\nname = "none"\nlabel = "n"
recipe = [{ epochs = 1, adversarial = "linf", eps = "8/255", steps = 3 }]\n[attack]\neps = 0.1\n[ratio]
p = [1, 2, "inf"]\n"""
HEAD = dump(
    Head(
        radii={"linf": (0.1,)}, samples={"d": "d"}, versions={"torch": "2"}, notes=("n",),
        jobs=(JobEntry(key="a", table="certified", what="x", about=MODEL),),
    )
)  # fmt: skip


def _made_heads() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        plan = load_matrix(None).model_dump(mode="json")
        runs = matrix_run(Path(folder) / "matrix", document=plan, device="cpu"), study_run(Path(folder) / "study")
        return [(run / "run.json").read_bytes() for run in runs]


FAILURE_VALUES = {"key": "b", "what": "x", "error": "Traceback …"}
FAILURE = json.dumps({"sha256": digest(FAILURE_VALUES), **FAILURE_VALUES}).encode()
SIDECAR = json.dumps({
    "request": {"defense": ["none", {}], "classifier": ["fc2", ""]}, "in_shape": [1, 4, 4], "image_shape": [1, 4, 4],
    "n_classes": 2,
}).encode()  # fmt: skip

PARSERS: dict[str, Parser] = {
    "matrix (TOML)": Parser(
        [packaged().encode()], mutate_toml, _file("m.toml", lambda path: attacks_of(load_matrix(path)))
    ),
    "study (TOML)": Parser([STUDY], mutate_toml, _file("s.toml", load_study)),
    "arguments": Parser(
        [b"epochs=3 lr=0.001 adversarial=linf", b"eps 8/255", b"shape 1,28,28", b"data arrays:x.npz@layout=NHWC",
         b"data imagefolder:~a/b@resize=256,crop=224", b"data samples:imagenet@crop=4", b"x=[1,2] y={a=1}"],
        mutate_toml, _argument,
    ),
    "rows (Parquet, checksum made right)": Parser([_unsigned(ROWS_FILE)], mutate_bytes, _parquet),
    "rows (Parquet)": Parser([ROWS_FILE], mutate_bytes, _parquet),
    "tensors (safetensors)": Parser([_tensors()], mutate_bytes, _file("t.safetensors", TensorFile)),
    "run.json (checksum made right)": Parser([HEAD], mutate_json, _head),
    "run.json through the commands (checksum made right)": Parser(_made_heads(), mutate_head, _commands),
    "failures (JSON, checksum made right)": Parser([FAILURE], mutate_json, _failure),
    "sidecars (JSON, checksum made right)": Parser([SIDECAR], mutate_json, _sidecar),
    "checkpoints (torch.save)": Parser([_torch(), _legacy()], mutate_bytes, _file("c.pt", read_state)),
    "checkpoints (safetensors)": Parser(
        [serialize({"a": torch.zeros(3, 4)})], mutate_bytes, _file("c.safetensors", read_state)
    ),
    "arrays (npz)": Parser([_npz()], mutate_bytes, _file("a.npz", lambda path: parse(f"arrays:{path}").load())),
    "pictures (PNG, JPEG, BMP, PPM, TIFF, WebP)": Parser(_pictures(), mutate_bytes, _file("p.png", decode)),
    "questions (SQL)": Parser(
        [b"select count ( * ) from certified where sample_id > 3 group by certified", b"from certified limit 3"],
        mutate_query, _sql,
    ),
}  # fmt: skip
