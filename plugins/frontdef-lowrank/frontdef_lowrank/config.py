"""What can be set: the network, and how much of its spectrum is taken away."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

import frontdef


class LowRankConfig(frontdef.Config):
    """Network and reduction; the defaults are the report's most interesting case, Figure 7 at 40 %."""

    network: str = frontdef.field(
        "2l",
        description="what is trained and then reduced: 1l, 2l or lrl of the report, or the id of any classifier that "
        "is a sequence of layers with a linear one at its end (small-cnn, cnn4, fc2, resnet32)",
    )
    width: int = frontdef.field(
        100, ge=1, description="hidden units of 2l and lrl; the report does not give their number"
    )
    share: float = frontdef.field(
        0.4, ge=0, le=1, description="k, the bottom share of each weight's singular values; ⌊k·n⌋ of n are reduced"
    )
    how: Literal["scale", "zero"] = frontdef.field(
        "scale", description="scale them by the factor (the report's Figure 7), or zero them"
    )
    factor: float = frontdef.field(
        0.1,
        ge=0,
        le=1,
        description="what they are multiplied by when scaled: 0.1 is section 2.2 ('by a factor of 10'), 0.9 is section "
        "3.6 ('scaled down by 10%'), which contradicts it",
    )
    layers: Literal["all", "linear", "conv"] = frontdef.field(
        "all",
        description="which layers; the report has linear ones only. A kernel counts as the matrix (out, in·k·k), whose "
        "singular values are not those of the convolution as an operator",
    )
    last_layer: bool = frontdef.field(
        True, description="whether the last layer, which stands behind the front end, is reduced, too"
    )

    @model_validator(mode="after")
    def _something_is_left(self) -> Self:
        if self.how == "zero" and self.share == 1:
            raise ValueError("share = 1 with how = 'zero' zeroes every weight: choose share < 1, or how = 'scale'")
        return self
