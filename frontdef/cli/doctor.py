"""``frontdef doctor``."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path

import click
from packaging.requirements import Requirement
from packaging.version import Version

from frontdef.cli.answer import answer
from frontdef.cli.arguments import PATH
from frontdef.cli.probe import probe
from frontdef.cli.text import TextTable
from frontdef.registry import PluginStatus
from frontdef.registry.loader import load

COLORS = {"ok": "green", "missing": "yellow", "failed": "red"}

LIBRARIES = {
    "torch": "torch",
    "torchvision": "torchvision",
    "adversarial-robustness-toolbox": "art",
    "torchattacks": "torchattacks",
    "foolbox": "foolbox",
}
"""Distribution → module of the libraries that are imported, each in its own process."""

_DEVICES = """
import torch
cuda = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
answer = {"threads": torch.get_num_threads(), "cuda": cuda}
"""

_PLUGIN = """
from frontdef import registry
row = next(row for row in registry.plugins("resolve") if row.name == {name!r})
answer = {{"status": row.status, "reason": row.reason, "mend": row.mend}}
"""


@dataclass(frozen=True)
class Symptom:
    """What a check found.

    Args:
        state: ``ok``, ``missing`` (an extra that is not there, or a plugin that is not used) or ``failed``.
        about: What was found.
    """

    state: str
    about: str


Check = Callable[[], Symptom]


@click.command()
@click.argument("runs", nargs=-1, metavar="[RUN]...", type=PATH)
@click.option("--timeout", default=120.0, show_default=True, help="Seconds that one import may take.")
def doctor(runs: tuple[Path, ...], timeout: float) -> None:
    """Check this installation: versions, devices, cache, and every plugin in a process of its own.

    A plugin that crashes or hangs is contained there. Of each RUN it says whether this frontdef can read it, and which
    plugins that made it are not installed. Exit code 1 where anything fails.
    """
    names, checks = zip(*_checks(timeout), *((str(path), partial(_stored, path)) for path in runs), strict=True)
    table = TextTable(("CHECK", "STATE", "FOUND"), [max(map(len, names)), max(map(len, COLORS))])
    failed, found = [], {}
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        for name, finding in zip(names, pool.map(lambda check: check(), checks), strict=True):
            table.row((name, finding.state, finding.about), COLORS[finding.state])
            found[name] = {"state": finding.state, "found": finding.about}
            if finding.state == "failed":
                failed.append(name)
    answer(checks=found, failed=failed)
    if failed:
        click.echo(f"\nfailed: {', '.join(failed)}", err=True)
        sys.exit(1)


def _checks(timeout: float) -> Iterator[tuple[str, Check]]:
    yield "system", _system
    yield "requirements", _requirements
    yield "cache", _cache
    yield "data", _data
    for distribution, module in LIBRARIES.items():
        yield module, partial(_library, distribution, module, timeout)
    yield "builds", _builds
    yield "devices", partial(_devices, timeout)
    for plugin in load("metadata"):
        yield plugin.status.distribution, partial(_plugin, plugin.status, timeout)


def _system() -> Symptom:
    return Symptom("ok", f"Python {platform.python_version()}, {platform.system()} {platform.machine()}")


def _requirements() -> Symptom:
    """Compare what frontdef asks for with what is installed, its extra ``bench`` included."""
    wanted = [Requirement(line) for line in metadata.requires("frontdef") or ()]
    core = [
        requirement
        for requirement in wanted
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    ]
    bench = [
        requirement
        for requirement in wanted
        if requirement not in core and requirement.marker and requirement.marker.evaluate({"extra": "bench"})
    ]
    unmet = [line for line in map(_unmet, core) if line]
    missing = [line for line in map(_unmet, bench) if line]
    if unmet:
        return Symptom("failed", "\n".join([*unmet, "mend: pip install --upgrade frontdef"]))
    if missing:
        return Symptom("missing", "\n".join([*missing, 'mend: pip install "frontdef[bench]"']))
    return Symptom("ok", f"{len(core)} of the core and {len(bench)} of the extra bench are met")


def _unmet(wanted: Requirement) -> str:
    try:
        version = metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        return f"{wanted.name} is not installed"
    if wanted.specifier.contains(version, prereleases=True):
        return ""
    return f"{wanted.name}{wanted.specifier} is wanted, {version} is installed"


def _library(distribution: str, module: str, timeout: float) -> Symptom:
    try:
        version = metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return Symptom("missing", f'{distribution} is not installed\nmend: pip install "frontdef[bench]"')
    outcome = probe(f"import {module}\nanswer = {{}}", timeout=timeout)
    if outcome.fault:
        mend = f"mend: pip install --force-reinstall {distribution}=={version}"
        return Symptom("failed", f"{version}: {outcome.fault}\n{mend}")
    return Symptom("ok", f"{version}, imported in {outcome.seconds:.1f} s")


def _builds() -> Symptom:
    """Whether torch and torchvision, which are compiled for each other, are of one build and one release."""
    built = {}
    for name in ("torch", "torchvision"):
        try:
            built[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            return Symptom("missing", f'{name} is not installed\nmend: pip install "frontdef[bench]"')
    return _matched(built["torch"], built["torchvision"], metadata.requires("torchvision") or ())


def _matched(torch: str, torchvision: str, requires: Sequence[str]) -> Symptom:
    """Whether two versions go together.

    Args:
        torch: Version, with what follows its ``+``: ``cpu``, ``cu124``.
        torchvision: The same.
        requires: What torchvision requires.
    """
    said, (build, other) = f"torch {torch}, torchvision {torchvision}", map(_build, (torch, torchvision))
    mend = "mend: pip install --force-reinstall torch torchvision, both from the same index"
    if build and other and build != other:
        return Symptom("failed", f"{said}: one is built for {build}, the other for {other}\n{mend}")
    for requirement in map(Requirement, requires):
        if requirement.name == "torch" and not requirement.specifier.contains(Version(torch).public, prereleases=True):
            return Symptom("failed", f"{said}: that torchvision is made for torch{requirement.specifier}\n{mend}")
    return Symptom("ok", said)


def _build(version: str) -> str:
    return Version(version).local or ""


def _stored(path: Path) -> Symptom:
    """Whether a run can be read here, and whether what made it is installed."""
    from frontdef.errors import StoreError
    from frontdef.runs.store import Store

    try:
        head = Store(path).require_head()
    except StoreError as error:
        return Symptom("failed", str(error))
    installed = {distribution.name for distribution in metadata.distributions()}
    missing = sorted(name for name in head.codes if name not in installed)
    if missing:
        return Symptom("missing", f"made with {', '.join(missing)}\nmend: pip install {' '.join(missing)}")
    others = [
        f"{name} {version}, {metadata.version(name)} here"
        for name, version in head.versions.items()
        if name in installed and metadata.version(name) != version
    ]
    return Symptom(
        "ok", f"a {head.kind} of frontdef {head.frontdef}" + (f"; made with {'; '.join(others)}" if others else "")
    )


def _devices(timeout: float) -> Symptom:
    outcome = probe(_DEVICES, timeout=timeout)
    if outcome.fault:
        return Symptom("failed", outcome.fault)
    cuda = ", ".join(outcome.answer["cuda"]) or "no CUDA device"
    return Symptom("ok", f"CPU with {outcome.answer['threads']} threads; {cuda}")


def _cache() -> Symptom:
    configured = os.environ.get("FRONTDEF_CACHE")
    try:
        import platformdirs
    except ImportError:
        return Symptom("missing", 'the runner keeps trained models there\nmend: pip install "frontdef[bench]"')
    folder = Path(configured) if configured else platformdirs.user_cache_path("frontdef") / "models"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        mend = "mend: set FRONTDEF_CACHE to a folder that can be written"
        return Symptom("failed", f"{folder} can't be written: {error.strerror}\n{mend}")
    return Symptom("ok", f"{folder} can be written, {free / 1e9:.1f} GB free")


def _data() -> Symptom:
    folder = os.environ.get("FRONTDEF_DATA")
    if not folder:
        return Symptom("ok", "FRONTDEF_DATA is not set; digits needs no files, the others do")
    if not os.access(folder, os.R_OK) or not Path(folder).is_dir():
        mend = "mend: set FRONTDEF_DATA to the folder of the data sets"
        return Symptom("failed", f"FRONTDEF_DATA={folder} is no folder that can be read\n{mend}")
    return Symptom("ok", f"FRONTDEF_DATA={folder}")


def _plugin(row: PluginStatus, timeout: float) -> Symptom:
    if row.status != "ok":
        state = "missing" if row.status == "disabled" else "failed"
        return Symptom(state, f"{row.version} is {row.status}: {row.reason}\nmend: {row.mend}")
    # Alone, and not strict: only its own faults are asked for, as a row.
    environment = {
        "FRONTDEF_PLUGINS": row.distribution if row.distribution != "frontdef" else "",
        "FRONTDEF_STRICT": "0",
    }
    outcome = probe(_PLUGIN.format(name=row.name), timeout=timeout, environment=environment)
    if outcome.fault:
        mend = f"mend: pip install --upgrade {row.distribution}, or pip uninstall {row.distribution}"
        return Symptom("failed", f"{row.version}: {outcome.fault}\n{mend}")
    if outcome.answer["status"] != "ok":
        return Symptom("failed", f"{outcome.answer['reason']}\nmend: {outcome.answer['mend']}")
    return Symptom("ok", f"{row.version}, imported in {outcome.seconds:.1f} s")
