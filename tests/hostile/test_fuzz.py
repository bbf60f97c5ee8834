"""A short cut of ``python -m tests.hostile``: the same inputs, fewer of them, in this process."""

from __future__ import annotations

import contextlib
import os
import time

import pytest

from frontdef.errors import FrontdefError
from tests.hostile import fuzz as harness
from tests.hostile.fuzz import fuzz, spoiled
from tests.hostile.parsers import PARSERS


@pytest.mark.parametrize("name", [name for name in PARSERS if "SQL" not in name])
def test_spoiled_inputs_are_read_or_refused(name, tmp_path):
    for number in range(25):
        with contextlib.suppress(FrontdefError):
            PARSERS[name].read(spoiled(name, 1, number), tmp_path)


@pytest.mark.parametrize("name", PARSERS)
def test_what_is_not_spoiled_is_read(name, tmp_path):
    if name == "arguments":
        pytest.skip("some of its inputs name files")
    if "commands" in name:
        pytest.skip("a study is refused by the commands that are for a matrix")
    for seed in PARSERS[name].seeds:
        if "TOML" not in name:
            PARSERS[name].read(seed, tmp_path)


def test_the_harness_sees_a_foreign_error_a_death_and_a_hang(monkeypatch):
    def spin():
        while True:
            pass

    def misbehave(data, folder):
        {0: lambda: 1 / 0, 1: lambda: os._exit(3), 2: lambda: time.sleep(60), 3: spin}[data[0]]()

    parser = PARSERS["arrays (npz)"]._replace(read=misbehave)
    monkeypatch.setattr(harness, "LIMIT", 0.5)
    monkeypatch.setattr(harness, "CLOCK", 8.0)
    monkeypatch.setitem(PARSERS, "arrays (npz)", parser)
    monkeypatch.setattr(harness, "spoiled", lambda name, seed, number: bytes([number]))
    tally = fuzz("arrays (npz)", 4, 0)
    assert [told.split()[2].strip(":") for told in tally.wrong] == ["ZeroDivisionError", "ended", "took", "took"]
    assert [told.split()[-2] for told in tally.wrong[2:]] == ["8", "0.5"], "by the clock, and by the processor"
