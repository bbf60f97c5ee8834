"""All corruptions by name, and those that are left out by name."""

from __future__ import annotations

import difflib

from frontdef_corruptions.blur import BLUR
from frontdef_corruptions.corruption import Corruption
from frontdef_corruptions.digital import DIGITAL
from frontdef_corruptions.noise import NOISE
from frontdef_corruptions.weather import WEATHER

CORRUPTIONS: dict[str, Corruption] = {corruption.name: corruption for corruption in (*NOISE, *BLUR, *WEATHER, *DIGITAL)}

EXTRA = ("speckle-noise", "gaussian-blur")
"""Validation corruptions of the benchmark, no part of its fifteen; the dissertation's Table 5.2 has them."""

COMMON: tuple[str, ...] = tuple(name for name in CORRUPTIONS if name not in EXTRA)
"""The benchmark's fifteen without frost."""

LEFT_OUT: dict[str, str] = {
    "frost": "it pastes photographs, which cannot be shipped, and a drawn stand-in would be another corruption",
    "spatter": "it needs OpenCV's Canny edges, distance transform and histogram equalization",
    "saturate": "a gray image has no saturation",
}


def explain_unknown(name: str) -> str:
    """Why there is no such corruption, with the nearest name or the reason why it is left out."""
    if name in LEFT_OUT:
        return f"{name!r} is left out: {LEFT_OUT[name]}"
    near = difflib.get_close_matches(name, CORRUPTIONS, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"no such corruption {name!r}.{hint} Known: {', '.join(CORRUPTIONS)}"
