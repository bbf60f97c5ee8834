"""Run folders of one plan that several machines filled, joined into one."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from frontdef.counts import plural
from frontdef.errors import StoreError
from frontdef.runs.head import JobEntry
from frontdef.runs.integrity import CLEAN, Integrity, inspect
from frontdef.runs.sealed import same_rows
from frontdef.runs.store import Store
from frontdef.runs.versions import environment_of
from frontdef.whole import cannot_write, temporary

ASKED = ("kind", "name", "device", "radii", "samples", "live", "jobs")
"""What run folders of one plan have in common; the document may name the same files by other paths."""


@dataclass(frozen=True)
class Merged:
    """What came of it.

    Args:
        copied: Jobs that were taken over.
        missing: Jobs that no folder holds.
        failed: Jobs that failed in one folder and were done in none.
        unequal: Jobs that two folders hold with other rows; those of ``out`` are kept, else the first.
    """

    copied: int
    missing: int
    failed: int
    unequal: tuple[str, ...]


def merge(folders: Sequence[Path], out: Path) -> Merged:
    """Join run folders of one plan, once they are found to belong together and to hold what was written.

    Args:
        folders: The run folders; nothing in them is changed.
        out: The folder to fill: a new one, or one that an earlier merge or run of the same plan filled.

    Raises:
        StoreError: A folder is damaged; they are of other plans, plugins or code; a model that two of them trained came
            out with other weights; the folder can't be written.
    """
    stores = [_sound(folder) for folder in folders]
    first = stores[0].require_head()
    target = Store(out)
    everything = [*stores, target] if target.head is not None else stores
    for store in everything[1:]:
        _require_same(stores[0], store)
    _require_same_weights(everything)
    started = min(store.require_head().started for store in stores)
    notes = tuple(dict.fromkeys(note for store in stores for note in store.require_head().notes))
    command = _aimed(first.command, out)
    with target.hold():
        target.write_head(first.model_copy(update={"started": started, "notes": notes, "command": command}))
        return _join(stores, target)


def _join(stores: Sequence[Store], target: Store) -> Merged:
    first = target.require_head()
    for key in first.samples.values():
        source = next((store for store in stores if store.has_tensors(CLEAN, key)), None)
        if source is not None and not target.has_tensors(CLEAN, key):
            _copy(source.tensor_path(CLEAN, key), target.tensor_path(CLEAN, key))
    copied, unequal = 0, []
    packed: dict[tuple[str, int], list[str]] = {}
    for entry in first.jobs:
        holders = [store for store in stores if store.has(entry.table, entry.key)]
        there = target.has(entry.table, entry.key)
        if not _equal([*holders, target] if there else holders, entry):
            unequal.append(entry.what)
        if holders and not there:
            copied += 1
            _take(holders[0], target, entry)
            if not holders[0].path(entry.table, entry.key).is_file():
                packed.setdefault((entry.table, stores.index(holders[0])), []).append(entry.key)
        elif not holders and not there:
            _take_failure(stores, target, entry)
    for (table, source_number), keys in packed.items():
        for block in stores[source_number].scan(table, keys):
            target.packs.write(table, block)
    failed = sum(target.failed(entry.key) for entry in first.jobs)
    missing = sum(not target.has(entry.table, entry.key) for entry in first.jobs) - failed
    return Merged(copied, missing, failed, tuple(unequal))


def _sound(folder: Path) -> Store:
    """A run folder that holds what was written."""
    store = Store(folder)
    audit: Integrity = inspect(store)
    if audit.damaged:
        raise StoreError(
            f"{folder} is damaged, so nothing is merged ({plural(len(audit.damaged), 'file')}; {audit.damaged[0]}). "
            f"`frontdef verify {shlex.quote(str(folder))}` names them all"
        )
    return store


def _require_same(one: Store, other: Store) -> None:
    ours, theirs = one.require_head(), other.require_head()
    for name in ASKED:
        if getattr(ours, name) != getattr(theirs, name):
            raise StoreError(
                f"{one.root} and {other.root} were asked for different things ({name} differs), so they do not belong "
                "together: the same command, with another --shard and --out, fills folders that do"
            )
    differences = environment_of(ours).differences(environment_of(theirs))
    if differences:
        raise StoreError(
            f"{one.root} and {other.root} were filled by different code, so their results do not compare "
            f"({'; '.join(differences)}): install the same on each machine and run one of them again"
        )


def _require_same_weights(stores: Sequence[Store]) -> None:
    """A model that two machines trained is one model only where its weights came out the same."""
    seen: dict[str, tuple[str, Store]] = {}
    for store in stores:
        for entry, weights in _weights(store):
            known, holder = seen.setdefault(entry.model, (weights, store))
            if known != weights:
                raise StoreError(
                    f"the model of {entry.what!r} has other weights in {store.root} than in {holder.root}: it was "
                    "trained on both machines, and came out differently. Train it once (`frontdef run … --only "
                    "figures`), give every shard that --cache, and run one of the two again"
                )


def _weights(store: Store) -> Iterator[tuple[JobEntry, str]]:
    for entry in store.require_head().jobs:
        if entry.model and store.has(entry.table, entry.key):
            weights = store.about(entry.table, entry.key).get("weights")
            if weights:
                yield entry, str(weights)


def _equal(stores: Sequence[Store], entry: JobEntry) -> bool:
    if len(stores) < 2:
        return True
    rows = [store.read(entry.table, entry.key)[0] for store in stores]
    return all(same_rows(table, rows[0]) for table in rows[1:])


def _take(source: Store, target: Store, entry: JobEntry) -> None:
    if source.has_tensors(entry.table, entry.key):
        _copy(source.tensor_path(entry.table, entry.key), target.tensor_path(entry.table, entry.key))
    if source.path(entry.table, entry.key).is_file():
        _copy(source.path(entry.table, entry.key), target.path(entry.table, entry.key))
    target.forget_failures([entry.key])


def _take_failure(sources: Sequence[Store], target: Store, entry: JobEntry) -> None:
    for source in sources:
        if source.failed(entry.key):
            failure = source.failure(entry.key)
            target.write_failure(entry.table, entry.key, failure["what"], failure["error"])
            return


def _copy(source: Path, target: Path) -> None:
    """Copy a file, whole or not at all."""
    unfinished = temporary(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, unfinished)
        os.replace(unfinished, target)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise cannot_write(target, error) from error


def _aimed(command: str, out: Path) -> str:
    """A command line with the run folder of the merge in place of a shard's."""
    words = shlex.split(command)
    if "--out" in words[:-1]:
        at = words.index("--out")
        words[at : at + 2] = []
    return shlex.join([*words, "--out", str(out)])
