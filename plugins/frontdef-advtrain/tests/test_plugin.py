"""The distribution offers its defense through the entry point, and naming it costs no ML import."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import distribution, entry_points

from frontdef.frontend import Identity


def test_the_entry_point_gives_the_defense():
    (entry,) = entry_points(group="frontdef", name="advtrain")
    (defense,) = entry.load().frontdef_defenses()
    assert defense.name == "advtrain"
    assert "1706.06083" in defense.paper
    assert defense.front_end_class() is Identity
    assert not defense.certified


def test_the_core_is_capped():
    assert any(
        requirement.replace(" ", "") == "frontdef<0.2,>=0.1"
        for requirement in distribution("frontdef-advtrain").requires
    )


def test_naming_the_defense_imports_no_ml_library():
    code = (
        "import sys, frontdef_advtrain; list(frontdef_advtrain.frontdef_defenses()); "
        "print({'torch', 'art'} & set(sys.modules))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "set()"
