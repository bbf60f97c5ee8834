"""When is a difference an alarm? Exact tests, so that few samples raise none."""

from __future__ import annotations

import torch
from scipy.stats import binomtest
from torch import Tensor

LEVEL = 0.005
"""Level of every test, over all its looks: eight discordant pairs are then the least that can be an alarm."""

MARGIN = 0.05
"""A gain in success rate below it proves nothing, however certain; libraries count as equivalent within the same."""

STRONGER = 0.1
"""The gain from which an attack is a rival that may be expected to break more, on honest models, too."""

GROSS = 0.25
"""The gain from which such an attack shows more than that it is the stronger of two."""

OPEN = 0.25
"""A p-value above it is not pursued: two pairs of two are the least that is."""

TOLERATED = 0.05
"""Share of samples on which an indicator of failure may fire; a diagnosis needs the share to be larger for certain."""


def binomial(successes: int, n: int, p: float, alternative: str) -> float:
    """P-value of the exact binomial test; 1 without samples.

    Args:
        successes: How many.
        n: Of how many.
        p: Probability under the hypothesis.
        alternative: ``greater`` or ``less``.
    """
    return float(binomtest(successes, n, p, alternative=alternative).pvalue) if n else 1.0


def exceeds(hits: Tensor, tolerated: float = TOLERATED) -> bool:
    """Whether the share of hits is above what is tolerated, for certain.

    Args:
        hits: bool ``(N,)``.
        tolerated: A share.
    """
    return binomial(int(hits.sum()), len(hits), tolerated, "greater") < LEVEL


def wins(rival: Tensor, own: Tensor) -> tuple[float, float]:
    """Does a rival attack break more samples? One-sided exact McNemar test.

    Args:
        rival: bool ``(N,)``, what the rival broke.
        own: bool ``(N,)``, what the attack under suspicion broke.

    Returns:
        The gain in success rate, and the p-value.
    """
    only_rival, only_own = int((rival & ~own).sum()), int((own & ~rival).sum())
    gain = (only_rival - only_own) / max(len(own), 1)
    return gain, binomial(only_rival, only_rival + only_own, 0.5, "greater")


def share(hits: Tensor) -> float:
    """Mean of a bool tensor; 0 for an empty one."""
    return float(hits.to(torch.float64).mean()) if len(hits) else 0.0
