"""What the page's script needs to work the tables out again when libraries or families are filtered."""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np

from frontdef.attacks.spec import family_of
from frontdef.checks.invariants.known import violated
from frontdef.report import tables
from frontdef.report.data import CellRow, ReportData, Score, Setting, variant
from frontdef.report.palette import STEPS
from frontdef.report.tables import VERDICTS, default_setting, groups, settings_of
from frontdef.threat import NORM_LABELS, check_norm, format_eps
from frontdef.verdicts.agreement import Agreement


def payload(data: ReportData) -> dict[str, Any]:
    """JSON values: names once, then rows that refer to them by number; samples as bits."""
    group_of = {i: number for number, group in enumerate(groups(data)) for i in group}
    cell_number = {cell.key: i for i, cell in enumerate(data.cells)}
    setting_number = {setting: i for i, setting in enumerate(data.settings)}
    said: dict[tuple[tuple[str, Any], ...], int] = {}
    return {
        "names": {"d": data.defense_names, "f": data.family_names, "l": data.library_names},
        "marks": {verdict: mark for verdict, (mark, _) in VERDICTS.items()},
        "steps": STEPS,
        "start": default_setting(data) if data.settings else 0,
        "settings": [_setting(setting, group_of[i]) for i, setting in enumerate(data.settings)],
        "clean": [
            [
                " · ".join([row.dataset, row.classifier]),
                data.defense_names.index(row.defense),
                len(row.correct),
                bits(row.correct),
            ]
            for row in data.clean
        ],
        "cells": [_cell(data, cell, said) for cell in data.cells],
        "said": list(map(dict, said)),
        "scores": [
            _trimmed(
                setting_number[row.setting],
                cell_number[row.cell],
                bits(row.broken),
                _rounded(row.distance),
                _partly(row.attacked),
                _own(row),
            )
            for row in data.scores
        ],
        "evidence": [
            [setting_number[row.setting], data.defense_names.index(row.defense), row.attack, bits(row.broken)]
            for row in data.evidence
        ],
        "agreements": [_agreement(data, row, setting_number[Setting.of(row)]) for row in data.agreements],
    }


def bits(values: np.ndarray) -> str:
    """Booleans as base64, eight to a byte, the first in the highest bit; nothing where none is true."""
    return base64.b64encode(np.packbits(values.astype(bool)).tobytes()).decode("ascii") if values.any() else ""


def _setting(setting: Setting, group: int) -> dict[str, Any]:
    return {
        "model": " · ".join(setting.model),
        "norm": setting.norm,
        "label": NORM_LABELS[check_norm(setting.norm)],
        "eps": setting.eps,
        "shown": format_eps(setting.eps),
        "group": group,
    }


def _cell(data: ReportData, cell: CellRow, said: dict[tuple[tuple[str, Any], ...], int]) -> dict[str, Any]:
    """What is known of a cell; what many of them say stands once in ``said``, and each says where."""
    shared = {
        "norm": cell.norm,
        "label": NORM_LABELS[check_norm(cell.norm)],
        "status": cell.status,
        "version": cell.library_version,
        "asked": variant(cell.surrogate, cell.parameters),
        "notes": notes(cell),
        "invalid": cell.invalid,
    }
    return {
        "d": data.defense_names.index(cell.defense),
        "f": data.family_names.index(cell.family),
        "l": data.library_names.index(cell.library),
        "at": settings_of(data, cell),
        "said": said.setdefault(tuple(shared.items()), len(said)),
        "forwards": _rounded(cell.forwards),
        "backwards": _rounded(cell.backwards),
        "seconds": _rounded(cell.seconds),
        "command": cell.command,
    }


def notes(cell: CellRow) -> str:
    """The library's own name for a cell's attack, what it does differently, and what speaks against it."""
    said = {
        "": cell.call,
        "not exact": cell.difference,
        "caveat": cell.caveat,
        "breaks invariants": ", ".join(violated(cell.library, family_of(cell.family), cell.norm)),
        "fault": "; ".join(cell.faults),
        "in float32": _lost(cell),
        "broke": ", ".join(f"{stage['broke']} by {stage['stage']}" for stage in cell.stages if stage["broke"]),
    }
    return " · ".join(f"{what}: {text}" if what else text for what, text in said.items() if text)


def _lost(cell: CellRow) -> str:
    """What float32 loses of the cross-entropy at the samples; empty where it loses nothing."""
    lost = {"loss": cell.zero_loss, "gradient": cell.zero_gradient}
    said = [f"the {what} is 0 on {share:.0%} of the samples" for what, share in lost.items() if share]
    return ", ".join(said)


def _agreement(data: ReportData, row: Agreement, setting: int) -> list[Any]:
    both = round(row.success_a * row.n) - row.only_a
    return [
        setting,
        data.defense_names.index(row.defense),
        data.family_names.index(row.family),
        data.library_names.index(row.library_a),
        data.library_names.index(row.library_b),
        row.verdict,
        both,
        row.only_a,
        row.only_b,
        row.n - both - row.only_a - row.only_b,
        _rounded(row.p_holm),
        ": ".join(filter(None, (tables.variant(data, row), row.reason))),
        row.mode,
        _rounded(row.p_value),
    ]


def _partly(attacked: np.ndarray) -> str:
    """Which samples a cell was run on; empty for all of them."""
    return "" if attacked.all() else bits(attacked)


def _trimmed(setting: int, cell: int, broken: str, *more: Any) -> list[Any]:
    """A score without what its end leaves out."""
    kept = len(more)
    while kept and more[kept - 1] in ("", None):
        kept -= 1
    return [setting, cell, broken, *more[:kept]]


def _own(score: Score) -> str | None:
    """What the attack itself succeeded on; None where that is all that it broke."""
    return None if np.array_equal(score.success, score.broken) else bits(score.success)


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.4g}")
