"""What can be set: the basis, and how much of an image survives."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Literal

import pywt
from pydantic import field_validator
from pydantic_core import PydanticCustomError

import frontdef


class WaveletConfig(frontdef.Config):
    """Basis and sparsity of the wavelet front end; the defaults are those of the paper's Table 1."""

    wavelet: str = frontdef.field(
        "bior4.4", description="discrete wavelet, by its PyWavelets name; bior4.4 is Cohen-Daubechies-Feauveau 9/7"
    )
    keep: float = frontdef.field(
        0.03, gt=0, le=1, description="ρ = K/N, the share of coefficients kept: K = ⌊ρN⌋ of N values, at least 1"
    )
    levels: int = frontdef.field(1, ge=1, description="decomposition levels; each halves the approximation band")
    mode: str = frontdef.field("periodization", description="how signals go on past the border, by its PyWavelets name")
    channels: Literal["joint", "separate"] = frontdef.field(
        "joint",
        description="joint: N = C·H·W, all channels compete; separate: N = H·W, K coefficients in each channel",
    )

    @field_validator("wavelet")
    @classmethod
    def _known_wavelet(cls, value: str) -> str:
        return _known("wavelet", value, pywt.wavelist(kind="discrete"))

    @field_validator("mode")
    @classmethod
    def _known_mode(cls, value: str) -> str:
        return _known("mode", value, pywt.Modes.modes)


def _known(kind: str, value: str, names: Sequence[str]) -> str:
    if value in names:
        return value
    near = difflib.get_close_matches(value, names, n=1, cutoff=0.5)
    hint = f" did you mean {near[0]!r}?" if near else ""
    families = {name.rstrip("0123456789.") for name in names}
    raise PydanticCustomError(
        "unknown_name",
        "no such {kind},{hint} PyWavelets has {families}",
        {"kind": kind, "hint": hint, "families": ", ".join(sorted(families))},
    )
