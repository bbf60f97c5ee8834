"""Which attacked samples are shown, and as what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from frontdef.report.data import AttackedPicture, ReportData, Setting
from frontdef.report.pictures import LONGEST, magnification, magnified, png, tiles

BYTES = 600_000
"""About what all pictures of a report may weigh."""

PER_IMAGE = 320
"""Bytes of an image beside its values: a header, an element, and its share of the caption."""

PER_CELL = 3
"""Samples of one cell at most."""


@dataclass(frozen=True)
class PictureChoice:
    """A sample of a cell that is to be shown; ``index`` is its row."""

    setting: Setting
    cell: str
    index: int


@dataclass(frozen=True)
class Thumbnail:
    """One image of a card."""

    caption: str
    source: str


@dataclass(frozen=True)
class Card:
    """An attacked sample, drawn; ``lead`` marks the strongest attack of its defense and setting."""

    picture: AttackedPicture
    panels: tuple[Thumbnail, ...]
    lead: bool


def weight(values_per_image: int) -> int:
    """Bytes of a card: four images, a value taken for one byte in base64."""
    return 4 * (values_per_image * 4 // 3 + PER_IMAGE)


def choose(data: ReportData, values_per_image: int, budget: int = BYTES) -> list[PictureChoice]:
    """Pick the samples that are shown: of each defense, setting and family, some that its strongest library broke.

    Samples that many attacks broke come first, so that one and the same image is seen under many attacks. Where the
    budget does not suffice, every defense and setting keeps its strongest attack before any gets a second picture.

    Args:
        data: Cells, scores and brackets.
        values_per_image: ``C·H·W``.
        budget: Bytes.
    """
    limit = max(budget // weight(values_per_image), len(data.defense_names))
    common: dict[tuple[str, str], np.ndarray] = {}
    for score in data.scores:
        common[score.setting.model] = common.get(score.setting.model, 0) + score.broken.astype(int)
    ranked = [
        list(_ranked(data, setting, defense, common)) for setting in data.settings for defense in data.defense_names
    ]
    rounds = (choice for wave in zip_longest(*ranked) for choice in wave if choice is not None)
    return [choice for choice, _ in zip(rounds, range(limit), strict=False)]


def _ranked(
    data: ReportData, setting: Setting, defense: str, common: dict[tuple[str, str], np.ndarray]
) -> Iterator[PictureChoice]:
    best: dict[str, tuple[int, str, str, str, np.ndarray]] = {}
    for family in data.family_names:
        for cell in data.judged.get((setting, defense, family), []):
            score = data.score_at.get((cell.key, setting))
            if score is not None and score.broken.any():
                candidate = (-int(score.broken.sum()), family, cell.library, cell.key, score.broken)
                best[family] = min(best.get(family, candidate), candidate, key=lambda item: item[:3])
    families = sorted(best.values(), key=lambda item: item[:3])  # of equals the first by name, as the table says it
    orders = [(key, _order(broken, common[setting.model])) for *_, key, broken in families]
    for rank in range(PER_CELL):
        yield from (PictureChoice(setting, key, int(order[rank])) for key, order in orders if rank < len(order))


def _order(broken: np.ndarray, common: np.ndarray) -> Sequence[int]:
    return sorted(np.flatnonzero(broken), key=lambda i: (-common[i], i))


def draw(picture: AttackedPicture, lead: bool) -> Card:
    """Turn a picture into panels: clean, attacked, perturbation ×k, after the front end."""
    delta = picture.attacked - picture.clean
    factor = magnification(delta)
    panels = [
        Thumbnail(f"clean → {picture.clean_prediction}", png(picture.clean)),
        Thumbnail(f"attacked → {picture.adversarial_prediction}", png(picture.attacked)),
        Thumbnail(f"perturbation ×{factor}", png(magnified(delta, factor))),
    ]
    if picture.seen is not None:
        panels.append(Thumbnail("after the front end", png(picture.seen)))
    return Card(picture, tuple(panels), lead)


def cards(data: ReportData) -> list[Card]:
    """All pictures as cards, the strongest attack of each defense and setting leading."""
    seen: set[tuple[Setting, str]] = set()
    drawn = []
    for picture in data.pictures:
        where = (picture.setting, picture.defense)
        drawn.append(draw(picture, where not in seen))
        seen.add(where)
    return drawn


def figure_source(images: np.ndarray) -> str:
    """A front end's own picture as a data URI: one tile a sample, at most eight."""
    return png(tiles(images[:8] if images.ndim == 4 else images), longest=8 * LONGEST)
