"""Do all attacks of the diagnosis together break much more than the white-box attack?"""

from __future__ import annotations

import torch

from frontdef.checks.kit import Finding, judged, not_applicable
from frontdef.checks.masking.evidence import Evidence
from frontdef.checks.masking.statistics import share
from frontdef.checks.masking.table import CHECKS
from frontdef.verdicts.statistics import FEWEST, UNION


@CHECKS.register(
    "union",
    strength="hint",
    reference="Carlini et al. 2019 (arXiv:1902.06705): report the per-example worst case over all attacks",
)
def union(evidence: Evidence) -> Finding:
    """All attacks together break much more than the white-box attack, so its robust accuracy is far from the truth."""
    own, inside = evidence.white_box.broken, evidence.broken_inside()
    if len(inside) < 2 and bool(evidence.survivors.any()):
        return not_applicable("no other attack was run")
    beyond = torch.stack(list(inside.values())).any(dim=0) & ~own
    gain = share(beyond)
    said = f"{len(inside)} attacks together break {share(own | beyond):.0%}, PGD {share(own):.0%} of {len(own)}"
    return judged(gain >= UNION and int(beyond.sum()) >= FEWEST, said, gain, UNION)
