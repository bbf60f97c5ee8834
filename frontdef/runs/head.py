"""``run.json``: what was asked for, written before anything else and read back through the same classes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from sys import intern
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from frontdef.errors import StoreError
from frontdef.reading import parse_json

FORMAT = 2
"""Version of the layout of a run folder; another one is refused, never guessed at."""

UNSIGNED = "0" * 64
"""What stands in place of the checksum while that is computed over the whole file."""

Key = r"^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class JobEntry(_Part):
    """A job that was asked for.

    Args:
        key: Hash of all that decides its result.
        table: Where its rows are.
        what: It in words.
        model: Key of the model that it is about; empty where there is none.
        about: Ids and numbers by which it is found.
    """

    key: str = Field(pattern=Key)
    table: str = Field(pattern=Key)
    what: str
    model: str = ""
    about: Mapping[str, Any] = Field(default_factory=dict)


class Head(_Part):
    """A run.

    Args:
        format: Version of the layout.
        kind: ``matrix`` or ``study``.
        name: Of the run.
        frontdef: Version that wrote it.
        versions: Distribution → version.
        codes: Distribution → hash of its source, of frontdef and the plugins.
        device: Type of device.
        started: When, ISO 8601.
        command: The command line that repeats it.
        document: The matrix or the study.
        radii: Norm → the radii at which examples are judged.
        skipped: What no job was made for, and why.
        notes: What was found out about models that somebody else trained.
        samples: Id of a data set → key of its images under ``clean/``.
        live: Whether it was asked for with objects that no file holds, so that the same call alone goes on with it.
        jobs: All that was asked for.
    """

    format: int = FORMAT
    kind: str = "matrix"
    name: str = "run"
    frontdef: str = ""
    versions: Mapping[str, str] = Field(default_factory=dict)
    codes: Mapping[str, str] = Field(default_factory=dict)
    device: str = ""
    started: str = ""
    command: str = ""
    document: Mapping[str, Any] = Field(default_factory=dict)
    radii: Mapping[str, tuple[float, ...]] = Field(default_factory=dict)
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    samples: Mapping[str, Annotated[str, Field(pattern=Key)]] = Field(default_factory=dict)
    live: bool = False
    jobs: tuple[JobEntry, ...] = ()


def dump(head: Head) -> bytes:
    """The file, with a checksum over all of it."""
    values = head.model_dump(mode="json")
    jobs = ",\n".join(map(json.dumps, values.pop("jobs")))
    start = json.dumps({"sha256": UNSIGNED, **values}, indent=1).removesuffix("\n}")
    data = f'{start},\n "jobs": [\n{jobs}\n]}}'.encode()
    return data.replace(UNSIGNED.encode(), hashlib.sha256(data).hexdigest().encode(), 1)


def parse(data: bytes, where: str) -> Head:
    """Read the file.

    Args:
        data: Its bytes.
        where: Its name, for messages.

    Raises:
        StoreError: It is damaged, or in another format.
    """
    try:
        values = parse_json(data)
        version = values.get("format")
        checksum = values.pop("sha256", None)
        sound = _signed(data, checksum) or checksum == digest(values)
    except (ValueError, AttributeError, RecursionError) as error:
        raise StoreError(f"{where} is damaged: {error}") from None
    if version != FORMAT:
        raise StoreError(
            f"{where} has the store format {version!r}, this frontdef reads format {FORMAT}. Read it with the version "
            "that wrote it (run.json names it), or choose another --out"
        )
    if not sound:
        raise StoreError(f"{where} was changed after it was written (sha256 differs): the same command writes it anew")
    try:
        return Head.model_validate(_shared(values))
    except ValidationError as error:
        raise StoreError(f"{where} is damaged: {error.errors()[0]['loc']}: {error.errors()[0]['msg']}") from None


def _shared(values: dict[str, Any]) -> dict[str, Any]:
    """The same, a text that stands in many entries once: most jobs share most of what is said of them."""
    jobs = values.get("jobs")
    for entry in jobs if isinstance(jobs, list) else ():
        about = entry.get("about") if isinstance(entry, dict) else None
        if isinstance(about, dict):
            about.update({name: intern(value) for name, value in about.items() if isinstance(value, str)})
    return values


def _signed(data: bytes, checksum: Any) -> bool:
    """Whether the checksum is that of the file's bytes, which is found without writing all values again."""
    written = str(checksum).encode()
    blank = data.replace(written, UNSIGNED.encode(), 1) if len(written) == len(UNSIGNED) else b""
    return hashlib.sha256(blank).hexdigest().encode() == written


def digest(values: Any) -> str:
    """The sha256 over JSON values, whatever white space they are written with."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
