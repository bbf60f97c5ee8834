"""What the front end proves: codes that no perturbation changes, and predictions that no reachable code changes."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from frontdef import Protected, bounds
from frontdef.certificate import Certificate, leads
from frontdef.threat import ThreatModel
from frontdef_polarize.front_end import DUAL_ORDER, PolarizingFrontEnd


class PropositionOne(Certificate):
    """Samples none of whose activations can reach a threshold, and which are classified correctly."""

    statement = (
        "Bakiskan et al. 2020, Proposition 1, in the form that holds: no normalized activation can reach a threshold "
        "within the threat model, so the code, and with it the prediction, does not change; the prediction is right."
    )

    norms = tuple(DUAL_ORDER)

    def proof(self, protected: Protected, threat: ThreatModel) -> Callable[[Tensor, Tensor], Tensor]:
        """The proof for a polarizing front end with a classifier behind it, for ``linf``, ``l2`` and ``l1``."""
        front_end, classifier = protected.front_end, protected.classifier
        assert isinstance(front_end, PolarizingFrontEnd)
        front_end.require_trained()

        def prove(x: Tensor, y: Tensor) -> Tensor:
            reach = front_end.reachable(x, threat)
            low, high = front_end.codes(reach.low), front_end.codes(reach.high)
            return self._proves(classifier, front_end(x), low, high, y)

        return prove

    def _proves(self, classifier: nn.Module, code: Tensor, low: Tensor, high: Tensor, y: Tensor) -> Tensor:
        return leads(classifier(code), y) & (low == high).flatten(1).all(1)


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
