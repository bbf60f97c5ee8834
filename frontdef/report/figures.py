"""Figures of a matrix as matplotlib axes that a person can go on with: brackets, curves, heat map."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib import pyplot, style
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from frontdef.errors import ConfigError, UnknownNameError
from frontdef.report import palette
from frontdef.report.layers.paper import DASHES, FORMATS, MARKERS, STYLE, UNDATED
from frontdef.threat import NORM_LABELS, check_norm, format_eps, parse_eps
from frontdef.verdicts.attacked import Models, attacks_in, unbroken
from frontdef.verdicts.bracket import Bracket
from frontdef.whole import write_whole

if TYPE_CHECKING:
    from frontdef.matrix.results import MatrixResults


class _Chosen(NamedTuple):
    """What is drawn: the brackets of one model at all radii of a norm, and the radius."""

    here: list[Bracket]
    norm: str
    eps: float
    models: Models

    @property
    def rows(self) -> list[Bracket]:
        """Those at the radius, the most robust first."""
        return sorted((row for row in self.here if row.eps == self.eps), key=lambda row: -row.worst_case)

    @property
    def where(self) -> str:
        """The threat model."""
        return f"{NORM_LABELS[check_norm(self.norm)]} ε = {format_eps(self.eps)}, n = {max(row.n for row in self.rows)}"


def _brackets(axes: Axes, chosen: _Chosen) -> None:
    """A bar a defense: certified hatched, pale up to the worst case with its interval, a tick where it is clean."""
    rows, colors = chosen.rows, palette.variables(dark=False)
    at = np.arange(len(rows))
    worst = np.array([100 * row.worst_case for row in rows])
    proved = np.array([0.0 if math.isnan(row.certified) else 100 * min(row.certified, row.worst_case) for row in rows])
    axes.barh(at, worst - proved, left=proved, height=0.45, color=colors["accent-soft"], label="not known")
    if proved.any():
        axes.barh(at, proved, height=0.45, color=colors["accent-soft"], edgecolor=colors["accent"], hatch="////",
                  linewidth=0, label="certified")  # fmt: skip
    reach = np.array([[worst[i] - 100 * row.low, 100 * row.high - worst[i]] for i, row in enumerate(rows)]).T
    axes.errorbar(worst, at, xerr=np.maximum(reach, 0), fmt="s", color=colors["accent"], ecolor=colors["ink"],
                  markersize=5, capsize=2, linewidth=1, label="worst case, 95 %")  # fmt: skip
    axes.scatter(
        [100 * row.clean for row in rows], at, marker="|", s=110, color=colors["ink"], label="clean", clip_on=False
    )
    axes.set_yticks(at, [row.defense for row in rows])
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("accuracy, %")
    axes.set_title(chosen.where, loc="left", fontsize="medium")
    axes.grid(axis="x", alpha=0.25, linewidth=0.6)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.08), ncols=4, frameon=False, fontsize="small")


def _curves(axes: Axes, chosen: _Chosen) -> None:
    """The worst case of each defense against ε."""
    colors = palette.variables(dark=False)
    for number, defense in enumerate(dict.fromkeys(row.defense for row in chosen.here)):
        rows = sorted((row for row in chosen.here if row.defense == defense), key=lambda row: row.eps)
        axes.plot(
            [0.0, *(row.eps for row in rows)],
            [100 * rows[0].clean, *(100 * row.worst_case for row in rows)],
            color=colors[f"s{number % palette.SERIES}"],
            marker=MARKERS[number % len(MARKERS)],
            linestyle=DASHES[number // palette.SERIES % len(DASHES)],
            markersize=4,
            linewidth=1.3,
            label=defense,
        )
    radii = sorted({row.eps for row in chosen.here})
    axes.set_xticks([0.0, *radii], ["clean", *map(format_eps, radii)])
    axes.set_ylim(0, 100)
    axes.set_xlabel(f"ε, {NORM_LABELS[check_norm(chosen.norm)]}")
    axes.set_ylabel("worst case, %")
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize="small")


def _heat(axes: Axes, chosen: _Chosen) -> None:
    """Robust accuracy by defense and attack, a number in every cell; empty where it was not run."""
    rows = chosen.rows
    left = [unbroken(chosen.models[row.dataset, row.classifier, row.defense], chosen.norm, chosen.eps) for row in rows]
    attacks = [name for name in attacks_in(chosen.models, chosen.norm) if any(name in shares for shares in left)]
    values = np.array([[100 * shares.get(name, math.nan) for name in attacks] for shares in left])
    scale = [tuple(channel / 255 for channel in palette.to_rgb(color)) for color in palette.scale(dark=False)]
    axes.imshow(values, vmin=0, vmax=100, cmap=ListedColormap(scale), aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        if not math.isnan(value):
            ground = palette.to_rgb(palette.scale(dark=False)[min(int(value / 100 * palette.STEPS), palette.STEPS - 1)])
            ink = "black" if palette.text_on(ground) == (0, 0, 0) else "white"
            axes.text(j, i, f"{value:.1f}", ha="center", va="center", color=ink, fontsize=8)
    axes.set_xticks(range(len(attacks)), attacks, rotation=30, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), [row.defense for row in rows])
    axes.set_title(f"{chosen.where}: robust accuracy, %", loc="left", fontsize="medium")
    axes.spines[:].set_visible(False)


DRAWN: Mapping[str, Callable[[Axes, _Chosen], None]] = {"brackets": _brackets, "curves": _curves, "heat": _heat}
"""Name → what draws it."""


def plot(
    results: MatrixResults,
    what: str = "brackets",
    *,
    norm: str | None = None,
    eps: float | str | None = None,
    dataset: str | None = None,
    classifier: str | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw one figure of a matrix.

    Args:
        results: The run.
        what: ``brackets``, ``curves`` or ``heat``.
        norm: Norm; None takes the run's first.
        eps: Radius; None takes the middle one of the norm. Curves have all of them.
        dataset: Data set; not needed where there is one.
        classifier: Classifier; not needed where there is one.
        axes: Where to draw; None makes a figure by pyplot, which a notebook shows.

    Raises:
        UnknownNameError: No such figure, norm, data set or classifier.
        ConfigError: No cell has finished, a radius that the run has not, or several models and none chosen.
    """
    if what not in DRAWN:
        raise UnknownNameError("figure", what, DRAWN)
    chosen = _choose(results, norm, eps, dataset, classifier)
    if axes is None:
        with style.context(["default", STYLE]):
            axes = pyplot.subplots(figsize=_size(what, chosen), layout="constrained")[1]
    DRAWN[what](axes, chosen)
    return axes


