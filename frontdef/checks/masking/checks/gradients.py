"""Was there a gradient to follow, and did it lead uphill?"""

from __future__ import annotations

from frontdef.checks.kit import Finding, judged, not_applicable
from frontdef.checks.masking.evidence import Evidence
from frontdef.checks.masking.statistics import LEVEL, TOLERATED, binomial, exceeds, share
from frontdef.checks.masking.table import CHECKS


@CHECKS.register(
    "never attacked",
    strength="proof",
    reference="Athalye et al. 2018 (arXiv:1802.00420): shattered and vanishing gradients",
)
def never_attacked(evidence: Evidence) -> Finding:
    """Samples count as robust although no step of the attack on them had a usable gradient."""
    climb = evidence.white_box
    if climb.error:
        return Finding("alarm", f"there is no gradient at all: {climb.error}", 1.0, TOLERATED)
    helpless = ~climb.usable.any(dim=0)[evidence.survivors]
    said = f"zero or non-finite in every step for {int(helpless.sum())} of {len(helpless)} that survive"
    return judged(exceeds(helpless), said, share(helpless), TOLERATED)


@CHECKS.register(
    "loss rises",
    strength="proof",
    reference="Tramèr et al. 2020 (arXiv:2002.08347): the loss has to rise as the attack succeeds; the coin is ours",
)
def loss_rises(evidence: Evidence) -> Finding:
    """Where the attack fails, it does not even raise the loss more often than a coin would."""
    climb = evidence.white_box
    if climb.error:
        return not_applicable("there is no gradient at all")
    losses = climb.losses[:, evidence.survivors]
    rises = losses[-1] > losses[0]
    p = binomial(int(rises.sum()), len(rises), 0.5, "less")
    said = f"rises for {int(rises.sum())} of {len(rises)} that survive"
    return judged(p < LEVEL, said, share(rises), 0.5)
