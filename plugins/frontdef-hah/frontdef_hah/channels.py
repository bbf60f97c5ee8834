"""Do the same channels fire for every image? The metric of what section 5.2.2 calls cheating (Figure 5.3)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import torch
from torch import Tensor

import frontdef
from frontdef import Protected
from frontdef.memory import at_once
from frontdef_hah.objective import n_top
from frontdef_hah.recording import conv_inputs


class ChannelParameters(frontdef.Config):
    """Of the share of an image's strongest channels that are the strongest over all images."""

    share: float = frontdef.field(
        0.1, gt=0, le=1, description="share of the channels that count as strongest, rounded up; K of eq. 5.4 has 0.1"
    )


def same_channels(
    protected: Protected, x: Tensor, y: Tensor, parameters: ChannelParameters, seed: int
) -> Mapping[str, Tensor]:
    """How many of an image's K strongest channels are among the K strongest of all images, at each convolution's input.

    Args:
        protected: The network.
        x: Images, float32 ``(N,C,H,W)`` in [0,1].
        y: Not used.
        parameters: How many channels count.
        seed: Of a randomized front end.

    Returns:
        Convolution → one share a sample: 1 where all images have the same strongest channels, about K/C where these
        have nothing to do with each other; NaN where K is C.
    """
    strengths: dict[str, list[Tensor]] = defaultdict(list)
    for batch in x.split(at_once(x.shape[1:])):
        for name, values in conv_inputs(protected, batch, seed).items():
            strengths[name].append(values.double().abs().mean((2, 3)).cpu())
    return {name: shared(torch.cat(parts), parameters.share) for name, parts in strengths.items()}


def shared(strengths: Tensor, share: float) -> Tensor:
    """Share of each row's largest values whose columns have the largest means.

    Args:
        strengths: ``(N,C)``, at least 0.
        share: K/C, rounded up to a whole K.

    Returns:
        float ``(N,)`` in [0,1]; NaN where K is C.
    """
    n_channels = strengths.shape[1]
    k = n_top(n_channels, share)
    if k == n_channels:
        return torch.full((len(strengths),), torch.nan)
    usual = torch.zeros(n_channels).index_fill_(0, strengths.mean(0).topk(k).indices, 1.0)
    return usual[strengths.topk(k, dim=1).indices].mean(1)
