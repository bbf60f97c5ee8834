"""The confidence gap: how far apart the two largest logits are, in units of what a step in the image can change."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from frontdef import Config, Protected
from frontdef_l2nn.certificate import prove


def confidence_gap(protected: Protected, x: Tensor, y: Tensor, parameters: Config, seed: int) -> Mapping[str, Tensor]:
    """Gaps of the logits, and what a proved bound makes of them.

    ``(z_1 - z_2)·1[correct] / L``, the c-gap of Tables 1 and 2; the loss of a sample's gap, 0, counts in the mean, as
    theirs does. Divided by √2 it is a certified radius; ``certified radius`` is the sharper one, by pairs of classes.

    Args:
        protected: Any defended model; without a proved bound, only ``logit gap`` applies.
        x: float32 ``(N,C,H,W)`` in [0,1].
        y: int64 ``(N,)``.
        parameters: None.
        seed: Nothing is drawn.

    Returns:
        float64 ``(N,)`` each: ``logit gap`` (no unit), ``confidence gap`` and ``certified radius`` (ℓ2 distance of
        images; NaN where no bound is proved).
    """
    logits = protected.predict(x).double()
    first, second = logits.topk(2, dim=1).values.unbind(1)
    gaps = torch.where(logits.argmax(1) == y.cpu(), first - second, 0.0)
    proof = prove(protected)
    absent = torch.full_like(gaps, float("nan"))
    return {
        "logit gap": gaps,
        "confidence gap": absent if proof is None else gaps / proof.bound,
        "certified radius": absent if proof is None else proof.radii(x, y),
    }
