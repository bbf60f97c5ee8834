"""Flipped bits in every kind of file that is read back: each is named or changes nothing, none is silent."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from frontdef import weights
from frontdef.errors import FrontdefError
from frontdef.models import saved
from frontdef.runs.integrity import inspect
from frontdef.runs.results import Results
from frontdef.runs.store import Store

from .lab import Lab, Place
from .tally import Tally


def flips(lab: Lab, draws: random.Random, count: int) -> list[Tally]:
    """``count`` single flipped bits in each kind of file, wherever they fall."""
    place = lab.place("flipped")
    shutil.copytree(lab.reference.root, place.root)
    weights.save_single({"w": _weights(place)}, place.root / "checkpoint.safetensors", {"losses": [1.0]})
    return [_kind(name, sorted(files), read, draws, count) for name, files, read in _kinds(lab, place)]


def _weights(place: Place) -> Any:
    path = next(path for path in place.cache.glob("*.safetensors"))
    return next(iter(weights.load(path)[0].values()))


Read = Callable[[Path], Any]


def _kinds(lab: Lab, place: Place) -> list[tuple[str, list[Path], Read]]:
    """Name, files, and what is read of one."""
    store = Store(place.out)

    def head(path: Path) -> Any:
        return Store(place.out).require_head()

    def rows(path: Path) -> Any:
        rows, about = store.read(path.parent.name, path.stem)
        return rows.to_pydict(), about

    def tensors(path: Path) -> Any:
        held = store.tensors(path.parent.name, path.stem)
        return {name: tensor.numpy().tobytes() for name, tensor in held.items()}

    def failure(path: Path) -> Any:
        return store.failure(path.stem)

    def model(path: Path) -> Any:
        stored = saved.read(path.with_suffix(".safetensors"))
        return {name: tensor.numpy().tobytes() for name, tensor in stored.tensors.items()}, stored.about

    def checkpoint(path: Path) -> Any:
        held, about = weights.load_single(path)
        return {name: tensor.numpy().tobytes() for name, tensor in held.items()}, about

    def folder(path: Path) -> Any:
        results = Results(place.out)
        held = [(job.entry, job.status, job.about, job.error) for job in results.jobs]
        damaged = inspect(Store(place.out)).damaged
        if damaged:
            raise FrontdefError(str(damaged[0]))
        return held

    tables = sorted({job.table.name for job in lab.plan.jobs})
    return [
        ("run.json", [place.out / "run.json"], head),
        *((f"{table}/KEY.parquet", list((place.out / table).glob("*.parquet")), rows) for table in tables),
        *(
            (f"{table}/KEY.safetensors", files, tensors)
            for table in (*tables, "clean")
            if (files := list((place.out / table).glob("*.safetensors")))
        ),
        ("failures/KEY.json", list((place.out / "failures").glob("*.json")), failure),
        ("a trained model", list(place.cache.glob("*.safetensors")), model),
        ("the sidecar of a trained model", list(place.cache.glob("*.json")), model),
        ("a checkpoint", [place.root / "checkpoint.safetensors"], checkpoint),
        (
            "any file of a run folder, the folder read whole",
            [path for path in place.out.rglob("*.*") if path.suffix],
            folder,
        ),
    ]


def _kind(name: str, files: list[Path], read: Read, draws: random.Random, count: int) -> Tally:
    assert files, name
    tally = Tally(f"a flipped bit: {name}")
    expected = {path: read(path) for path in files}
    for _ in range(count):
        path = draws.choice(files)
        data = path.read_bytes()
        if not data:
            continue
        place, bit = draws.randrange(len(data)), draws.randrange(8)
        changed = bytearray(data)
        changed[place] ^= 1 << bit
        path.write_bytes(bytes(changed))
        noticed, wrong = False, []
        try:
            if read(path) != expected[path]:
                wrong = ["silent: other content"]
        except FrontdefError:
            noticed = True
        except Exception as error:
            wrong = [f"foreign: {error!r}"]
        finally:
            path.write_bytes(data)
        tally.add(f"byte {place} bit {bit} of {path.name}", noticed, wrong)
    return tally
