"""Does anything that should be weaker break more? Each rival is paired with the white-box attack, sample by sample."""

from __future__ import annotations

from dataclasses import replace

from frontdef.checks.kit import Finding, judged, not_applicable
from frontdef.checks.masking.evidence import AttackResult, Evidence
from frontdef.checks.masking.statistics import LEVEL, MARGIN, share, wins
from frontdef.checks.masking.table import CHECKS


def against(evidence: Evidence, rival: AttackResult, who: str) -> Finding:
    """Compare a rival with the white-box attack; a gain that is certain but small is a hint only."""
    own = evidence.white_box.broken
    gain, p = wins(rival.broken, own)
    said = f"{who} breaks {share(rival.broken):.0%}, PGD {share(own):.0%} of {len(own)}; p = {p:.2g}"
    return judged(p < LEVEL, said, gain, MARGIN, "" if gain >= MARGIN else "hint")


@CHECKS.register(
    "one step",
    strength="proof",
    reference="Athalye et al. 2018 (arXiv:1802.00420): one-step attacks perform better than iterative attacks",
)
def one_step(evidence: Evidence) -> Finding:
    """A single step breaks more than many steps, which contain it."""
    return against(evidence, evidence.pgd("one step", steps=1), "one step")


@CHECKS.register(
    "random noise",
    strength="proof",
    reference="Athalye et al. 2018; Carlini et al. 2019 (arXiv:1902.06705), 'Try brute-force (random) search attacks'",
)
def random_noise(evidence: Evidence) -> Finding:
    """Random noise of the same size breaks more than the gradient."""
    return against(evidence, evidence.noise(), f"the worst of {evidence.budget.noise} draws")


@CHECKS.register(
    "black box",
    strength="proof",
    reference="Carlini et al. 2019, 'Apply gradient-free attacks'; Andriushchenko et al. 2020 (arXiv:1912.00049)",
)
def black_box(evidence: Evidence) -> Finding:
    """A search that asks for scores and never for a gradient breaks more than the gradient."""
    return against(evidence, evidence.search(), f"random search ({evidence.budget.queries} queries)")


@CHECKS.register(
    "transfer",
    strength="proof",
    reference="Carlini et al. 2019, 'Perform a transferability analysis'; Papernot et al. 2017 (arXiv:1602.02697)",
)
def transfer(evidence: Evidence) -> Finding:
    """Examples made without the front end break more than those made through its gradient."""
    bare = evidence.bare()
    if bare is None:
        return not_applicable("no front end to leave out, or the classifier cannot read images")
    return against(evidence, evidence.pgd("transfer", model=bare), "PGD on the bare classifier")


@CHECKS.register(
    "margin loss",
    strength="hint",
    reference="Carlini & Wagner 2017 (arXiv:1608.04644)",
)
def margin_loss(evidence: Evidence) -> Finding:
    """Another loss on the same logits breaks more, so the cross-entropy alone overstates robustness."""
    return against(evidence, evidence.pgd("margin loss", loss="margin"), "PGD on the margin")


@CHECKS.register("DLR loss", strength="hint", reference="Croce & Hein 2020 (arXiv:2003.01690), equation 6")
def dlr_loss(evidence: Evidence) -> Finding:
    """A loss that does not depend on the scale of the logits breaks more than the cross-entropy."""
    if evidence.clean.shape[1] < 3:
        return not_applicable("fewer than 3 classes")
    return against(evidence, evidence.pgd("DLR loss", loss="dlr"), "PGD on the DLR loss")


@CHECKS.register(
    "logit scale",
    strength="proof",
    reference="Carlini & Wagner 2016 (arXiv:1607.04311): distillation undone by a division",
)
def logit_scale(evidence: Evidence) -> Finding:
    """The same attack breaks more once the logits have another scale, which changes no prediction."""
    rescaled = evidence.rescaled()
    who = f"PGD on logits / {rescaled.scale:.3g}"
    finding = against(evidence, evidence.pgd("logit scale", model=rescaled), who)
    # Logits that are too large saturate the softmax; those that are too small only weigh the classes otherwise.
    return finding if rescaled.scale > 1 else replace(finding, strength="hint")


@CHECKS.register(
    "surrogate swap",
    strength="hint",
    reference="Athalye et al. 2018, section 4.1 (BPDA); Tramèr et al. 2020 (arXiv:2002.08347)",
)
def surrogate_swap(evidence: Evidence) -> Finding:
    """The gradient that the front end gives by itself is weaker than another one that it offers."""
    attacks = evidence.by_surrogate()
    if not attacks:
        return not_applicable("no other gradient is offered")
    selected, strongest = attacks[evidence.selected], attacks[evidence.strongest]
    if selected is strongest:
        return Finding("passed", f"{evidence.selected!r} is the strongest of {len(attacks)}", 0.0, MARGIN)
    gain, p = wins(strongest.broken, selected.broken)
    said = (
        f"PGD through {evidence.strongest!r} breaks {share(strongest.broken):.0%}, "
        f"through {evidence.selected!r} {share(selected.broken):.0%} of {len(selected.broken)}; p = {p:.2g}"
    )
    return judged(p < LEVEL and gain >= MARGIN, said, gain, MARGIN)
