"""The adapters that frontdef brings, by the kit that the author of another one runs."""

from __future__ import annotations

from frontdef.testing import LibraryConformance


class TestNative(LibraryConformance):
    library = "native"
    modules = tuple(
        f"frontdef.attacks.native.{name}"
        for name in (
            "pgd",
            "autopgd",
            "cascade",
            "adaptive",
            "square",
            "noise",
            "eotpgd",
            "smoothpgd",
            "transfer",
            "locallylinear",
        )
    )
    # The semi-white attacker calls it on another model; a single step is as long as ε, several are shorter.
    several = {("locally-linear", "knowledge"), ("locally-linear", "steps")}  # noqa: RUF012


class TestART(LibraryConformance):
    library = "art"
    modules = ("art.attacks.evasion",)
    several = {("hopskipjump", "max_eval")}  # noqa: RUF012  (queries of an estimate are one batch)


class TestFoolbox(LibraryConformance):
    library = "foolbox"
    modules = ("foolbox.attacks",)
    leaves_the_ball = {("noise", "linf"), ("newtonfool", "l2")}  # noqa: RUF012  (pinned in test_differences.py)


class TestTorchattacks(LibraryConformance):
    library = "torchattacks"
    modules = ("torchattacks",)
    side = 28  # Square cannot tile 14 pixels in l2
    leaves_the_ball = {("ead", "l1")}  # noqa: RUF012
    several = {  # noqa: RUF012  (MultiAttack, classes of another name, parts of an ensemble)
        ("pgd", "restarts"),
        ("ead", "rule"),
        ("autoattack", "version"),
        ("autoattack", "steps"),
    }
