"""Interval bound propagation: what a classifier can put out for any input between two bounds.

The bounds hold for the classifier as it is computed, in float32: they are propagated in float64, and every layer widens
them by the largest error of its own arithmetic, ``γ(n) = nu/(1 − nu)`` with u = 2⁻²⁴ for a sum of n products in any
order (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1). Convolutions in TensorFloat-32, which
torch allows on CUDA unless ``torch.backends.cudnn.allow_tf32 = False``, are coarser than that.

A module is known by its type; `rule` adds another.
"""

from frontdef.bounds.box import Box, affine, rounding
from frontdef.bounds.propagation import certified, margins, propagate, supports
from frontdef.bounds.rules import RULES, rule

__all__ = ["RULES", "Box", "affine", "certified", "margins", "propagate", "rounding", "rule", "supports"]
