"""What can be set: what is quantized, where the thresholds are, and how the filters are trained."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import field_validator, model_validator

import frontdef


class PolarizeConfig(frontdef.Config):
    """The polarizing front end; the defaults are the paper's for MNIST, its silences filled from the authors' code."""

    source: Literal["filters", "pixels"] = frontdef.field(
        "filters",
        description="filters: quantize the normalized outputs of learned filters; pixels: quantize the pixels "
        "themselves, the baseline that the paper lacks, where nothing is learned",
    )
    activation: Literal["quantize", "dead-zone"] = frontdef.field(
        "quantize",
        description="quantize: equations 5 and 6; dead-zone: 0 between the two thresholds ±c and z itself beyond, "
        "equation 4, the activation that the paper holds against its own",
    )
    thresholds: tuple[float, ...] = frontdef.field(
        (-0.5, 0.5),
        min_length=1,
        description="c_1 < c_2 < …, the thresholds of the quantizer (equation 5), in units of normalized activations, "
        "between -1 and 1; two make it ternary (equation 6). The paper has ±0.5 for MNIST and ±0.3 for Fashion-MNIST; "
        "one of the authors' two published Fashion-MNIST models has ±0.2",
    )
    filters: int = frontdef.field(25, ge=1, description="number of filters; 25 is from the authors' code")
    size: int = frontdef.field(5, ge=1, description="height and width of a filter in pixels")
    padding: int = frontdef.field(2, ge=0, description="pixels of black around the image; 2 is from the authors' code")
    sigma1: float = frontdef.field(
        0.35, gt=0, description="width σ₁ of the bump at 0 (B₁), in units of normalized activations"
    )
    sigma2: float = frontdef.field(
        0.15, gt=0, description="width σ₂ of the bumps at the thresholds (B₂), in units of normalized activations"
    )
    clusters: tuple[int, ...] = frontdef.field(
        (),
        description="for harder data: so many clusters, evenly spaced, in stages before the second one, ascending: "
        "(3, 5) adds two stages",
    )
    epochs: int | None = frontdef.field(
        None, ge=1, description="passes over the training images in each stage; None: the paper's 20, on digits 5"
    )
    schedule: Literal["paper", "code"] = frontdef.field(
        "paper",
        description="paper: weight of the bumps linearly from 0 to 1, learning rate 1e-3 throughout; code: as in the "
        "authors' code, weight only to 1 - 1/epochs, and a tenth of the learning rate from 11/20 of the last stage on",
    )

    @field_validator("thresholds")
    @classmethod
    def _ascending(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if list(value) != sorted(set(value)):
            raise ValueError(f"thresholds ascend, each above the last: {tuple(sorted(set(value)))}")
        if not -1 < value[0] <= value[-1] < 1:
            raise ValueError("thresholds lie between -1 and 1, as normalized activations do")
        return value

    @field_validator("clusters")
    @classmethod
    def _growing(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if list(value) != sorted(set(value)) or (value and value[0] < 2):
            raise ValueError("cluster counts ascend, each above the last, from 2 on")
        return value

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if self.padding >= self.size:
            raise ValueError(f"padding is less than size = {self.size}: beyond, filters see nothing but black")
        if self.activation == "dead-zone" and (len(self.thresholds) != 2 or sum(self.thresholds) != 0):
            raise ValueError(f"a dead zone lies between -c and c, as thresholds = (-0.3, 0.3): got {self.thresholds}")
        if self.activation == "dead-zone" and self.clusters:
            raise ValueError("clusters are of a quantizer's training, and a dead zone is trained in one stage")
        return self

    @property
    def learning_stages(self) -> tuple[str, ...]:
        """Names of the training stages that change the filters, in their order."""
        if self.activation == "dead-zone":
            return ("joint",)
        return ("spread", *(f"cluster-{count}" for count in self.clusters), "polarize")


def midpoints(count: int) -> tuple[float, ...]:
    """The thresholds between ``count`` clusters spaced evenly from -1 to 1.

    >>> midpoints(3)
    (-0.5, 0.5)
    """
    return tuple((2 * index + 1) / (count - 1) - 1 for index in range(count - 1))
