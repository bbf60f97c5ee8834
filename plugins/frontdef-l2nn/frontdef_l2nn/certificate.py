"""What the bounds prove: a radius in which no image changes its class."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from frontdef import Certificate, Protected, ThreatModel
from frontdef.classifiers.network import Network
from frontdef.models.digest import state_digest
from frontdef.threat import TOLERANCE, Norm
from frontdef_l2nn.bounds import SLACK, linear_norm
from frontdef_l2nn.flow import Flow, LayerBound
from frontdef_l2nn.front_end import L2NN
from frontdef_l2nn.layers import settle

TINY = 1e-9
"""More than what underflows in float32, and what float64 rounds, can add up to."""

BATCH = 256

L2_RADII: dict[Norm, Callable[[float, int], float]] = {
    "l2": lambda eps, n: eps + TOLERANCE,
    "linf": lambda eps, n: math.sqrt(n) * (eps + TOLERANCE),
    "l1": lambda eps, n: eps + TOLERANCE * math.sqrt(n),
    "l0": lambda eps, n: math.sqrt(eps) * (1 + 2 * TOLERANCE) + TOLERANCE * math.sqrt(n),
}
"""The ℓ2 ball that holds every image of a threat model, by norm: ε and the number of values to its radius."""


@dataclass(frozen=True)
class Proof:
    """The bounds of one trained network.

    Args:
        body: What is proved up to the last layer.
        head: ‖W‖ of the last layer, ℓ2.
        apart: ``(K,K)``, ‖w_a - w_b‖ of its rows.
        rounding: ``(K,2)``, what float32 adds to each logit in the last layer: slope over the image's norm, constant.
        exact: The whole network with the weights that are used, in float64 on the CPU.
    """

    body: Flow
    head: float
    apart: Tensor
    rounding: Tensor
    exact: nn.Module

    @property
    def bound(self) -> float:
        """The Lipschitz bound from image to logits, ℓ2 to ℓ2."""
        return self.body.lipschitz * self.head

    @property
    def layers(self) -> tuple[LayerBound, ...]:
        """All layers with their bounds, the last one included."""
        return (*self.body.layers, LayerBound("head", "linear", self.head))

    def radii(self, images: Tensor, labels: Tensor) -> Tensor:
        """The ℓ2 radius in which each image keeps its label.

        Args:
            images: ``(N,C,H,W)``.
            labels: int64 ``(N,)``.

        Returns:
            float64 ``(N,)``; 0 where nothing is proved, wrong predictions included.
        """
        x = images.detach().double().cpu()
        with torch.no_grad():
            logits = torch.cat([self.exact(batch) for batch in x.split(BATCH)])
        return self.radii_of(logits, labels.cpu(), x.flatten(1).norm(dim=1))

    def radii_of(self, logits: Tensor, labels: Tensor, norms: Tensor) -> Tensor:
        """The same from exact logits, by the bound of each pair of classes.

        min over k ≠ y of ``(z_y - z_k - r) / (L·‖w_y - w_k‖)``, with z the exact logits and r all that float32 can take
        from the gap at an attacked image: ``‖w_y - w_k‖·E + g_y + g_k``, of the body's error E and the last layer's g.
        ‖w_y - w_k‖ ≤ √2·‖W‖, so but for r this is at least the margin over √2 times the bound.

        Args:
            logits: float64 ``(N,K)``.
            labels: int64 ``(N,)``.
            norms: float64 ``(N,)``, ℓ2, of the images.
        """
        gaps = logits.gather(1, labels[:, None]) - logits
        # The radius without rounding is the larger one, so no attacked image in question has a larger norm than this.
        norms = (norms + self._nearest(gaps, labels))[:, None]
        body = self.apart[labels] * (norms * self.body.error[0] + self.body.error[1])
        last = norms * self.rounding[:, 0] + self.rounding[:, 1]
        certain = gaps - SLACK * (body + last.gather(1, labels[:, None]) + last) - TINY
        finite = logits.isfinite().all(1) & certain.isfinite().all(1)
        return torch.where(finite, self._nearest(certain, labels), 0.0)

    def _nearest(self, gaps: Tensor, labels: Tensor) -> Tensor:
        """Least distance at which one of the gaps can close, 0 where one is closed; ``(N,)``."""
        distances = gaps / (self.body.lipschitz * self.apart[labels]).clamp_min(TINY)
        return distances.scatter(1, labels[:, None], math.inf).amin(1).clamp_min(0)


def prove(protected: nn.Module) -> Proof | None:
    """Every bound, from the weights as they are; computed once for these weights and this precision of arithmetic.

    Args:
        protected: A `Protected` with the front end `L2NN` and a single linear layer behind it, not normalized.

    Returns:
        None for anything else, of which nothing is proved.
    """
    if not isinstance(protected, Protected) or not isinstance(protected.front_end, L2NN):
        return None
    last = _last_layer(protected.classifier)
    if last is None:
        return None
    state = (state_digest(protected), str(protected.device), _unit(protected.device))
    if protected not in _PROOFS or _PROOFS[protected][0] != state:
        _PROOFS[protected] = state, _bounds(protected, protected.front_end, last)
    return _PROOFS[protected][1]


def _bounds(protected: Protected, front_end: L2NN, last: nn.Linear) -> Proof:
    last = copy.deepcopy(last)
    network = nn.Sequential(copy.deepcopy(front_end.body), last).eval()
    settle(network)  # on the device, whose quotients are the ones that are used
    network = network.cpu()
    body = front_end.flow(_unit(protected.device))
    weight, bias = last.weight.detach().double(), last.bias
    rows = weight.norm(dim=1, keepdim=True) * SLACK
    magnitudes = rows * (body.reach + body.error)
    magnitudes[:, 1] += 0 if bias is None else bias.detach().double().abs()
    rounding = body.gamma(weight.shape[1] + 3) * magnitudes
    apart = (weight[:, None] - weight[None]).norm(dim=2) * SLACK
    return Proof(body, linear_norm(weight), apart, rounding, network.double())


_PROOFS: WeakKeyDictionary[Protected, tuple[tuple[str, str, float], Proof]] = WeakKeyDictionary()
"""The bounds of each model, with the weights, the device and the unit roundoff that they hold for.

