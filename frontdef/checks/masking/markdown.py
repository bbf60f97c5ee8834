"""A diagnosis as Markdown, to read in a terminal or to paste into a review."""

from __future__ import annotations

from collections.abc import Iterator

from frontdef.checks import kit
from frontdef.checks.masking.record import Diagnosis, Verdict
from frontdef.threat import NORM_LABELS, format_eps
from frontdef.verdicts.resolution import POWER

SAID: dict[Verdict, str] = {
    "trusted": "nothing suggests that the gradient lies",
    "suspicious": "look closer before you believe the robust accuracy",
    "masked": "the gradient lies: its robust accuracy is not to be believed",
    "invalid": "the model is no function of a sample: no attack on it means anything",
}


def to_markdown(title: str, diagnosis: Diagnosis) -> str:
    """Verdict, reasons, and one line a check.

    Args:
        title: The command or the model.
        diagnosis: What was found.
    """
    versions = ", ".join(f"{name} {version}" for name, version in diagnosis.versions.items())
    where = (
        f"{NORM_LABELS[diagnosis.norm]} ε = {format_eps(diagnosis.eps)}; {', '.join(_counts(diagnosis))}; "
        f"{diagnosis.cost.forward:.0f} forward and {diagnosis.cost.backward:.0f} backward passes a sample, "
        f"{diagnosis.seconds:.0f} s; seed {diagnosis.seed}; {versions}"
    )
    return kit.to_markdown(
        title,
        f"**{diagnosis.verdict}**: {SAID[diagnosis.verdict]}",
        diagnosis.findings,
        above=(*(f"- {reason}" for reason in diagnosis.reasons), "", where),
        columns={
            "p (level)": lambda finding: "" if finding.p is None else f"{finding.p:.2g} ({finding.level:.2g})",
            "n": lambda finding: "" if finding.n is None else str(finding.n),
            "forward + backward": lambda finding: f"{finding.cost.forward:.0f} + {finding.cost.backward:.0f}",
        },
    )


def _counts(diagnosis: Diagnosis) -> Iterator[str]:
    yield f"{diagnosis.n} samples"
    if diagnosis.verdict == "invalid":
        return
    yield f"{diagnosis.n_correct} classified correctly"
    if diagnosis.n_certified:
        yield f"{diagnosis.n_certified} certified"
    if diagnosis.n_survived is not None:
        yield f"{diagnosis.n_survived} of {diagnosis.n_attacked} survive PGD through {diagnosis.surrogate!r}"
    if diagnosis.looks:
        yield f"looks at {', '.join(map(str, diagnosis.looks))} of at most {diagnosis.most}"
    if diagnosis.detectable is not None:
        yield f"a gain of {diagnosis.detectable:.0%} would have been seen with a probability of {POWER:.0%}"
