"""The distribution offers its library and its families through the entry point, and naming them costs no ML import."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import pytest

from frontdef import registry


def test_the_entry_point_gives_the_library_and_the_families():
    (entry,) = importlib.metadata.entry_points(group="frontdef", name="advlib")
    module = entry.load()
    assert list(module.frontdef_attacks()) == ["frontdef_advlib.library:AdvLibrary"]
    assert [family.name for family in module.frontdef_families()] == ["alma", "sigmazero", "pdpgd"]


def test_frontdef_finds_it():
    library = registry.get_attack_libraries()["advlib"]
    assert library.version() == importlib.metadata.version("adv-lib")
    assert registry.get_family("sigmazero").norms == ("l0",)
    assert {found.norm for found in registry.get_attacks(library="advlib") if found.family.name == "fmn"} == {
        "l0", "l1", "l2", "linf",
    }  # fmt: skip


@pytest.mark.parametrize("package", ["frontdef", "adv-lib"])
def test_what_it_stands_on_is_capped(package):
    (found,) = [line for line in importlib.metadata.requires("frontdef-advlib") if line.startswith(package)]
    assert "<" in found


def test_naming_it_imports_no_ml_library():
    code = (
        "import sys, frontdef_advlib, frontdef_advlib.library as library; list(frontdef_advlib.frontdef_attacks()); "
        "list(frontdef_advlib.frontdef_families()); library.AdvLibrary().table(); "
        "print({'torch', 'art', 'adv_lib', 'visdom', 'numpy'} & set(sys.modules))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "set()"
