"""RobustBench's models from checkpoints in its own layout: FOLDER/DATASET/THREAT/NAME.pt."""

from __future__ import annotations

import base64
import hashlib
import importlib
import importlib.metadata
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from frontdef import ModelError, Preprocessing, ZooModel, ZooRequest
from frontdef.errors import UnknownNameError
from frontdef.models.state import read_state, sha256_of

FOLDER = "models"
"""Where RobustBench keeps checkpoints, from the folder that it is called in."""

INSTALL = 'pip install "frontdef-zoo[robustbench]"'


def names() -> Iterable[str]:
    """``dataset/threat model/name`` of every model of the leaderboards."""
    return [
        f"{dataset.value}/{threat.value}/{name}"
        for dataset, threats in _model_dicts().items()
        for threat, entries in threats.items()
        for name in entries
    ]


def load(request: ZooRequest) -> ZooModel:
    """A model of RobustBench; its own code builds it and reads its checkpoint.

    ``arguments = { folder = "…" }`` says where checkpoints lie, relative to the matrix file; without it, ``models``.

    Raises:
        ModelError: RobustBench is not installed, a name of another form, a checkpoint that is not on disk (and no leave
            to download), or one that is a pickle.
        UnknownNameError: A model that RobustBench does not have.
    """
    steps = request.name.split("/")
    if len(steps) != 3 or not all(steps):
        raise ModelError(
            f"robustbench:{request.name} is no DATASET/THREAT/NAME, as in robustbench:cifar10/Linf/Standard"
        )
    if request.weights is not None or request.file is not None:
        raise ModelError(
            f"a model of RobustBench has its own weights: leave weights = {str(request.weights or request.file)!r} out "
            f"(--weights), and put the file at FOLDER/{request.name}.pt. Mend: {named_folder('FOLDER')}"
        )
    if unknown := set(request.arguments) - {"folder"}:
        raise ModelError(
            f"robustbench: takes the argument folder alone, got {', '.join(sorted(unknown))}. Mend: leave it out; "
            f"where checkpoints do not lie in {FOLDER!r}, {named_folder('FOLDER')}"
        )
    dataset, threat, name = steps
    folder = request.base / Path(str(request.arguments.get("folder", FOLDER))).expanduser()
    entry = _entry(dataset, threat, name)
    files = checkpoints(folder, dataset, threat, name, entry.get("gdrive_id"))
    if not request.download:
        require_on_disk(files, folder, request.name)
    for file in files:
        if file.is_file():
            read_state_quietly(file)
    module = _module("robustbench.utils").load_model(name, model_dir=folder, dataset=dataset, threat_model=threat)
    return ZooModel(
        module,
        preprocessing=preprocessing(entry.get("preprocessing")),
        identity={
            "robustbench": importlib.metadata.version("robustbench"),
            "checkpoints": {file.name: sha256_of(file) for file in files if file.is_file()},
        },
    )


def checkpoints(folder: Path, dataset: str, threat: str, name: str, drive_id: Any) -> list[Path]:
    """The files that a model is read from: one, or one a member of an ensemble; none where timm holds it.

    Args:
        folder: Where RobustBench keeps them.
        dataset: ``cifar10``, ``cifar100``, ``imagenet``.
        threat: ``Linf``, ``L2``, ``corruptions``; all corruptions share a folder.
        name: The model's name.
        drive_id: What RobustBench's table says of its source; a list for an ensemble.
    """
    place = folder / dataset / threat.replace("_3d", "")
    if isinstance(drive_id, list):
        return [place / f"{name}.pt_m{number}.pt" for number in range(len(drive_id))]
    return [place / f"{name}.pt"]


def require_on_disk(files: Iterable[Path], folder: Path, name: str) -> None:
    """Check that nothing would have to be downloaded.

    Raises:
        ModelError: A checkpoint is missing; what is there is named.
    """
    missing = [file for file in files if not file.is_file()]
    if missing:
        there = sorted(file.relative_to(folder).with_suffix("").as_posix() for file in folder.glob("*/*/*.pt"))
        listed = f"{folder} has {', '.join(there)}" if there else f"{folder} has no checkpoint (DATASET/THREAT/NAME.pt)"
        raise ModelError(
            f"the checkpoint of robustbench:{name} is not on disk: {missing[0]}. {listed}. Nothing is downloaded "
            f"unasked. Mend: --download; or where it lies elsewhere, at FOLDER/{missing[0].relative_to(folder)}, "
            + named_folder("FOLDER")
        )


