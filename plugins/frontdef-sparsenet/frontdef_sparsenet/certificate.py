"""The certificate: no perturbation of ℓ∞ norm ε moves the logits by their margin."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from frontdef.bounds import certified, propagate
from frontdef.certificate import Certificate
from frontdef.errors import ConfigError
from frontdef.protected import Protected
from frontdef.threat import TOLERANCE, ThreatModel
from frontdef_sparsenet.front_end import SparseNetFrontEnd

Radius = float | Tensor
Bound = Callable[[SparseNetFrontEnd, nn.Module, Tensor, Tensor, Radius], Tensor]


def by_product(front_end: SparseNetFrontEnd, classifier: nn.Module, x: Tensor, y: Tensor, eps: Radius) -> Tensor:
    """Theorem 2: every output of the front end stays within ε·∏γ of the clean one.

    Behind it, with weights w and a clean margin m_i = z_y − z_i, the label is kept if m_i > ε·∏γ·‖w_y − w_i‖₁ for all
    i ≠ y, which is sharper than bounding each logit by itself. Everything is rounded outwards (`growth`).

    Args:
        front_end: Trained.
        classifier: Behind it.
        x: Images ``(N,C,H,W)`` in [0,1].
        y: Labels ``(N,)``.
        eps: ε, one for all, or one a sample: float64 ``(N,)``.

    Returns:
        bool ``(N,)``.
    """
    grown = front_end.growth()
    clean = propagate(front_end.body, x, x)
    reach = _per_sample(eps, clean.low) * grown.factor + grown.rounding
    return certified(classifier, clean.low - reach, clean.high + reach, y)


def by_intervals(front_end: SparseNetFrontEnd, classifier: nn.Module, x: Tensor, y: Tensor, eps: Radius) -> Tensor:
    """Interval bounds of each neuron in the place of one γ for a whole layer, and the image's box [0,1].

    It proves whatever `by_product` proves, but for rounding. Arguments as there.
    """
    reach = _per_sample(eps, x)
    low, high = ((x.double() + shift).clamp(-TOLERANCE, 1 + TOLERANCE) for shift in (-reach, reach))
    return certified(nn.Sequential(front_end.body, classifier), low, high, y)


def by_either(front_end: SparseNetFrontEnd, classifier: nn.Module, x: Tensor, y: Tensor, eps: Radius) -> Tensor:
    """What `by_product` or `by_intervals` proves."""
    product, intervals = (bound(front_end, classifier, x, y, eps) for bound in (by_product, by_intervals))
    return product | intervals


BOUNDS: dict[str, Bound] = {"product": by_product, "intervals": by_intervals, "both": by_either}
"""`SparseNetConfig.certificate` → the bound."""


def _per_sample(eps: Radius, like: Tensor) -> Radius:
    return eps.view(-1, *[1] * (like.ndim - 1)) if isinstance(eps, Tensor) else eps


class SparseNetCertificate(Certificate):
    """Theorem 2 of Gopalakrishnan et al. (2018), and interval bounds; ℓ∞ only."""

    statement = (
        "For every ‖e‖∞ ≤ ε the front end's output moves by ε·∏γ at most, where γ is the largest ℓ1 norm of a row of a "
        "layer (Theorem 2); if no such move, or none that interval bounds allow, closes the margin of the logits, the "
        "prediction stays. It covers this network as it is computed in float32."
    )

    norms = ("linf",)

    def proof(self, protected: Protected, threat: ThreatModel) -> Callable[[Tensor, Tensor], Tensor]:
        """The bound that the configuration names.

        Raises:
            ConfigError: Another model, or a classifier with a layer that has no interval bound.
            NotTrainedError: The front end was never trained.
        """
        if not isinstance(protected, Protected) or not isinstance(protected.front_end, SparseNetFrontEnd):
            raise ConfigError(f"this certificate is for models behind 'sparsenet', got a {type(protected).__name__}")
        front_end, classifier = protected.front_end, protected.classifier
        front_end.require_trained()
        bound = BOUNDS[front_end.config.certificate]
        # The threat model lets examples exceed ε by its tolerance.
        return lambda x, y: bound(front_end, classifier, x, y, threat.eps + TOLERANCE)
