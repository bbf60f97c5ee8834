"""What can be set: the blocks, their competition, and their loss."""

from __future__ import annotations

from typing import Annotated, Literal

import frontdef

Size = Literal["auto", "vgg16", "narrow", "small"]


class HahConfig(frontdef.Config):
    """The defaults are the text's (sections 5.2 and 5.3); where the authors' code differs, the field says so."""

    size: Size = frontdef.field(
        "auto",
        description="vgg16: six blocks (64, 64, pool, 128, 128, pool, 256, 256), the paper's; small: three (16, 32, "
        "pool, 64) for gray images of 28x28; narrow: vgg16 with 5/16 of its filters (20, 20, pool, 40, 40, pool, 80, "
        "80); auto: vgg16 from 32x32 on",
    )
    hah_blocks: int | None = frontdef.field(
        None,
        ge=0,
        description="how many blocks, from the first on, are HaH blocks, the others of the front end being plain "
        "(Figure 5.10); all if absent",
    )
    implicit: bool = frontdef.field(
        True, description="implicit ℓ2 normalization of the filters, eq. 5.1; false is an ablation"
    )
    normalization: Literal["divisive", "batch"] = frontdef.field(
        "divisive", description="divisive normalization, eq. 5.2; batch norm is the ablation of Table 5.3"
    )
    sigma: float = frontdef.field(
        0.1, ge=0, le=1, description="σ of eq. 5.2: share of the largest M(loc) of an image in the divisor"
    )
    field: Literal["mean", "max3"] = frontdef.field(
        "mean",
        description="M(loc) of eq. 5.2: mean over channels (the text), or mean over channels of the maximum in a 3x3 "
        "neighborhood (the authors' code)",
    )
    threshold: Literal["quantile", "mean", "none"] = frontdef.field(
        "quantile", description="τ of eq. 5.3, an image and channel; none is the ablation of Table 5.3"
    )
    quantile: float = frontdef.field(
        0.8, gt=0, lt=1, description="share of a channel's locations below τ: 0.8 keeps 20 % of the activations"
    )
    keep: Literal["at-least", "above"] = frontdef.field(
        "at-least",
        description="what survives eq. 5.3: z ≥ τ with τ the ⌈qn⌉-th smallest of n values (the text), or z > τ with τ "
        "the ⌊qn⌋-th (the authors' code); the same where qn is no integer",
    )
    hebbian: bool = frontdef.field(
        True, description="whether the default recipe adds the HaH loss, eq. 5.5; false is the ablation of Table 5.3"
    )
    alphas: tuple[Annotated[float, frontdef.field(ge=0)], ...] = frontdef.field(
        (4.5e-3, 2.5e-3, 1.3e-3, 1e-3, 8e-4, 5e-4),
        min_length=1,
        description="α of eq. 5.5, one a block from the first on; blocks beyond have none",
    )
    anti_hebbian: float = frontdef.field(
        0.1,
        ge=0,
        description="λ of eq. 5.4, weight of the anti-Hebbian half; the authors' trainer passes 0.1 in a way that "
        "their loss ignores, which makes it 1.0 in effect",
    )
    top_share: float = frontdef.field(
        0.1, gt=0, le=1, description="K of eq. 5.4 as a share of the channels, rounded up"
    )
    propagate: bool = frontdef.field(
        False,
        description="whether a block's HaH loss moves the earlier blocks' filters, too: the naive training of section "
        "5.2.2, in which they cheat (Figure 5.3)",
    )
    standardize: bool = frontdef.field(
        True,
        description="whether the first block reads (x − mean)/std of the training images' channels, as in the authors' "
        "code; the text does not say",
    )
