"""The hooks are few, on one screen, documented as they are, and every one of them reaches the user."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pluggy
import pytest

from frontdef import hookspecs
from frontdef.registry.kinds import KINDS

PAGE = Path(__file__).parents[2] / "docs" / "plugins.md"


def hooks():
    manager = pluggy.PluginManager("frontdef")
    return [name for name in dir(hookspecs) if manager.parse_hookspec_opts(hookspecs, name)]


# One plugin that offers something through every hook, and how a user would see each.
OFFERS_ALL = """
    import frontdef
    from frontdef.attacks.library import AttackLibrary, Realization
    from frontdef.attacks.spec import Family, Parameters
    from frontdef.classifiers import Classifier
    from frontdef.datasets import Dataset

    class Lab(AttackLibrary):
        name = "lab"
        distribution = "frontdef-all"

        def table(self):
            return {("swirl", "l2"): Realization("lab.swirl", run=print, difference="it swirls", causes=("step rule",))}

    @frontdef.hookimpl
    def frontdef_defenses():
        yield frontdef.Defense("my-defense", front_end="frontdef.frontend:Identity")

    @frontdef.hookimpl
    def frontdef_attacks():
        yield "frontdef_all:Lab"

    @frontdef.hookimpl
    def frontdef_families():
        yield Family("swirl", "Swirl", "", ("l2",), Parameters, "no peer")

    @frontdef.hookimpl
    def frontdef_datasets():
        yield Dataset("my-data", "frontdef_all:load", (1, 8, 8), 2)

    @frontdef.hookimpl
    def frontdef_classifiers():
        yield Classifier("my-classifier", "frontdef_all:build")

    @frontdef.hookimpl
    def frontdef_metrics():
        yield frontdef.Metric("my-metric", "frontdef_all:measure")

    @frontdef.hookimpl
    def frontdef_models():
        yield frontdef.Zoo("my-zoo", "frontdef_all:open_model", "frontdef_all:names")

    @frontdef.hookimpl
    def frontdef_loggers():
        yield frontdef.Logger("my-logger", "frontdef_all:log")
"""

REACHES = """
    import json
    from frontdef import registry as r
    (attack,) = r.get_attacks(library="lab")
    print(json.dumps({
        "frontdef_defenses": r.get_defense("my-defense").name == "my-defense",
        "frontdef_attacks": (attack.realization.difference, r.get_attack_libraries()["lab"].version())
                            == ("it swirls", "2.0"),
        "frontdef_families": r.get_family("swirl") in r.get_families() and attack.family.name == "swirl",
        "frontdef_datasets": r.get_dataset("my-data") in r.get_datasets(),
        "frontdef_classifiers": r.get_classifier("my-classifier") in r.get_classifiers(),
        "frontdef_metrics": r.get_metric("my-metric") in r.get_metrics(),
        "frontdef_models": r.get_zoo("my-zoo") in r.get_zoos(),
        "frontdef_loggers": r.get_logger("my-logger") in r.get_loggers(),
    }))
"""


def test_there_are_at_most_eight_hooks():
    assert len(hooks()) <= 8
    assert len(inspect.getsource(hookspecs).splitlines()) <= 60, "hookspecs.py fits on one screen"


@pytest.mark.parametrize("hook", hooks())
def test_a_hook_is_documented_with_its_exact_signature(hook):
    signature = str(inspect.signature(getattr(hookspecs, hook))).replace("'", "")
    assert f"`{hook}{signature}`" in PAGE.read_text(encoding="utf-8")


def test_no_other_hook_is_documented():
    assert set(re.findall(r"`(frontdef_\w+)\(", PAGE.read_text(encoding="utf-8"))) == set(hooks())


def test_the_registry_calls_every_hook():
    assert sorted(kind.hook for kind in KINDS) == sorted(hooks())


def test_what_every_hook_offers_reaches_the_user(site):
    reached = site.install("frontdef-all", OFFERS_ALL, version="2.0").ask(REACHES)
    assert reached == dict.fromkeys(hooks(), True)
