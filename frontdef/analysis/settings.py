"""How layers are analyzed, as data: settings that any model shares."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from frontdef.analysis.perturb import AttackSettings
from frontdef.analysis.spectrum import DENSE_LIMIT
from frontdef.config import Config, field

Exponent = Annotated[float, Field(gt=0)] | Literal["inf"]


class RatioSettings(Config):
    """The perturbation-to-signal ratio, equation 3.1."""

    p: tuple[Exponent, ...] = field((2.0,), min_length=1, description="of the norms; 'inf' for the maximum")
    truncate: bool = field(
        False,
        description="cut attacked images off to 256 levels before they are looked at, as the dissertation's code does; "
        "the paper does not say so",
    )

    @property
    def norms(self) -> tuple[float, ...]:
        """The exponents as numbers."""
        return tuple(dict.fromkeys(float(p) for p in self.p))


class WeightSettings(Config):
    """Statistics of the weights."""

    linear: bool = field(False, description="singular values of linear layers as well")
    top: int = field(64, ge=1, description="how many of the largest singular values, where the matrix is too large")
    dense_limit: int = field(
        DENSE_LIMIT, ge=1, description="smaller side of the matrix up to which all singular values are computed"
    )


class LayerSettings(Config):
    """All that decides what is found in a model, beyond the model and the samples."""

    attack: AttackSettings = field(default_factory=AttackSettings, description="the perturbation")
    ratio: RatioSettings = field(default_factory=RatioSettings, description="the perturbation-to-signal ratio")
    weights: WeightSettings = field(default_factory=WeightSettings, description="statistics of the weights")
