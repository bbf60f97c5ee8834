"""One call from a model that a user has to what it withstands: the jobs, the store and the report of a matrix."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rich.console import Console
from torch import nn

from frontdef.config import build
from frontdef.datasets import as_split
from frontdef.device import check_device
from frontdef.errors import ConfigError
from frontdef.matrix.decide import as_grown, grown
from frontdef.matrix.entries import AttackEntry, DefenseEntry, Matrix
from frontdef.matrix.live import SAMPLES, lined_up
from frontdef.matrix.plan import expand
from frontdef.matrix.results import MatrixResults
from frontdef.matrix.rows import check_titles, defense_entries_of
from frontdef.models.wrapped import Reading
from frontdef.runs.ended import OnJob
from frontdef.runs.plan import Held
from frontdef.runs.progress import PlainProgress, make_progress
from frontdef.runs.run import Settings, run
from frontdef.runs.store import Store
from frontdef.threat import check_norm, usual_eps
from frontdef.zoo import Normalization

if TYPE_CHECKING:
    from torch import Tensor

Radii = float | str | Sequence[float | str]
Wanted = str | tuple[str, Mapping[str, Any]] | DefenseEntry


def evaluate(
    model: nn.Module | Callable[[Tensor], Any],
    x: Any,
    y: Any = None,
    *,
    norm: str | Sequence[str] = "linf",
    eps: Radii | Mapping[str, Radii] | None = None,
    defenses: Iterable[Wanted] | str = ("none",),
    attacks: str | Iterable[str | AttackEntry | Mapping[str, Any]] = "standard",
    libraries: Sequence[str] | str | None = None,
    diagnose: bool = True,
    decide: bool = False,
    samples: int | None = None,
    normalize: Mapping[str, Any] | None = None,
    clean_accuracy: float | None = None,
    device: str = "cpu",
    out: str | Path | None = None,
    name: str = "model",
    seed: int = 0,
    batch_size: int = 256,
    quiet: bool = False,
    on_job: OnJob | str | None = None,
) -> MatrixResults:
    """Attack a model that is at hand, alone and behind front ends, with every library, and say what it withstands.

    What is finished is kept in ``out``: the same call goes on where it was stopped. A model that was changed is another
    model, and is never served old results.

    Args:
        model: An ``nn.Module`` from images in [0,1] to logits, a `Protected`, or a function ``x -> logits``; left as it
            was, mode, flags and values.
        x: Images: an array or tensor ``(N,C,H,W)``, a pair ``(images, labels)``, or a torch `Dataset`;
            `frontdef.datasets.as_split` says what is taken.
        y: Labels ``(N,)``, where ``x`` holds none.
        norm: ``linf``, ``l2``, ``l1``; one or several.
        eps: One radius or several, in [0,1] pixel values or as ``"8/255"``; norm → radii where there are several norms;
            None takes 8/255 in ℓ∞, 0.5 in ℓ2, 12 in ℓ1.
        defenses: Front ends to put before the model as it is: ids, or ``(id, configuration)``; ``"all"`` for each of
            each installed plugin.
        attacks: ``"quick"``, ``"standard"`` or ``"thorough"``, or a list: families by their ids, with their
            defaults, or attacks as a matrix writes them; those that name no norm run in each of the call's, those that
            name no ε at its radii.
        libraries: Attack libraries; None or ``"all"`` takes all that are installed.
        diagnose: Whether the gradient of each row is diagnosed.
        decide: Whether libraries are compared on few samples first, and on more while a comparison is undecided.
        samples: How many samples, drawn at random; None takes all.
        normalize: ``{"mean": …, "std": …}`` that the model expects; None where it does it itself.
        clean_accuracy: The share that the model is known to reach; it is refused where it does not.
        device: ``cpu`` or ``cuda``.
        out: The run folder; None takes one in the folder for temporary files.
        name: What tables call the model.
        seed: Of samples and attacks.
        batch_size: Images an attack call gets at once.
        quiet: Whether nothing is printed while it works.
        on_job: Told of each job that has ended, a `frontdef.JobEnded`: a function, or the name of a logger that a
            plugin brings, such as ``"mlflow"``. What it raises is noted, and loses nothing.

    Returns:
        What was found: ``brackets()``, ``worst()``, ``agreement()``, ``report()``, ``outcomes()``, ``sql(…)``.

    Raises:
        ModelError: The model can't be believed on, or misses its stated accuracy; the mend is named.
        ImageError: Samples that can't be used.
        ConfigError: ε out of range, a front end that does not fit.
        UnknownNameError: A defense, set, family or library that nobody offers.
        StoreError: The folder can't be written, or holds something else.
    """
    check_device(device)
    split = as_split(x, y, samples=samples, seed=seed)
    held = Held(split)
    entries = _entries(defenses)
    check_titles(entries)
    radii = _radii(norm, eps)
    columns = {"attacks": attacks, "threats": radii} if isinstance(attacks, str) else {"attack": _given(attacks, radii)}
    matrix = build(
        Matrix,
        {
            "name": re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._") or "model",
            "seed": seed,
            "samples": len(split),
            "datasets": [SAMPLES],
            "defense": entries,
            "libraries": [libraries] if isinstance(libraries, str) else libraries or (),
            "batch_size": batch_size,
            "diagnose": list(radii) if diagnose else [],
            "diagnose_samples": max(10, min(64, len(split))),
            "decide": decide,
            **columns,
        },
        "evaluate",
    )
    reading = None if normalize is None else Reading(build(Normalization, normalize, "normalize"))
    folder = Path(tempfile.mkdtemp(prefix="frontdef-")) / "run" if out is None else Path(out)
    console = Console(quiet=quiet, stderr=True)
    settings = Settings(folder, device=device, command=f"frontdef.evaluate(…, out={str(folder)!r})", on_job=on_job)
    told: set[str] = set()
    with lined_up(
        model, held, entries, name=name, reading=reading, clean_accuracy=clean_accuracy, device=device, seed=seed,
        every=defenses == "all",
    ) as lineup:  # fmt: skip
        further: Matrix | None = as_grown(matrix, Store(folder))
        while further:
            plan = expand(further, lineup, {SAMPLES: held}, device)
            progress = PlainProgress(console) if quiet else make_progress(console)
            progress.note([line for line in plan.left_out() if line not in told])
            told.update(plan.left_out())
            run(plan, settings, progress)
            further = grown(further, plan, MatrixResults(folder).agreement()) if decide else None
    return MatrixResults(folder)


def _entries(defenses: Iterable[Wanted] | str) -> tuple[DefenseEntry, ...]:
    if isinstance(defenses, str):
        return defense_entries_of(defenses if defenses == "all" else [defenses])
    entries = []
    for wanted in defenses:
        if isinstance(wanted, DefenseEntry):
            entries.append(wanted)
        elif isinstance(wanted, str):
            entries.append(DefenseEntry(name=wanted))
        else:
            identifier, config = wanted
            entries.append(DefenseEntry(name=identifier, config=dict(config)))
    return tuple(entries)


def _radii(norm: str | Sequence[str], eps: Radii | Mapping[str, Radii] | None) -> dict[str, tuple[float | str, ...]]:
    """Norm → radii."""
    if isinstance(eps, Mapping):
        return {check_norm(name): _several(values) for name, values in eps.items()}
    norms = (norm,) if isinstance(norm, str) else tuple(norm)
    if eps is None:
        return {check_norm(name): (usual_eps(name),) for name in norms}
    if len(norms) > 1:
        raise ConfigError(
            f"a radius means something else in each norm: eps = {{{', '.join(f'{name!r}: …' for name in norms)}}}"
        )
    return {check_norm(name): _several(eps) for name in norms}


def _several(values: Radii) -> tuple[float | str, ...]:
    radii: Iterable[Any] = (values,) if isinstance(values, str | Real) else cast("Sequence[float | str]", values)
    return tuple(radius if isinstance(radius, str) else float(radius) for radius in radii)


def _given(
    attacks: Iterable[str | AttackEntry | Mapping[str, Any]], radii: Mapping[str, Sequence[float | str]]
) -> list[AttackEntry]:
    """Attacks as a matrix writes them, at the radii of the call where they name none."""
    entries = []
    for wanted in attacks:
        if isinstance(wanted, str):
            wanted = AttackEntry(family=wanted)
        elif not isinstance(wanted, AttackEntry | Mapping):
            raise ConfigError(
                f"attacks holds a {type(wanted).__name__}; it is a set by its name, or a list of families: "
                '["pgd", {"family": "pgd", "parameters": {"steps": 40}}]'
            )
        entry = wanted if isinstance(wanted, AttackEntry) else build(AttackEntry, wanted, "attacks")
        if entry.source is not None:
            raise ConfigError(
                f"attack {entry.family!r} names the source {entry.source.title!r}, which is trained here, and the "
                "samples at hand are there to be attacked: name a data set that has training images, in a matrix with "
                "[[model]]"
            )
        norms = (entry.norm,) if "norm" in entry.model_fields_set else tuple(radii)
        entries += [
            entry.model_copy(update={"norm": norm, "eps": entry.eps or tuple(radii.get(norm, ()))}) for norm in norms
        ]
    return entries
