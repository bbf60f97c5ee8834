"""What can be set: the network, how its weights are made small and few, and what is proved with them."""

from __future__ import annotations

from typing import Annotated, Literal

import frontdef

Radius = Annotated[float, frontdef.field(gt=0)]


class SparseNetConfig(frontdef.Config):
    """Network, regularization and certificate; the defaults are Table 2, as far as the paper gives them."""

    network: str = frontdef.field(
        "fc2",
        description="what is trained, by the id of a classifier that is a sequence of linear and convolutional layers, "
        "ReLU and max-pooling with a linear layer at its end: fc2 is the paper's, cnn4 and small-cnn are larger",
    )
    strength: float = frontdef.field(
        0.01,
        ge=0,
        description="λ, weight of the penalty Σ|w| over all weights in every stage; the paper does not give it. On two "
        "classes 0.03 certifies the most, ten classes want less",
    )
    keep: float = frontdef.field(
        0.03,
        gt=0,
        le=1,
        description="ρ, share of the weights of each layer before the last that are not zero: ⌊ρn⌋ of n, at least 1. "
        "After the regularized stage the others are pruned by magnitude, then the rest is tuned; the paper does not "
        "say how it reached its ρ. 1 prunes nothing",
    )
    gamma: Radius | tuple[Radius, ...] | None = frontdef.field(
        None,
        description="γ, bound on the ℓ1 norm of each row (a filter's, for convolutions) of the layers before the last, "
        "one for all or one a layer: the rows are projected onto that ball in every pass of the training. None: only "
        "the penalty keeps them small, as in the paper's experiments",
    )
    certificate: Literal["both", "product", "intervals"] = frontdef.field(
        "both",
        description="product: ε·∏γ against the logits' margin (Theorem 2); intervals: interval bounds layer by layer; "
        "both: certified if either proves it",
    )
