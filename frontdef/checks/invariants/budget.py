"""What each family is run with: budgets that show a fault on 64 pixels in about a second, as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from frontdef.threat import Norm

SAMPLES, ALONE = 24, 6
"""Images of a run, and those that are attacked one by one."""

EPS: Mapping[Norm, float] = {"linf": 0.13, "l2": 0.75, "l1": 3.0, "l0": 8, "spatial": 1}
"""Radii at which ten steps of PGD break about half of the images; few values; all transformations."""

UNBOUNDED: Mapping[Norm, float] = {"linf": 1.0, "l2": 1e6, "l1": 1e6, "l0": 1e6, "spatial": 1}
"""What a minimum-norm attack is given; its examples are judged at `EPS`."""

PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "bim": {"steps": 10, "relative_step": 0.25},
    "pgd": {"steps": 10, "relative_step": 0.25},
    "mifgsm": {"steps": 10, "relative_step": 0.25},
    "cw": {"steps": 40, "lr": 0.05, "initial_const": 1.0, "binary_search_steps": 4},
    "deepfool": {"steps": 20},
    "noise": {"draws": 30},
    "apgd": {"steps": 12},
    "apgdt": {"steps": 12, "classes": 3},
    "adaptive": {"steps": 2, "probed": 8},
    "square": {"queries": 100},
    "fab": {"steps": 12},
    "fmn": {"steps": 40},
    "ddn": {"steps": 100},
    "ead": {"steps": 20, "binary_search_steps": 3, "initial_const": 0.1, "beta": 0.01, "lr": 0.02},
    "jsma": {"gamma": 0.3},
    "hopskipjump": {"steps": 4, "init_eval": 30, "max_eval": 60},
    "boundary": {"steps": 200},
    "zoo": {"steps": 60, "parallel": 32},
    "simba": {"steps": 200},
    "newtonfool": {"steps": 20, "eta": 0.05},
    "pixel": {"steps": 8},
    "difgsm": {"steps": 10, "relative_step": 0.25},
    "tifgsm": {"steps": 10, "relative_step": 0.25, "kernel": 3},
    "nifgsm": {"steps": 10, "relative_step": 0.25},
    "sinifgsm": {"steps": 10, "relative_step": 0.25, "scales": 2},
    "vmifgsm": {"steps": 10, "relative_step": 0.25, "neighbors": 2},
    "vnifgsm": {"steps": 10, "relative_step": 0.25, "neighbors": 2},
    "eotpgd": {"steps": 10, "relative_step": 0.25, "draws": 2},
    "smoothpgd": {"steps": 10, "relative_step": 0.25, "neighbors": 2},
    "transfer": {"steps": 10, "relative_step": 0.25},
    "locally-linear": {"steps": 10, "relative_step": 0.25},
}
"""Parameters by family; what is not named is the family's default."""

EFFORT = ("steps", "queries", "draws", "rotations")
"""Parameters of which more must not help the defender."""

TRANSFORMED = frozenset({"difgsm", "sinifgsm", "tifgsm"})
"""Families that do not climb the loss of the image itself."""

UNBOUND_BY_DISTANCE = frozenset({"ead", "newtonfool", "noise", "pixel", "spatial", "square"}) | TRANSFORMED
"""Families that no known distance binds: they draw, minimize another
distance, or do not climb the loss of the image itself."""

NEAR: Mapping[str, float] = {"deepfool": 0.35, "jsma": 1.0}
"""Relative excess over the exact distance, where a family cannot come nearer: one linearization of a disc overshoots
by a quarter to a third, and DeepFool does not come back; JSMA changes values in pairs."""

BASELINES = frozenset({"noise"})
"""Families that are not asked to break anything."""

LAST_ITERATE = frozenset(
    {
        *("fgsm", "bim", "pgd", "mifgsm", "difgsm", "tifgsm", "nifgsm", "sinifgsm", "vmifgsm", "vnifgsm", "newtonfool"),
        *("eotpgd", "smoothpgd", "transfer", "locally-linear"),
    }
)
"""Families whose papers return the last iterate: a later step may undo what an earlier one reached."""

PAIRED = frozenset({"jsma"})
"""Families that change pixels two at a time, one of which the model may not read."""

PROJECTED = frozenset({"pgd", "eotpgd", "transfer"})
"""Families whose every iterate is projected before it is asked about."""

ADAPTIVE = frozenset({"apgd", "apgdt"})
"""Families that halve their step where the loss no longer grows."""

BLOCKED_BY_THE_BOX = frozenset({("fgsm", "l2"), ("fgsm", "l1")})
"""Single steps along a gradient of which the box takes a part: what is left of the radius is never spent."""

EXPENSIVE = frozenset(
    {
        *("adaptive", "autoattack", "boundary", "cascade", "cw", "ddn", "deepfool", "ead", "fab", "fmn", "hopskipjump"),
        *("jsma", "newtonfool", "pixel", "simba", "spatial", "square", "zoo"),
    }
)
"""Families that need seconds a row; the fast suite leaves them to the slow one."""
