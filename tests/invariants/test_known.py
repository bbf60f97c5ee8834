"""What the libraries violate today, exactly: a release that mends one, or breaks another, fails here."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from frontdef.attacks import foolbox
from frontdef.attacks.library import Violation
from frontdef.checks.invariants import CHECKS, examine, rows, to_grid, to_markdown, violated
from frontdef.checks.invariants.budget import PARAMETERS
from frontdef.cli import main
from frontdef.registry import get_attack_libraries, get_families

FAMILY = {family.name: family for family in get_families()}
LIBRARY = get_attack_libraries()
ROWS = [(name, family.name, norm) for name, library in LIBRARY.items() for family, norm in rows(library, FAMILY)]
FAST = {"fgsm", "pgd", "mifgsm"}
"""Families of which the fast suite looks at every row; `make test-all` looks at all of all."""


def violations(row):
    library, family, norm = row
    return LIBRARY[library].offers(family, norm).violations


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, marks=() if row[1] in FAST else pytest.mark.slow, id="-".join(row))
        for row in ROWS
        if violations(row) is not None
    ],
)
def test_what_is_violated_is_known(row):
    library, family, norm = row
    report = examine(LIBRARY[library], FAMILY[family], norm)
    assert [finding.name for finding in report.findings] == [check.name for check in CHECKS]
    measured = {violation.name: violation.measured for violation in report.violations}
    certain = {violation.check for violation in violations(row) if not violation.rounding}
    assert measured.keys() >= certain, measured
    assert not report.new, measured


def test_known_violations_are_of_checks_that_exist_and_named_once():
    names = {check.name for check in CHECKS}
    for row in ROWS:
        named = [violation.check for violation in violations(row) or ()]
        assert set(named) <= names
        assert len(set(named)) == len(named)
        assert violated(*row) == tuple(named)


def test_of_what_is_not_installed_nothing_is_known():
    assert violated("no-such-library", "pgd", "linf") == ()
    assert violated("foolbox", "no-such-family", "linf") == ()


def test_parameters_are_those_of_their_family():
    for name, parameters in PARAMETERS.items():
        assert parameters.keys() <= FAMILY[name].parameters.model_fields.keys()


@pytest.fixture(scope="module")
def report():
    return examine(LIBRARY["foolbox"], FAMILY["fgsm"], "l1")


def test_markdown_names_what_is_violated(report):
    text = to_markdown(report)
    assert text.startswith("## foolbox fgsm ℓ1\n")
    assert "linear oracle" in text.splitlines()[2]
    assert all(f"✗ {violation.why}" in text for violation in violations(("foolbox", "fgsm", "l1")))
    grid = to_grid([report])
    assert "| fgsm | ℓ1 | linear oracle, disc oracle |" in grid


def invoke(*arguments):
    return CliRunner().invoke(main, ["check-attack", *arguments])


def test_the_command():
    plain = invoke("foolbox:fgsm", "--norm", "l1")
    assert plain.exit_code == 0, "a violation is a finding, not an error"
    assert "## foolbox fgsm ℓ1" in plain.stdout
    reports = json.loads(invoke("foolbox:fgsm", "--norm", "l1", "--json").stdout)
    assert {finding["name"] for finding in reports[0]["findings"] if finding["alarm"]} == {
        "linear oracle",
        "disc oracle",
    }
    assert invoke("foolbox:fgsm", "--norm", "l1", "--strict").exit_code == 0, "known ones are not new"


def test_what_a_library_prints_is_no_answer(monkeypatch):
    row = foolbox.TABLE["fgsm", "linf"]

    def loud(*arguments):
        print("a notice of the library")
        return row.run(*arguments)

    monkeypatch.setattr(foolbox, "TABLE", {**foolbox.TABLE, ("fgsm", "linf"): replace(row, run=loud)})
    answer = invoke("foolbox:fgsm", "--norm", "linf", "--json")
    assert json.loads(answer.stdout)[0]["family"] == "fgsm"
    assert "a notice of the library" in answer.stderr


def test_strict_notices_a_violation_that_a_release_mends(monkeypatch):
    row = foolbox.TABLE["fgsm", "l1"]
    mended = (*row.violations, Violation("ε = 0", "It moved.", "moves a pixel by 1.0e+00"))
    monkeypatch.setattr(foolbox, "TABLE", {**foolbox.TABLE, ("fgsm", "l1"): replace(row, violations=mended)})
    result = invoke("foolbox:fgsm", "--norm", "l1", "--strict")
    assert result.exit_code == 1
    assert "known and not seen any more: ε = 0" in result.stdout


def test_strict_objects_to_new_violations(monkeypatch):
    row = replace(foolbox.TABLE["fgsm", "l1"], violations=foolbox.TABLE["fgsm", "l1"].violations[:1])
    monkeypatch.setattr(foolbox, "TABLE", {**foolbox.TABLE, ("fgsm", "l1"): row})
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
