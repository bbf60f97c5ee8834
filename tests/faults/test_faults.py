"""The short cut of ``make test-faults``: a few faults of each kind, and nothing is lost, doubled or silent."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from . import bits, disks, kills
from .lab import Lab


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with Lab(tmp_path_factory.mktemp("faults")) as lab:
        yield lab


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        (kills.at_every_write, 6),
        (kills.at_any_time, 2),
        (kills.two_runners, 1),
        (kills.interrupts, 2),
        (kills.clocks, 1),
    ],
)
def test_whatever_stops_a_run_costs_what_was_running_alone(lab, kind, count):
    tally = kind(lab, random.Random(0), count)
    assert tally.trials == count
    assert tally.wrong == []


def test_what_is_asked_for_is_written_before_any_result(lab):
    renamed = [Path(path).name for what, path in kills.changed(lab) if what == "replace" and "/run/" in path]
    assert ".run.json." in renamed[0]
    assert sum("run.json" in name for name in renamed) == 1


def test_a_disk_that_fails_at_a_write_fails_loudly_and_keeps_the_rest(lab):
    for tally in disks.at_every_write(lab, random.Random(0), 1):
        assert tally.trials
        assert tally.wrong == []


def test_small_file_systems(lab):
    tallies = disks.real(lab, random.Random(0), 1)
    if not tallies:
        pytest.skip("mounting a small file system needs root")
    assert [tally.wrong for tally in tallies] == [[], [], []]


def test_no_flipped_bit_is_silent(lab):
    for tally in bits.flips(lab, random.Random(0), 6):
        assert tally.wrong == []
        assert tally.hit > 0 or "sidecar" in tally.fault or "json" in tally.fault


def test_the_comparison_notices_what_it_is_there_for(lab):
    """A run whose numbers differ, or that lost a cell, is told apart from the undisturbed one."""
    import shutil

    place = lab.place("tampered")
    shutil.copytree(lab.reference.root, place.root)
    path = next((place.out / "records").glob("*.parquet"))
    assert lab.recovers(place) == []
    path.write_bytes(path.read_bytes()[:-1])
    assert "damaged" in "".join(lab.recovers(place))
