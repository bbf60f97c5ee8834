"""What the encoder without dropout proves."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from frontdef import Certificate, Protected
from frontdef.bounds import Box, affine, margins, supports
from frontdef.certificate import leads
from frontdef.threat import ThreatModel
from frontdef_sparsecode.decoder import Decoder
from frontdef_sparsecode.front_end import FixedSparseCode
from frontdef_sparsecode.stability import Reach, reachable


class SparseCodeCertificate(Certificate):
    """Certifies what is classified alike for every code within reach."""

    statement = (
        "No ℓ∞ perturbation of radius ε changes the prediction: the codes within its reach (Hölder's inequality for "
        "each coefficient and each pair of them) are one code, or interval bounds through decoder and classifier give "
        "one class to all of them. Only the encoder without dropout."
    )

    norms = ("linf",)
    batch_size = 16

    def proof(self, protected: Protected, threat: ThreatModel) -> Callable[[Tensor, Tensor], Tensor] | None:
        """The proof for the encoder without dropout; None behind dropout."""
        front_end, classifier = protected.front_end, protected.classifier
        if not isinstance(front_end, FixedSparseCode):
            return None
        decoder = front_end.decoder
        bounded = not decoder.interpolated and supports(classifier)

        def prove(x: Tensor, y: Tensor) -> Tensor:
            reach = reachable(front_end, x, threat.eps)
            constant = reach.constant.all(1) & leads(classifier(front_end(x)), y)
            if not bounded:
                return constant
            images = decoded(decoder, Reach(front_end.on_grid(reach.low), front_end.on_grid(reach.high)))
            return constant | (margins(classifier, images.low, images.high, y) > 0)

        return prove


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
