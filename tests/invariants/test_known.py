"""What the libraries violate today, exactly: a release that mends one, or breaks another, fails here."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from frontdef.checks.invariants import CHECKS, KNOWN, UNEXAMINED, examine, rows
from frontdef.checks.invariants.budget import EXPENSIVE, PARAMETERS
from frontdef.checks.invariants.markdown import to_grid, to_markdown
from frontdef.cli import main
from frontdef.registry import get_attack_libraries, get_families
from frontdef.threat import NORM_LABELS

PAGE = (Path(__file__).parents[2] / "docs" / "invariants.md").read_text(encoding="utf-8")
OURS = ("native", "art", "foolbox", "torchattacks")
FAMILY = {family.name: family for family in get_families()}
LIBRARY = {name: library for name, library in get_attack_libraries().items() if name in OURS}
ROWS = [(name, family.name, norm) for name, library in LIBRARY.items() for family, norm in rows(library, FAMILY)]


def known(row):
    return {check for *place, check in KNOWN if tuple(place) == row}


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, marks=pytest.mark.slow if row[1] in EXPENSIVE else (), id="-".join(row))
        for row in ROWS
        if row[:2] not in UNEXAMINED
    ],
)
def test_what_is_violated_is_known(row):
    library, family, norm = row
    report = examine(LIBRARY[library], FAMILY[family], norm)
    assert [result.name for result in report.results] == [check.name for check in CHECKS]
    found = {result.name: result.measured for result in report.violations}
    assert found.keys() == known(row), found


def test_known_violations_are_of_rows_and_checks_that_exist():
    names = {check.name for check in CHECKS}
    for *row, check in KNOWN:
        assert tuple(row) in ROWS
        assert check in names


def test_parameters_are_those_of_their_family():
    for name, given in PARAMETERS.items():
        assert given.keys() <= FAMILY[name].parameters.model_fields.keys()


def test_the_page_says_what_is_known():
    listed = re.findall(r"^\| (\w+) \| (\w+) \| (\S+) \| ([^|]+?) \| [^|]+ \| ([^|]+?) \|$", PAGE, flags=re.MULTILINE)
    said = {row[:4]: row[4] for row in listed if row[0] in OURS}
    assert said == {
        (library, family, NORM_LABELS[norm], check): why for (library, family, norm, check), why in KNOWN.items()
    }


def test_the_page_explains_every_check():
    for check in CHECKS:
        assert f"| {check.name} | {check.asks} | {check.reference} |" in PAGE


@pytest.fixture(scope="module")
def report():
    return examine(LIBRARY["foolbox"], FAMILY["fgsm"], "l1")


def test_markdown_names_what_is_violated(report):
    text = to_markdown(report)
    assert text.startswith("## foolbox fgsm ℓ1\n")
    assert "linear oracle" in text.splitlines()[2]
    assert KNOWN["foolbox", "fgsm", "l1", "linear oracle"] in text
    grid = to_grid([report])
    assert "| fgsm | ℓ1 | linear oracle, disc oracle |" in grid


def invoke(*arguments):
    return CliRunner().invoke(main, ["check-attack", *arguments])


def test_the_command():
    plain = invoke("foolbox:fgsm", "--norm", "l1")
    assert plain.exit_code == 0, "a violation is a finding, not an error"
    assert "## foolbox fgsm ℓ1" in plain.stdout
    found = json.loads(invoke("foolbox:fgsm", "--norm", "l1", "--json").stdout)
    assert {result["name"] for result in found[0]["results"] if result["status"] == "violated"} == {
        "linear oracle",
        "disc oracle",
    }
    assert invoke("foolbox:fgsm", "--norm", "l1", "--strict").exit_code == 0, "known ones are not new"


def test_strict_objects_to_new_violations(monkeypatch):
    monkeypatch.setattr("frontdef.checks.invariants.known.KNOWN", {})
    assert invoke("foolbox:fgsm", "--norm", "l1", "--strict").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name a LIBRARY"),
        (("art", "--all"), "name a LIBRARY"),
        (("arts",), "attack library"),
        (("art:pdg",), "attack family"),
        (("native:jsma",), "native does not offer jsma"),
    ],
)
def test_the_command_refuses(arguments, message):
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
