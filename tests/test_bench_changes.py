"""`benchmarks/speed/changes.py`: what is compared with what, by hand."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks" / "speed"


@pytest.fixture(scope="module")
def changes():
    sys.path.insert(0, str(FOLDER))
    try:
        spec = importlib.util.spec_from_file_location("changes", FOLDER / "changes.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module.changes
    finally:
        sys.path.remove(str(FOLDER))


def spread(least, median, most):
    return {"least": least, "median": median, "most": most}


def rows(**medians):
    return {"rounds": 3, "rows": [{"model": name, "batch": 32, "time": value} for name, value in medians.items()]}


def test_a_row_is_found_by_its_words_wherever_it_stands(changes):
    before = rows(small=spread(1, 2, 3), large=spread(10, 20, 30))
    now = rows(large=spread(31, 40, 50), small=spread(1, 1, 2), other=spread(1, 1, 1))
    assert list(changes(before, now)) == [
        ("rows 32 images large time", 2.0, True),
        ("rows 32 images small time", 0.5, False),
    ]


def test_faster_is_apart_as_well(changes):
    assert list(changes({"a": spread(4, 5, 6)}, {"a": spread(1, 2, 3)})) == [("a", 0.4, True)]


def test_what_was_zero_has_no_ratio(changes):
    assert list(changes({"a": spread(0, 0, 0)}, {"a": spread(1, 2, 3)})) == []
