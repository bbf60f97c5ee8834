"""The distribution offers its records through the entry point, and naming them costs no ML import."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import distribution, entry_points


def test_the_entry_point_gives_both_defenses_and_the_metric():
    (entry,) = entry_points(group="frontdef", name="sparsecode")
    plugin = entry.load()
    defenses = {defense.name: defense for defense in plugin.frontdef_defenses()}
    assert set(defenses) == {"sparsecode", "sparsecode-fixed"}
    for name, defense in defenses.items():
        assert "4.2" in defense.paper
        assert defense.front_end_class().randomized == defense.randomized == (name == "sparsecode")
        assert (defense.load_certificate() is None) == defense.randomized
    (metric,) = plugin.frontdef_metrics()
    assert metric.name == "sparsecode-stability"


def test_the_core_is_capped():
    assert any(
        requirement.replace(" ", "") == "frontdef<0.2,>=0.1"
        for requirement in distribution("frontdef-sparsecode").requires
    )


def test_naming_the_defenses_imports_no_ml_library():
    code = (
        "import sys, frontdef_sparsecode as s; list(s.frontdef_defenses()); list(s.frontdef_metrics()); "
        "print({'torch', 'art', 'sklearn'} & set(sys.modules))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "set()"
