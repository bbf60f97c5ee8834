"""``frontdef ls`` and the same questions in Python give the same answers."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

import frontdef
from frontdef import registry
from frontdef.cli import main
from frontdef.errors import UnknownNameError

CERTIFIED = """
    import frontdef

    @frontdef.hookimpl
    def frontdef_defenses():
        front_end = "frontdef.frontend:Identity"
        yield frontdef.Defense("proved", front_end, certificate="frontdef_proved:Nothing", norms=("l1",))
        yield frontdef.Defense("drawn", front_end, randomized=True, norms=("l1", "l0"))
"""

MISSING = """
    import frontdef
    from frontdef.attacks.library import AttackLibrary

    class Lab(AttackLibrary):
        name = "lab"
        distribution = "surely-not-installed"

        def table(self):
            return {}

    class Broken(AttackLibrary):
        name = "broken"
        distribution = "frontdef"

        def table(self):
            raise RuntimeError("no table")

    class Twin(Lab):
        name = "native"
        distribution = "frontdef"

    @frontdef.hookimpl
    def frontdef_attacks():
        yield "frontdef_lab:Lab"
        yield Broken()
        yield Twin()
        yield "frontdef_lab:Gone"
"""


def ls(*arguments):
    result = CliRunner(env={"COLUMNS": "100"}).invoke(main, ["ls", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


# Options → the same keywords in Python, and what they leave.
FILTERS = {
    "": ({}, ["none", "good", "proved", "drawn"]),
    "--norm l0": ({"norm": "l0"}, ["drawn"]),
    "--norm l1": ({"norm": "l1"}, ["none", "proved", "drawn"]),
    "--certified": ({"certified": True}, ["proved"]),
    "--no-certified": ({"certified": False}, ["none", "good", "drawn"]),
    "--randomized": ({"randomized": True}, ["good", "drawn"]),
    "--norm l1 --no-randomized": ({"norm": "l1", "randomized": False}, ["none", "proved"]),
    "--certified --randomized": ({"certified": True, "randomized": True}, []),
}

FILTERED = """
    import json
    import frontdef
    from click.testing import CliRunner
    from frontdef.cli import main
    answers = {{}}
    for options, keywords in {asked!r}.items():
        printed = CliRunner().invoke(main, ["ls", "defenses", "--json", *options.split()]).stdout
        in_python = [defense.name for defense in frontdef.get_defenses(**keywords)]
        answers[options] = [[row["name"] for row in json.loads(printed)], in_python]
    print(json.dumps(answers))
"""


def test_defenses_are_filtered_alike(site):
    site.install("frontdef-proved", CERTIFIED)
    asked = {options: keywords for options, (keywords, _) in FILTERS.items()}
    answers = site.ask(FILTERED.format(asked=asked), FRONTDEF_PLUGINS="good,proved")
    assert answers == {options: [expected, expected] for options, (_, expected) in FILTERS.items()}


def test_the_attack_grid_has_a_mark_for_every_family_norm_and_library():
    attacks = frontdef.get_attacks()
    libraries = list(registry.get_attack_libraries())
    header, *rows = ls("attacks").split("\n\n")[0].splitlines()
    assert header.split() == ["FAMILY", "NORM", *libraries]
    marks = sum(row.count("exact") + row.count("differs") for row in rows)
    assert marks == len(attacks)
    offered = {(attack.family.name, attack.norm) for attack in attacks}
    assert len(rows) == len(offered)
    assert sum(row.count("–") for row in rows) == len(offered) * len(libraries) - len(attacks)


def test_every_difference_is_told_in_full():
    told = " ".join(ls("attacks").split())
    for attack in frontdef.get_attacks():
        assert " ".join(attack.realization.difference.split()) in told


@pytest.mark.parametrize("filters", [{"norm": "l2"}, {"library": "native"}, {"norm": "linf", "library": "foolbox"}])
def test_attacks_are_filtered_alike(filters):
    everything = frontdef.get_attacks()
    expected = [
        (attack.family.name, attack.norm, attack.library)
        for attack in everything
        if all(getattr(attack, key) == value for key, value in filters.items())
    ]
    listing = json.loads(
        ls("attacks", "--json", *[text for key, value in filters.items() for text in (f"--{key}", value)])
    )
    assert [(row["family"], row["norm"], row["library"]) for row in listing["attacks"]] == expected
    assert 0 < len(expected) < len(everything)
    assert [(attack.family.name, attack.norm, attack.library) for attack in frontdef.get_attacks(**filters)] == expected


def test_a_library_that_cannot_be_used_is_left_out_with_its_reason(site):
    listing = json.loads(site.install("frontdef-lab", MISSING).cli("ls", "attacks", "--json").out)
    left_out = listing["left_out"]
    assert "surely-not-installed, which is not installed. Mend: pip install" in left_out["lab"]
    assert left_out["broken"] == "RuntimeError: no table (from frontdef-lab)"
    assert left_out["frontdef-lab/native"] == "attack library 'native' is there already"
    assert "no attribute 'Gone'" in left_out["Gone"]
    assert {"native", "art"} <= {row["library"] for row in listing["attacks"]}
    assert "! left out: lab." in site.cli("ls", "attacks").out


@pytest.mark.parametrize("what", ["defenses", "attacks", "datasets", "classifiers"])
def test_tables_fit_and_name_everything(what):
    table, rows = ls(what), json.loads(ls(what, "--json"))
    assert max(map(len, table.splitlines())) <= 100
    for row in rows["attacks"] if what == "attacks" else rows:
        assert row["family" if what == "attacks" else "name"] in table


def test_wrong_values_name_the_nearest():
    with pytest.raises(UnknownNameError, match=r"unknown norm 'linff'\. Did you mean 'linf'"):
        frontdef.get_defenses(norm="linff")
    with pytest.raises(UnknownNameError, match=r"unknown attack library 'foolbx'\. Did you mean 'foolbox'"):
        frontdef.get_attacks(library="foolbx")
    with pytest.raises(UnknownNameError, match=r"unknown data set 'mnits'\. Did you mean 'mnist'"):
        registry.get_dataset("mnits")
    with pytest.raises(UnknownNameError, match=r"unknown classifier 'resnet'\. Did you mean 'resnet32'"):
        registry.get_classifier("resnet")
    with pytest.raises(UnknownNameError, match=r"unknown attack family 'fgms'\. Did you mean 'fgsm'"):
        registry.get_family("fgms")