def named_folder(folder: str) -> str:
    """How a user says where checkpoints lie, for messages."""
    return f'arguments = {{ folder = "{folder}" }} in [[model]], on the command line --argument folder={folder}'


def preprocessing(name: Any) -> Preprocessing | None:
    """What RobustBench's name of a preprocessing says: ``Res256Crop224``, ``BicubicRes256Crop224``, ``Crop288``, ….

    Args:
        name: None where images are read as they are.
    """
    said = re.fullmatch(r"(Bicubic)?(?:Res(\d+))?(?:Crop(\d+))?", str(name or ""))
    if not name or said is None:
        return None
    bicubic, resize, crop = said.groups()
    size = int(resize) if resize else None
    return Preprocessing(
        # "Res224" alone is RobustBench's squeeze to 224×224; before a crop it is the shorter side.
        resize=() if size is None else (size,) if crop else (size, size),
        crop=(int(crop), int(crop)) if crop else (),
        interpolation="bicubic" if bicubic else "bilinear",
    )


def read_state_quietly(file: Path) -> None:
    """Read a checkpoint as data before RobustBench does: a pickle with code in it is refused here.

    Raises:
        ModelError: A pickle, or a damaged file.
    """
    try:
        read_state(file)
    except ModelError as error:
        if "several state dicts" not in str(error) and "no state dict" not in str(error):
            raise


def _entry(dataset: str, threat: str, name: str) -> Mapping[str, Any]:
    tables = {
        kind.value: {threat_kind.value: rows for threat_kind, rows in threats.items()}
        for kind, threats in _model_dicts().items()
    }
    if dataset not in tables:
        raise UnknownNameError("data set of RobustBench", dataset, tables)
    if threat not in tables[dataset]:
        raise UnknownNameError(f"threat model of robustbench:{dataset}", threat, tables[dataset])
    if name not in tables[dataset][threat]:
        raise UnknownNameError(f"model of robustbench:{dataset}/{threat}", name, tables[dataset][threat])
    entry: Mapping[str, Any] = tables[dataset][threat][name]
    return entry


def require_own_code() -> None:
    """Check that ``robustbench`` is RobustBench: the wheel of torchattacks 3.5.1 brings an old copy under that name.

    Raises:
        ModelError: It is not installed, or the copy was installed over it.
    """
    try:
        distribution = importlib.metadata.distribution("robustbench")
    except importlib.metadata.PackageNotFoundError:
        raise ModelError(
            "RobustBench is not installed, and its code builds its models (torchattacks brings an old copy of it, "
            f"which is not used). Mend: {INSTALL}, in an environment of its own, because it pins timm"
        ) from None
    for file in distribution.files or ():
        if str(file) in {"robustbench/utils.py", "robustbench/model_zoo/models.py"} and file.hash:
            digest = hashlib.new(file.hash.mode, Path(str(file.locate())).read_bytes()).digest()
            if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value:
                raise ModelError(
                    f"{file} is not RobustBench's: torchattacks 3.5.1 brings an old copy and was installed over it. "
                    "Mend: pip install --force-reinstall --no-deps robustbench"
                )


def _model_dicts() -> Mapping[Any, Mapping[Any, Mapping[str, Any]]]:
    tables: Mapping[Any, Any] = _module("robustbench.model_zoo").model_dicts
    return tables


def _module(name: str) -> Any:
    """A module of RobustBench, without its ``__init__``.

    That one imports the evaluation, which robustbench 1.1.1 can't: it wants ``autoattack``, which no dependency brings,
    and ``pkg_resources``, which setuptools 81 removed. Models need neither.
    """
    require_own_code()
    try:
        return importlib.import_module(name)
    except ImportError:
        pass
    package = ModuleType("robustbench")
    package.__path__ = [str(importlib.metadata.distribution("robustbench").locate_file("robustbench"))]
    sys.modules["robustbench"] = package
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ModelError(f"RobustBench can't be imported: {error}. Mend: {INSTALL}") from None
    finally:
        del sys.modules["robustbench"]  # whoever imports it later gets what it is
