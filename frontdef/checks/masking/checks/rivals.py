"""Does anything that should be weaker break more? Each rival is paired with the white-box attack, sample by sample."""

from __future__ import annotations

from functools import partial

from frontdef.checks.kit import not_applicable
from frontdef.checks.masking.evidence import Evidence
from frontdef.checks.masking.questions import Answer, PairedSamples, RivalAttack, asks, stronger
from frontdef.checks.masking.statistics import MARGIN


@asks(
    "one step",
    strength="proof",
    reference="Athalye et al. 2018 (arXiv:1802.00420): one-step attacks perform better than iterative attacks",
)
def one_step(evidence: Evidence) -> Answer:
    """A single step breaks more than many steps, which contain it."""
    return RivalAttack(evidence, lambda some: some.pgd("one step", steps=1), "one step")


@asks(
    "random noise",
    strength="proof",
    reference="Athalye et al. 2018; Carlini et al. 2019 (arXiv:1902.06705), 'Try brute-force (random) search attacks'",
)
def random_noise(evidence: Evidence) -> Answer:
    """Random noise of the same size breaks more than the gradient."""
    return RivalAttack(evidence, Evidence.noise, f"the worst of {evidence.budget.noise} draws")


@asks(
    "black box",
    strength="proof",
    reference="Carlini et al. 2019, 'Apply gradient-free attacks'; Andriushchenko et al. 2020 (arXiv:1912.00049)",
)
def black_box(evidence: Evidence) -> Answer:
    """A search that asks for scores and never for a gradient breaks more than the gradient."""
    return RivalAttack(evidence, Evidence.search, f"random search ({evidence.budget.queries} queries)")


@asks(
    "transfer",
    strength="proof",
    reference="Carlini et al. 2019, 'Perform a transferability analysis'; Papernot et al. 2017 (arXiv:1602.02697)",
)
def transfer(evidence: Evidence) -> Answer:
    """Examples made without the front end break more than those made through its gradient."""
    bare = evidence.bare()
    if bare is None:
        return not_applicable("no front end to leave out, or the classifier cannot read images")
    return RivalAttack(evidence, lambda some: some.pgd("transfer", model=bare), "PGD on the bare classifier")


@asks(
    "margin loss",
    strength="hint",
    reference="Carlini & Wagner 2017 (arXiv:1608.04644)",
)
def margin_loss(evidence: Evidence) -> Answer:
    """Another loss on the same logits breaks more, so the cross-entropy alone overstates robustness."""
    return stronger(evidence, partial(Evidence.on_loss, loss="margin"), "PGD on the margin")


@asks("DLR loss", strength="hint", reference="Croce & Hein 2020 (arXiv:2003.01690), equation 6")
def dlr_loss(evidence: Evidence) -> Answer:
    """A loss that does not depend on the scale of the logits breaks more than the cross-entropy."""
    if "dlr" not in evidence.losses:
        return not_applicable("fewer than 3 classes")
    return stronger(evidence, partial(Evidence.on_loss, loss="dlr"), "PGD on the DLR loss")


@asks(
    "targets",
    strength="hint",
    reference="Gowal et al. 2019 (arXiv:1910.09338), multi-targeted attack; Croce & Hein 2020, APGD-T; "
    "Melamed et al. 2024 (arXiv:2407.02240), gap over gradient norm",
)
def targets(evidence: Evidence) -> Answer:
    """Aiming at each wrong class breaks more than leaving the right one, so the loss leads where nothing is."""
    if evidence.clean.shape[1] < 3:
        return not_applicable("fewer than 3 classes: there is only one wrong one")
    return stronger(evidence, Evidence.targeted, f"PGD at each of {evidence.targets} wrong classes")


@asks(
    "logit scale",
    strength="proof",
    reference="Carlini & Wagner 2016 (arXiv:1607.04311): distillation undone by a division",
)
def logit_scale(evidence: Evidence) -> Answer:
    """The same attack breaks more once the logits have another scale, which changes no prediction."""
    rescaled, scale = evidence.rescaled()
    # Logits that are too large saturate the softmax; those that are too small only weigh the classes otherwise.
    return RivalAttack(
        evidence,
        lambda some: some.pgd("logit scale", model=rescaled),
        f"PGD on logits / {scale:.3g}",
        gross=MARGIN if scale > 1 else None,
        best=False,
    )


@asks(
    "average",
    strength="hint",
    reference="Athalye et al. 2018, section 4.2 (EOT); the libraries average logits, losses or probabilities",
)
def average(evidence: Evidence) -> Answer:
    """Averaging the logits of the draws breaks more than averaging the probabilities, by which they are judged."""
    if not evidence.randomized:
        return not_applicable("not randomized")
    averaged = evidence.model.eot(evidence.budget.eot, average="logits")
    return stronger(evidence, lambda some: some.pgd("mean logits", model=averaged), "PGD on mean logits")


@asks(
    "surrogate swap",
    strength="hint",
    reference="Athalye et al. 2018, section 4.1 (BPDA); Tramèr et al. 2020 (arXiv:2002.08347)",
)
def surrogate_swap(evidence: Evidence) -> Answer:
    """The gradient that the front end gives by itself is weaker than another one that it offers."""
    if not evidence.others:
        return not_applicable("no other gradient is offered")
    strongest, selected = evidence.through(evidence.strongest), evidence.through(evidence.selected)
    if selected.error:
        return not_applicable(f"{evidence.selected!r} gives no gradient to compare with")
    who, whom = f"PGD through {evidence.strongest!r}", f"through {evidence.selected!r}"
    return PairedSamples(strongest.broken, selected.broken, who, whom, gross=None)
