"""What the front end proves: codes that no perturbation changes, and predictions that no reachable code changes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from frontdef import bounds
from frontdef.certificate import Certificate
from frontdef.threat import ThreatModel
from frontdef_polarize.front_end import DUAL_ORDER, PolarizingFrontEnd

BATCH = 100
CLEAR = 1e-4
"""By how much, relative to the largest logit, one must lead for float32 to give it the lead in every batch."""


class PropositionOne(Certificate):
    """Samples none of whose activations can reach a threshold, and which are classified correctly."""

    statement = (
        "Bakiskan et al. 2020, Proposition 1, in the form that holds: no normalized activation can reach a threshold "
        "within the threat model, so the code, and with it the prediction, does not change; the prediction is right."
    )

    @torch.no_grad()
    def certify(self, protected: nn.Module, x: Tensor, y: Tensor, threat: ThreatModel) -> Tensor:
        """Prove what can be proved, for ``linf``, ``l2`` and ``l1``.

        Args:
            protected: A polarizing front end with a classifier behind it.
            x: Images, float32 ``(N,C,H,W)`` in [0,1].
            y: Labels, int64 ``(N,)``.
            threat: The norm and the radius.

        Returns:
            bool ``(N,)``.
        """
        proved = torch.zeros(len(x), dtype=torch.bool, device=x.device)
        if threat.norm not in DUAL_ORDER:
            return proved
        front_end, classifier = protected.front_end, protected.classifier
        assert isinstance(front_end, PolarizingFrontEnd)
        assert isinstance(classifier, nn.Module)
        front_end.require_trained()
        for rows in torch.arange(len(x), device=x.device).split(BATCH):
            reach = front_end.reachable(x[rows], threat)
            low, high = front_end.codes(reach.low), front_end.codes(reach.high)
            proved[rows] = self._proves(classifier, front_end(x[rows]), low, high, y[rows])
        return proved

    def _proves(self, classifier: nn.Module, code: Tensor, low: Tensor, high: Tensor, y: Tensor) -> Tensor:
        logits: Tensor = classifier(code)
        own = logits.gather(1, y[:, None]).squeeze(1)
        rival = logits.scatter(1, y[:, None], -torch.inf).amax(1)
        right = own - rival > CLEAR * logits.abs().amax(1)
        return right & (low == high).flatten(1).all(1)


class ReachableCodes(PropositionOne):
    """The sharper one: activations in a danger zone may take any code between those that they can reach."""

    statement = (
        "The set of codes that can be reached within the threat model (activations in a danger zone take any level in "
        "between, all others keep theirs), and interval bounds of the differences of logits over that set. Contains "
        "Proposition 1 of Bakiskan et al. 2020; behind a classifier that has no bounds it is Proposition 1."
    )

    def _proves(self, classifier: nn.Module, code: Tensor, low: Tensor, high: Tensor, y: Tensor) -> Tensor:
        proved = super()._proves(classifier, code, low, high, y)
        if bounds.supports(classifier):
            proved |= bounds.certified(classifier, low, high, y)
        return proved
