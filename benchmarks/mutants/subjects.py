"""Whose code is mutated, and in which rows of its library's table it shows."""

from __future__ import annotations

from collections.abc import Mapping

Row = tuple[str, str]
"""Family and norm."""

SUBJECTS: Mapping[str, Mapping[str, tuple[Row, ...]]] = {
    "torchattacks": {
        "torchattacks.attacks.fgsm": (("fgsm", "linf"),),
        "torchattacks.attacks.bim": (("bim", "linf"),),
        "torchattacks.attacks.pgd": (("pgd", "linf"),),
        "torchattacks.attacks.pgdl2": (("pgd", "l2"),),
        "torchattacks.attacks.mifgsm": (("mifgsm", "linf"),),
        "torchattacks.attacks.eotpgd": (("eotpgd", "linf"),),
        "torchattacks.attacks.apgd": (("apgd", "linf"), ("apgd", "l2")),
        "torchattacks.attacks.apgdt": (("apgdt", "linf"),),
    },
    "foolbox": {
        "foolbox.attacks.gradient_descent_base": (("pgd", "linf"), ("pgd", "l2"), ("fgsm", "linf"), ("fgsm", "l2")),
        "foolbox.attacks.fast_gradient_method": (("fgsm", "linf"),),
        "foolbox.attacks.mi_fgsm": (("mifgsm", "linf"),),
        "foolbox.attacks.fast_minimum_norm": (("fmn", "linf"), ("fmn", "l1")),
    },
    "advlib": {
        "adv_lib.attacks.projected_gradient_descent": (("pgd", "linf"),),
        "adv_lib.attacks.auto_pgd": (("apgd", "linf"), ("apgd", "l2"), ("apgdt", "linf")),
        "adv_lib.attacks.fast_minimum_norm": (("fmn", "linf"), ("fmn", "l1")),
    },
    "art": {
        "art.attacks.evasion.fast_gradient": (("fgsm", "linf"), ("fgsm", "l2")),
        "art.attacks.evasion.projected_gradient_descent.projected_gradient_descent_pytorch": (
            *(("pgd", "linf"), ("pgd", "l2"), ("bim", "linf"), ("mifgsm", "linf")),
        ),
        "art.attacks.evasion.projected_gradient_descent.projected_gradient_descent": (("pgd", "linf"),),
        "art.attacks.evasion.momentum_iterative_method": (("mifgsm", "linf"),),
        "art.attacks.evasion.auto_projected_gradient_descent": (("apgd", "linf"), ("apgd", "l2")),
    },
}
"""Library → module → rows: the families that are exact or alike in loss."""
