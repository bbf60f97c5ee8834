"""The mutants of `benchmarks/mutants`: each is one change of a function's body, and what is live gets its code."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.mutants.mutate import compiled, install, mutants

SOURCE = '''
"""Says -1 < 0."""
LIMIT = 1


def climb(x, steps=2):
    """Adds 1."""
    best = x.copy()
    for step in range(3):
        x = [value + 1 for value in x]
        best = max(best, x, key=lambda values: values[0])
    if len(x) < 2 and not best:
        raise ValueError("below 0")
    return clip(best, -1, 4)


def clip(values, low, high):
    return [min(max(value, low), high) for value in values]
'''


@pytest.fixture
def module(tmp_path):
    path = tmp_path / "sample.py"
    path.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("sample", path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def functions(module):
    return {
        (function.__code__.co_qualname, function.__code__.co_firstlineno): [function]
        for function in (module.climb, module.clip)
    }


def behavior(module, code):
    return {place: (code[place].co_code, code[place].co_consts, code[place].co_names) for place in functions(module)}


def test_every_kind_is_made_and_only_inside_of_functions():
    made = mutants(SOURCE)
    assert Counter(mutant.kind for mutant in made).keys() == {
        *("comparison", "sign", "constant", "projection", "copy", "index", "order")
    }
    lines = SOURCE.splitlines()
    assert not any("LIMIT" in lines[mutant.line - 1] or "Adds" in lines[mutant.line - 1] for mutant in made)
    assert not any("raise" in lines[mutant.line - 1] for mutant in made)


def test_each_mutant_changes_one_function(module):
    plain = behavior(module, {place: found[0].__code__ for place, found in functions(module).items()})
    for mutant in mutants(SOURCE):
        code = behavior(module, compiled(SOURCE, module.__file__, mutant))
        changed = [place for place in plain if code[place] != plain[place]]
        assert len(changed) == 1, mutant


def test_what_is_live_gets_the_code(module):
    alive = module.climb
    assert alive([0, 5]) == [3, 4]
    dropped = next(mutant for mutant in mutants(SOURCE) if mutant.change == "clip is dropped")
    install(functions(module), compiled(SOURCE, module.__file__, dropped))
    assert alive([0, 5]) == [3, 8]
