"""Counts are told rightly, of one as of several."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from frontdef import config
from frontdef.cli import main
from frontdef.counts import plural
from frontdef.errors import ConfigError
from frontdef.matrix.entries import parse_matrix
from frontdef.matrix.plan import make_plan
from frontdef.runs.estimate import Estimate
from frontdef.verdicts.bracket import Strongest
from tests.stored_runs import matrix_run


def test_one_is_no_plural():
    assert [plural(count, "job") for count in (0, 1, 2)] == ["0 jobs", "1 job", "2 jobs"]
    assert plural(2, "pass", "passes") == "2 passes"
    assert plural(1000, "job") == "1,000 jobs"
    assert "to do: 1 job;" in Estimate({"a": None}, 0.0, 0, None).summary()


def test_people_read_a_norm_as_they_write_it(tmp_path):
    assert Strongest("pgd", "", "linf", "art").label == "pgd ℓ∞ @ art"
    told = CliRunner().invoke(main, ["results", str(matrix_run(tmp_path / "run")), "--worst"]).stdout
    assert "linf" not in told


def test_known_keys_are_told_once():
    class Two(config.Config):
        keep: int = 1

    with pytest.raises(ConfigError) as raised:
        config.build(Two, {"x": 1, "y": 2}, "it")
    assert str(raised.value) == "it: unknown key 'x'; unknown key 'y'. Known keys: keep"


def test_a_matrix_that_asks_for_nothing_says_so():
    assert any("the matrix names none" in line for line in make_plan(parse_matrix("")).skipped)
    asks = parse_matrix('attacks = "quick"\nthreats = { linf = ["0.1"] }')
    assert not any("the matrix names none" in line for line in make_plan(asks).skipped)
