"""What the tests of a plugin import, and the core's own: fixtures, a README's snippets, and the kits.

One line of a ``conftest.py`` takes the fixtures, a class of two lines runs a kit::

    from frontdef.testing import cache, images, one_thread, own_cache  # noqa: F401

    class TestPlugin(frontdef.testing.PluginConformance):
        distribution = "frontdef-rounding"

    class TestRounding(frontdef.testing.DefenseConformance):
        defense = "rounding"
        config = {"levels": 4}

pytest is needed, and no part of frontdef's own dependencies. A name is imported when it is used: the process of
pytest-xdist that hands tests out reads a ``conftest.py``, too, and needs no ML library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from frontdef.lazy import attributes

try:
    import pytest  # noqa: F401
except ImportError:
    from frontdef.errors import MissingExtraError

    raise MissingExtraError("frontdef.testing", "pytest") from None

if TYPE_CHECKING:
    from frontdef.testing.defense import DefenseConformance
    from frontdef.testing.fixtures import cache, digits, images, one_thread, own_cache, seeded_generators
    from frontdef.testing.grid import attack_rows, defenses, libraries
    from frontdef.testing.library import LibraryConformance
    from frontdef.testing.logger import LoggerConformance
    from frontdef.testing.networks import attack, fitted_cnn, linear_model, undefended
    from frontdef.testing.plugin import PluginConformance
    from frontdef.testing.readme import Readme

__all__ = [
    "DefenseConformance",
    "LibraryConformance",
    "LoggerConformance",
    "PluginConformance",
    "Readme",
    "attack",
    "attack_rows",
    "cache",
    "defenses",
    "digits",
    "fitted_cnn",
    "images",
    "libraries",
    "linear_model",
    "one_thread",
    "own_cache",
    "seeded_generators",
    "undefended",
]

__getattr__ = attributes(
    __name__,
    {
        "frontdef.testing.defense": ("DefenseConformance",),
        "frontdef.testing.fixtures": ("cache", "digits", "images", "one_thread", "own_cache", "seeded_generators"),
        "frontdef.testing.grid": ("attack_rows", "defenses", "libraries"),
        "frontdef.testing.library": ("LibraryConformance",),
        "frontdef.testing.logger": ("LoggerConformance",),
        "frontdef.testing.networks": ("attack", "fitted_cnn", "linear_model", "undefended"),
        "frontdef.testing.plugin": ("PluginConformance",),
        "frontdef.testing.readme": ("Readme",),
    },
)
