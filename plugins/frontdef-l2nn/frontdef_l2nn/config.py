"""What can be set: the network, how its weights are held down, and the constants of the loss."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator
from pydantic_core import PydanticCustomError

import frontdef

WIDTHS: dict[str, tuple[int, ...]] = {"convnet": (32, 64), "resnet": (16, 32, 64)}
"""Output channels of the convolutions, by network."""

KERNELS = {"convnet": 5, "resnet": 3}


class L2NNConfig(frontdef.Config):
    """Network, constraint and loss; the defaults are those of the authors' MNIST network, "dbc: True"."""

    network: Literal["convnet", "resnet"] = frontdef.field(
        "convnet", description="convnet: the paper's two convolutions; resnet: residual blocks of two"
    )
    widths: tuple[int, ...] | None = frontdef.field(
        None,
        min_length=1,
        description="output channels of the convolutions (convnet) or stages (resnet), before the two-sided ReLU "
        "doubles them; None: (32, 64) or (16, 32, 64)",
    )
    hidden: int = frontdef.field(1024, ge=1, description="values of the hidden layer, likewise")
    kernel: int | None = frontdef.field(
        None, ge=1, description="side of the kernels in pixels, odd; None: 5 for convnet, 3 for resnet"
    )
    blocks: int = frontdef.field(3, ge=1, description="residual blocks a stage; resnet only")
    pool: int = frontdef.field(2, ge=1, description="side of the pooling windows in pixels")
    pool_stride: int | None = frontdef.field(
        None,
        ge=1,
        description="distance of the pooling windows in pixels; None takes pool; less, and they overlap: the input is "
        "then divided by √K",
    )
    divide_before_convolution: bool = frontdef.field(
        True,
        description='divide the input of each convolution by √(k²/stride²) ("dbc"); without effect with '
        "constraint = 'divide'",
    )
    constraint: Literal["regularize", "divide"] = frontdef.field(
        "regularize",
        description="regularize: only the penalty holds the weights down; divide: each weight is divided by its proved "
        "bound in every pass, so that no layer expands",
    )
    regularization: float = frontdef.field(
        0.1, ge=0, description="weight of L_w in the recipe: the w of Tables 1 and 2; 0 trains without it"
    )
    gamma: float = frontdef.field(1.0, ge=0, description="γ, weight of L_b; 1 in the authors' code, not in the paper")
    omega: float = frontdef.field(0.1, ge=0, description="ω, weight of L_c; 0.1 in the authors' code, not in the paper")
    z: float = frontdef.field(1.0, gt=0, description="z, sharpness of L_c; 1 in the authors' code, not in the paper")
    classes: int = frontdef.field(10, ge=2, description="number of classes: the loss has one factor u a logit")

    @model_validator(mode="after")
    def _possible(self) -> L2NNConfig:
        if self.widths is not None and min(self.widths) < 1:
            raise PydanticCustomError(
                "positive", "widths are at least 1 channel each, got {widths}", {"widths": str(self.widths)}
            )
        if self.kernel is not None and self.kernel % 2 == 0:
            raise PydanticCustomError(
                "odd",
                "kernel = {kernel} is even, and only odd kernels keep an image's size: {low} or {high}",
                {"kernel": self.kernel, "low": self.kernel - 1, "high": self.kernel + 1},
            )
        if self.pool_stride is not None and self.pool_stride > self.pool:
            raise PydanticCustomError(
                "gap",
                "pool_stride = {stride} leaves pixels out between windows of {pool}: at most {pool}",
                {"stride": self.pool_stride, "pool": self.pool},
            )
        return self

    def shape(self) -> tuple[tuple[int, ...], int]:
        """Widths and kernel, those of the network where none are given."""
        return self.widths or WIDTHS[self.network], self.kernel or KERNELS[self.network]
