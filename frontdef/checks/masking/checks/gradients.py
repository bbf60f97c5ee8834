"""Was there a gradient to follow, and did it lead uphill?

Where the cross-entropy's does not, as its derivative underflows where a sample is classified by a wide margin, those of
the margin and of DLR are asked, too: an honest model needs one of them.
"""

from __future__ import annotations

from torch import Tensor

from frontdef.checks.kit import Finding, not_applicable
from frontdef.checks.masking.climb import Climb
from frontdef.checks.masking.evidence import Evidence
from frontdef.checks.masking.questions import Answer, Shares, asks
from frontdef.checks.masking.statistics import TOLERATED


def stuck(evidence: Evidence, rows: Tensor) -> tuple[Tensor, list[Climb]]:
    """Samples on which the cross-entropy leads nowhere, and how the other losses do on them.

    Args:
        evidence: Of the model.
        rows: Which, bool ``(N,)``.

    Returns:
        Numbers of the samples, int64 ``(M,)``, and the climbs of M samples each; none where M = 0.
    """
    climbs = evidence.other_climbs(rows) if bool(rows.any()) else []
    return rows.nonzero().flatten(), [climb for climb in climbs if not climb.error]


@asks(
    "never attacked",
    strength="proof",
    reference="Athalye et al. 2018 (arXiv:1802.00420): shattered and vanishing gradients",
)
def never_attacked(evidence: Evidence) -> Answer:
    """Samples count as robust although no step of the attack on them, on any loss, had a usable gradient."""
    climb = evidence.white_box
    if climb.error:
        return Finding("alarm", f"there is no gradient at all: {climb.error}", 1.0, TOLERATED)
    helpless = evidence.survivors & ~climb.helped
    rows, others = stuck(evidence, helpless)
    for other in others:
        helpless[rows] &= ~other.helped
    return Shares(
        helpless[evidence.survivors], "zero or non-finite in every step, on every loss, for", after=" that survive"
    )


@asks(
    "loss rises",
    strength="proof",
    reference="Tramèr et al. 2020 (arXiv:2002.08347): the loss has to rise as the attack succeeds; the coin is ours",
)
def loss_rises(evidence: Evidence) -> Answer:
    """Where the attack fails, on any loss, it does not even raise it more often than a coin would."""
    climb = evidence.white_box
    if climb.error:
        return not_applicable("there is no gradient at all")
    rises = climb.rises
    rows, others = stuck(evidence, evidence.survivors & ~rises)
    for other in others:
        rises[rows] |= other.rises
    return Shares(rises[evidence.survivors], "rises for", limit=0.5, most=False, after=" that survive")
