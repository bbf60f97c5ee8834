"""``run.json``: what was asked for, written before anything else and read back through the same classes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from sys import intern
from typing import Annotated, Any, ClassVar, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from frontdef.errors import StoreError
from frontdef.reading import parse_json, uncollected

FORMAT = 2
"""Version of the layout of a run folder; another one is refused, never guessed at."""

UNSIGNED = "0" * 64
"""What stands in place of the checksum while that is computed over the whole file."""

Key = r"^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$"


BROUGHT = "brought"
"""Said of a job that no plan asks for: its rows were brought in from elsewhere."""


class _Part(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)


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

    @property
    def brought(self) -> tuple[JobEntry, ...]:
        """What was brought in from elsewhere."""
        return tuple(entry for entry in self.jobs if entry.about.get(BROUGHT))

    @property
    def models(self) -> set[str]:
        """Keys of the models that were asked for."""
        return {entry.model for entry in self.jobs if entry.model and not entry.about.get(BROUGHT)}

    @property
    def seed(self) -> int:
        """The document's; 0 where it has none.

        Raises:
            StoreError: It is no number.
        """
        seed = self.document.get("seed", 0)
        if not isinstance(seed, int):
            raise StoreError(f"run.json does not say the seed as it should: {MEND}")
        return seed


START, JOBS, END = b'{\n "sha256": "', b',\n "jobs": [\n', b"\n]}"
"""How the file begins, where its jobs begin, a line each, and how it ends."""

KEY = re.compile(rb'^\{"key": "([^"]*)"', re.MULTILINE)
"""How the line of a job begins."""

MEND = "delete it, and the command that made the run writes it anew and keeps what is stored"

NEW = frozenset({"command", "started", "notes", "jobs"})
"""What a run that goes on may say otherwise than before while its jobs are the same ones."""


class Written(NamedTuple):
    """A file that `dump` wrote, as far as it is read without reading its jobs.

    Args:
        head: All but the jobs.
        jobs: Their lines.
    """

    head: Head
    jobs: bytes

    def tells(self, head: Head, keys: Iterable[str]) -> bool:
        """Whether it describes the jobs of a run as that would describe them now.

        What is said of a job follows from its key, the document, the device, and the code and versions that read them.

        Args:
            head: What the run would say beside its jobs; one of objects that no file holds tells less than it says.
            keys: Its jobs.
        """
        ours, theirs = (json.dumps(each.model_dump(mode="json", exclude=set(NEW))) for each in (self.head, head))
        return not head.live and ours == theirs and KEY.findall(self.jobs) == [key.encode() for key in keys]


def dump(head: Head, jobs: bytes | None = None) -> bytes:
    """The file, with a checksum over all of it.

    Args:
        head: What it says.
        jobs: The lines of its jobs, where they stand in a file already; None writes those of the head.
    """
    start = json.dumps({"sha256": UNSIGNED, **head.model_dump(mode="json", exclude={"jobs"})}, indent=1)
    lines = (
        ",\n".join(json.dumps(entry.model_dump(mode="json")) for entry in head.jobs).encode() if jobs is None else jobs
    )
    first = start.removesuffix("\n}").encode()
    checksum = _sha256(first, JOBS, lines, END)
    return b"".join((first.replace(UNSIGNED.encode(), checksum, 1), JOBS, lines, END))


def _sha256(*parts: bytes | memoryview) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest().encode()


def _unchanged(data: bytes) -> bool:
    """Whether it is as `dump` wrote it: its checksum is that of its bytes, and none of its values is read for that."""
    end = len(START) + len(UNSIGNED)
    return data.startswith(START) and data[len(START) : end] == _sha256(
        START, UNSIGNED.encode(), memoryview(data)[end:]
    )


def glance(data: bytes, where: str) -> Written | None:
    """Read all but the jobs; None of a file that somebody else wrote, which has to be read whole.

    Args:
        data: Its bytes.
        where: Its name, for messages.

    Raises:
        StoreError: It is in another format.
    """
    place = data.find(JOBS)
    if place < 0 or not _unchanged(data):
        return None
    try:
        values = parse_json(data[:place] + b"}")
    except ValueError:  # somebody else's, with the right checksum
        return None
    return Written(_validated(values, where), data[place + len(JOBS) : -len(END)])


@uncollected()
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
        checksum = values.get("sha256")
        sound = _unchanged(data) or checksum == digest({k: v for k, v in values.items() if k != "sha256"})
    except (ValueError, AttributeError, RecursionError) as error:
        raise StoreError(f"{where} is damaged ({error}): {MEND}") from None
    _require_format(values, where)
    if not sound:
        raise StoreError(f"{where} was changed after it was written (sha256 differs): {MEND}")
    return _validated(_shared(values), where)


def _require_format(values: Mapping[str, Any], where: str) -> None:
    if (version := values.get("format")) != FORMAT:
        raise StoreError(
            f"{where} has the store format {version!r}, this frontdef reads format {FORMAT}. Read it with the version "
            "that wrote it (run.json names it), or choose another --out"
        )


def _validated(values: dict[str, Any], where: str) -> Head:
    _require_format(values, where)
    values.pop("sha256", None)
    try:
        return Head.model_validate(values)
    except ValidationError as error:
        raise StoreError(
            f"{where} is damaged ({error.errors()[0]['loc']}: {error.errors()[0]['msg']}): {MEND}"
        ) from None


def _shared(values: dict[str, Any]) -> dict[str, Any]:
    """The same, a text that stands in many entries once: most jobs share most of what is said of them."""
    jobs = values.get("jobs")
    for entry in jobs if isinstance(jobs, list) else ():
        about = entry.get("about") if isinstance(entry, dict) else None
        if isinstance(about, dict):
            for name, value in about.items():
                if type(value) is str:
                    about[name] = intern(value)
    return values


def digest(values: Any) -> str:
    """The sha256 over JSON values, whatever white space they are written with."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