A radius is bisected by asking at many, and the bounds are the same at all of them.
"""


class GapCertificate(Certificate):
    """Certifies by the gap of the logits, and the proved Lipschitz bound of what makes them."""

    statement = (
        "The gap of two logits changes by at most L·‖w_y - w_k‖·‖e‖₂ under a perturbation e, with L the product of the "
        "layers' proved ℓ2 bounds (Tsuzuku et al. 2018, arXiv:1802.04034, the last layer taken by pairs); float32's "
        "rounding is subtracted. ℓ∞, ℓ1 and ℓ0 follow from ‖e‖₂ ≤ √d·‖e‖∞, ‖e‖₂ ≤ ‖e‖₁ and ‖e‖₂ ≤ √‖e‖₀ on [0,1]."
    )

    norms = tuple(L2_RADII)
    batch_size = BATCH

    def proof(self, protected: Protected, threat: ThreatModel) -> Callable[[Tensor, Tensor], Tensor] | None:
        """Compare each image's proved radius with the ℓ2 ball that holds the threat model."""
        network = prove(protected)
        if network is None:
            return None
        radius = L2_RADII[threat.norm]
        return lambda x, y: network.radii(x, y) > radius(threat.eps, x[0].numel())


def _last_layer(classifier: nn.Module) -> nn.Linear | None:
    if isinstance(classifier, Network):
        plain = bool((classifier.mean == 0).all()) and bool((classifier.std == 1).all())
        classifier = classifier.body if plain else nn.Identity()
    return classifier if isinstance(classifier, nn.Linear) else None


def _unit(device: torch.device) -> float:
    """Unit roundoff of what the device calls float32: TensorFloat-32 keeps 10 bits, bfloat16 7."""
    by_precision = {"highest": 2.0**-24, "high": 2.0**-11, "medium": 2.0**-8}
    unit = by_precision[torch.get_float32_matmul_precision()]
    if device.type == "cuda" and torch.backends.cudnn.allow_tf32:
        unit = max(unit, by_precision["high"])
    return unit
