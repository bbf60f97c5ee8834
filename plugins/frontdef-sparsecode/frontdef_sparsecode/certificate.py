"""What the encoder without dropout proves."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from frontdef import Certificate
from frontdef.bounds import Box, affine, margins, supports
from frontdef.threat import ThreatModel
from frontdef_sparsecode.decoder import Decoder
from frontdef_sparsecode.stability import Reach, reachable

IMAGES = 16
"""Images whose codes are bounded at once."""

MARGIN = 1e-4
"""By how much the label must lead, relative to the logits, where a constant code alone decides: more than rounding."""


class SparseCodeCertificate(Certificate):
    """Certifies what is classified alike for every code within reach."""

    statement = (
        "No ℓ∞ perturbation of radius ε changes the prediction: the codes within its reach (Hölder's inequality for "
        "each coefficient and each pair of them) are one code, or interval bounds through decoder and classifier give "
        "one class to all of them. Only the encoder without dropout."
    )

    @torch.no_grad()
    def certify(self, protected: nn.Module, x: Tensor, y: Tensor, threat: ThreatModel) -> Tensor:
        """Prove what can be proved; all False for another norm than ℓ∞, and behind dropout."""
        front_end: Any = protected.front_end
        if threat.norm != "linf" or front_end.randomized:
            return torch.zeros_like(y, dtype=torch.bool)
        parts = zip(x.split(IMAGES), y.split(IMAGES), strict=True)
        return torch.cat([_certify(protected, *part, threat.eps) for part in parts])


def _certify(protected: Any, x: Tensor, y: Tensor, eps: float) -> Tensor:
    front_end, classifier = protected.front_end, protected.classifier
    reach = reachable(front_end, x, eps)
    logits = classifier(front_end(x))
    lead = logits.gather(1, y[:, None])[:, 0] - logits.scatter(1, y[:, None], -torch.inf).amax(1)
    proved: Tensor = reach.constant.all(1) & (lead > MARGIN * (1 + logits.abs().amax(1)))
    if front_end.decoder.interpolated or not supports(classifier):
        return proved
    images = decoded(front_end.decoder, Reach(front_end.on_grid(reach.low), front_end.on_grid(reach.high)))
    return proved | (margins(classifier, images.low, images.high, y) > 0)


def decoded(decoder: Decoder, code: Reach) -> Box:
    """Bound the decoder's output for every code between two.

    Args:
        decoder: Without interpolation, whose negative weights make it no monotone function.
        code: Bounds ``(N,L,h,w)``.
    """
    box = Box(code.low.double(), code.high.double())
    for layer in (decoder.first, decoder.second):
        box = _transposed(layer, box).map(torch.relu)
    return _transposed(decoder.third, box).map(decoder.finish)


def _transposed(layer: nn.ConvTranspose2d, box: Box) -> Box:
    def apply(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return nn.functional.conv_transpose2d(x, weight, bias, layer.stride)

    kernel, stride = layer.kernel_size[0], layer.stride[0]
    return affine(box, layer.weight, layer.bias, layer.in_channels * (-(-kernel // stride)) ** 2 + 1, apply)
