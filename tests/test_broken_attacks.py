"""Agreement calls every wrong implementation of PGD weaker or invalid, and the right one neither."""

from __future__ import annotations

from pathlib import Path

import pytest

import frontdef
from frontdef.verdicts.agreement import agreement
from tests.plugins.conftest import Site
from tests.zoo import broken_attacks as zoo

MATRIX = """
name = "broken"
samples = 300
libraries = ["native", "right", {libraries}]
classifiers = ["fc2"]
recipe = [{{ epochs = 10, lr = 0.002 }}]
[[defense]]
name = "none"
[[defense]]
name = "saturating"
[[attack]]
family = "pgd"
eps = [0.08]
parameters = {{ steps = 20, relative_step = 0.1, random_start = true, restarts = 3 }}
"""


def name_of(attack) -> str:
    return attack.__name__.replace("_", "-")


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory, cache):
    """Attack → its verdicts against native: defense → agreement."""
    folder = tmp_path_factory.mktemp("broken")
    site = Site(folder / "site").install("frontdef-broken", Path(zoo.__file__).read_text(encoding="utf-8"))
    libraries = ", ".join(f'"{name_of(attack)}"' for attack in (*zoo.WEAKER, *zoo.INVALID))
    (folder / "broken.toml").write_text(MATRIX.format(libraries=libraries))
    ended = site.run(
        "-m", "frontdef", "run", str(folder / "broken.toml"), "--out", str(folder / "run"), FRONTDEF_CACHE=str(cache)
    )
    assert ended.code == 0, ended.err
    results = frontdef.load_results(folder / "run")
    found = {}
    for one in agreement(results.outcomes(), results.examples, results.cells()):
        if "native" in (one.library_a, one.library_b):
            other = one.library_b if one.library_a == "native" else one.library_a
            found.setdefault(other, {})[one.defense] = one
    return found


@pytest.mark.parametrize("attack", zoo.WEAKER, ids=name_of)
def test_weak_attacks_are_called_weaker(attack, verdicts):
    found = verdicts[name_of(attack)].values()
    assert "different" in {one.verdict for one in found}, [one.reason for one in found]
    assert {one.weaker for one in found if one.verdict == "different"} == {name_of(attack)}


@pytest.mark.parametrize("attack", zoo.INVALID, ids=name_of)
def test_attacks_that_cheat_are_invalid(attack, verdicts):
    found = verdicts[name_of(attack)].values()
    accused = [one for one in found if one.verdict == "invalid"]
    assert accused
    assert all(name_of(attack) in one.reason for one in accused)
    assert not any(one.weaker == "native" for one in found)


def test_the_right_one_is_not_accused(verdicts):
    assert {one.verdict for one in verdicts["right"].values()} <= {"identical", "equivalent", "inconclusive"}


def test_what_nothing_explains_is_called_unexplained(verdicts):
    assert verdicts["descends"]["none"].cause == "unexplained"
    assert verdicts["right"]["none"].cause == "random start"