def save(results: MatrixResults, path: Path, what: str = "brackets", **options: Any) -> Path:
    """Write one figure of a matrix as SVG or PDF, the same bytes for the same numbers.

    Args:
        results: The run.
        path: Ends in ``.svg`` or ``.pdf``.
        what: As in `plot`.
        options: The rest of `plot`.

    Raises:
        ConfigError: Another ending, or what `plot` raises.
        StoreError: It can't be written.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise ConfigError(f"a figure is an SVG or a PDF by its ending, got {path.name!r}: name it {path.stem}.pdf")
    chosen = _choose(results, *(options.get(name) for name in ("norm", "eps", "dataset", "classifier")))
    buffer = io.BytesIO()
    with style.context(["default", STYLE]):
        figure = Figure(figsize=_size(what, chosen), layout="constrained")
        plot(results, what, **options, axes=figure.add_subplot())
        figure.savefig(buffer, format=kind, metadata=UNDATED[kind])
    write_whole(path, buffer.getvalue())
    return path


def _size(what: str, chosen: _Chosen) -> tuple[float, float]:
    return 6.4, 3.4 if what == "curves" else 1.4 + 0.28 * len(chosen.rows)


def _choose(
    results: MatrixResults, norm: str | None, eps: float | str | None, dataset: str | None, classifier: str | None
) -> _Chosen:
    every = results.brackets()
    if not every:
        raise ConfigError(f"no cell of {results.path} has finished: `{results.head.command}` goes on with it")
    for kind, name in (("data set", dataset), ("classifier", classifier)):
        names = list(dict.fromkeys(getattr(row, kind.replace(" ", "")) for row in every))
        if name is not None and name not in names:
            raise UnknownNameError(kind, name, names, f"{results.path} has these.")
    mine = [row for row in every if dataset in (None, row.dataset) and classifier in (None, row.classifier)]
    models = dict.fromkeys((row.dataset, row.classifier) for row in mine)
    if len(models) > 1:
        said = "; ".join(" and ".join(model) for model in models)
        raise ConfigError(f"a figure is of one data set and classifier, and this run has {said}: name one of each")
    norms = list(dict.fromkeys(row.norm for row in mine))
    chosen_norm = norms[0] if norm is None else norm
    if chosen_norm not in norms:
        raise UnknownNameError("norm", chosen_norm, norms, f"{results.path} has these.")
    here = [row for row in mine if row.norm == chosen_norm]
    radii = sorted({row.eps for row in here})
    radius = radii[len(radii) // 2] if eps is None else parse_eps(eps)
    if not any(math.isclose(radius, known) for known in radii):
        said = ", ".join(map(format_eps, radii))
        raise ConfigError(f"{results.path} has no {chosen_norm} ε = {format_eps(radius)}: it has {said}")
    (model,) = models
    attacked = {key: value for key, value in results.attacked.items() if key[:2] == model}
    return _Chosen(here, chosen_norm, min(radii, key=lambda known: abs(known - radius)), attacked)
