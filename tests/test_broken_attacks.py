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
    ended = site.forked(
        "-m", "frontdef", "run", str(folder / "broken.toml"), "--out", str(folder / "run"), FRONTDEF_CACHE=str(cache)
    )
    assert ended.code == 0, ended.err
    results = frontdef.load_results(folder / "run")
    by_attack = {}
    for pair in agreement(results.outcomes(), results.examples, results.cells()):
        if "native" in (pair.library_a, pair.library_b):
            attack = pair.library_b if pair.library_a == "native" else pair.library_a
            by_attack.setdefault(attack, {})[pair.defense] = pair
    return by_attack


@pytest.mark.parametrize("attack", zoo.WEAKER, ids=name_of)
def test_weak_attacks_are_called_weaker(attack, verdicts):
    pairs = verdicts[name_of(attack)].values()
    assert "different" in {pair.verdict for pair in pairs}, [pair.reason for pair in pairs]
    assert {pair.weaker for pair in pairs if pair.verdict == "different"} == {name_of(attack)}


@pytest.mark.parametrize("attack", zoo.INVALID, ids=name_of)
def test_attacks_that_cheat_are_invalid(attack, verdicts):
    pairs = verdicts[name_of(attack)].values()
    accused = [pair for pair in pairs if pair.verdict == "invalid"]
    assert accused
    assert all(name_of(attack) in pair.reason for pair in accused)
    assert not any(pair.weaker == "native" for pair in pairs)


def test_the_right_one_is_not_accused(verdicts):
    assert {pair.verdict for pair in verdicts["right"].values()} <= {"identical", "equivalent", "inconclusive"}


def test_what_nothing_explains_is_called_unexplained(verdicts):
    assert verdicts["descends"]["none"].cause == "unexplained"
    assert verdicts["right"]["none"].cause == "random start"
