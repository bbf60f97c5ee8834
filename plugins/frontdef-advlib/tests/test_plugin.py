"""The distribution offers its library and its families through the entry point, and naming them costs no ML import."""

from __future__ import annotations

import importlib.metadata

import frontdef_advlib

from frontdef import registry
from frontdef.testing import PluginConformance


class TestPlugin(PluginConformance):
    distribution = "frontdef-advlib"


def test_the_entry_point_gives_the_library_and_the_families():
    assert list(frontdef_advlib.frontdef_attacks()) == ["frontdef_advlib.library:AdvLibrary"]
    assert [family.name for family in frontdef_advlib.frontdef_families()] == ["alma", "sigmazero", "pdpgd"]


def test_frontdef_finds_it():
    library = registry.get_attack_libraries()["advlib"]
    assert library.version() == importlib.metadata.version("adv-lib")
    assert registry.get_family("sigmazero").norms == ("l0",)
    assert {offer.norm for offer in registry.get_attacks(library="advlib") if offer.family.name == "fmn"} == {
        "l0", "l1", "l2", "linf",
    }  # fmt: skip


def test_what_it_is_a_library_of_is_capped():
    (adv_lib,) = [line for line in importlib.metadata.requires("frontdef-advlib") if line.startswith("adv-lib")]
    assert "<" in adv_lib
