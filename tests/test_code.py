"""Results of edited code are not those of the old one: what a hash of code follows, and what it leaves alone."""

from __future__ import annotations

import builtins
import importlib
import shutil
import sys
from pathlib import Path

import pytest
import torch

import frontdef
from frontdef import code
from frontdef.attacks.families import FAMILIES
from frontdef.attacks.library import AttackLibrary, Realization
from frontdef.attacks.native.library import NativeLibrary
from frontdef.attacks.spec import make_spec
from frontdef.checks import masking
from frontdef.config import Config
from frontdef.errors import ConfigError
from frontdef.frontend import Identity
from frontdef.protected import Protected
from frontdef.registry import get_attack_libraries

FAMILY = {family.name: family for family in FAMILIES}


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """A copy of frontdef's sources that is hashed in place of the real ones."""
    package = Path(frontdef.__file__).parent
    copy = shutil.copytree(package, tmp_path / "frontdef", ignore=shutil.ignore_patterns("__pycache__"))
    file = code._file
    monkeypatch.setattr(code, "_file", lambda module: copy / file(module).relative_to(package))
    code.clear()
    yield copy
    code.clear()


def edit(path):
    path.write_text(path.read_text(encoding="utf-8") + "\n# edited\n", encoding="utf-8")
    code.clear()


@pytest.mark.parametrize(
    ("edited", "stale", "kept"),
    [
        (
            "attacks/torchattacks.py",
            [("torchattacks", "pgd", "linf")],
            [("foolbox", "pgd", "linf"), ("art", "cw", "l2")],
        ),
        ("attacks/foolbox.py", [("foolbox", "cw", "l2")], [("torchattacks", "cw", "l2")]),
        ("attacks/art/call.py", [("art", "pgd", "linf"), ("art", "zoo", "l2")], [("native", "pgd", "linf")]),
        ("attacks/art/black_box.py", [("art", "zoo", "l2")], [("native", "pgd", "linf")]),
        ("attacks/native/noise.py", [("native", "noise", "linf")], [("native", "pgd", "linf"), ("art", "pgd", "l2")]),
        ("attacks/native/geometry.py", [("native", "eotpgd", "l2"), ("native", "noise", "l2")], [("art", "pgd", "l2")]),
        ("attacks/native/library.py", [("native", "bim", "l1")], [("art", "bim", "linf")]),
        ("attacks/goal.py", [("art", "pgd", "linf"), ("foolbox", "cw", "l2"), ("native", "pgd", "l1")], []),
        ("report/tables.py", [], [("art", "pgd", "linf"), ("native", "pgd", "linf")]),
    ],
)
def test_an_edited_attack_has_another_hash(sources, edited, stale, kept):
    def hashes(rows):
        return [get_attack_libraries()[library].code(family, norm) for library, family, norm in rows]

    before, alike = hashes(stale), hashes(kept)
    assert all(len(value) == 16 for value in before + alike)
    edit(sources / edited)
    assert all(old != new for old, new in zip(before, hashes(stale), strict=True))
    assert hashes(kept) == alike


@pytest.mark.parametrize(
    ("edited", "counts"),
    [
        ("checks/masking/checks/effort.py", True),
        ("checks/masking/statistics.py", True),
        ("checks/masking/budget.py", True),
        ("checks/kit.py", True),
        ("attacks/native/pgd.py", True),
        ("checks/masking/markdown.py", False),
        ("checks/conformance/verdict.py", False),
        ("attacks/art/call.py", False),
    ],
)
def test_an_edited_check_makes_diagnoses_stale(sources, edited, counts):
    before = masking.code()
    assert before == masking.code()
    edit(sources / edited)
    assert (masking.code() != before) is counts


def test_every_check_counts():
    reached = code.modules_reached(("frontdef.checks.masking.diagnosis",))
    assert {check.measure.__module__ for check in masking.CHECKS} <= reached


@pytest.mark.parametrize("row", NativeLibrary().table(), ids="-".join)
def test_a_native_row_names_the_modules_that_it_imports(row, monkeypatch):
    library, (family, norm) = NativeLibrary(), row
    asked, original = set(), builtins.__import__

    def watching(name, *args, **kwargs):
        if name.startswith("frontdef.attacks.native"):
            asked.add(name)
        return original(name, *args, **kwargs)

    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 3))
    model = Protected(Identity(Config()), net, image_shape=(1, 2, 2))
    steps = {"steps": 1} if "steps" in FAMILY[family].parameters.model_fields else {}
    more = [{"knowledge": "semi-white"}, {}] if family == "locally-linear" else [{}]
    with monkeypatch.context() as patch:
        patch.setattr(builtins, "__import__", watching)
        for parameters in more:
            spec = make_spec(FAMILY[family], norm, 0.1, {**steps, **parameters})
            library.run(spec, model, torch.rand(2, 1, 2, 2), torch.tensor([0, 1]))
    assert asked
    assert asked <= code.modules_reached(library.offers(family, norm).modules)


def test_of_a_plugins_library_the_whole_package_counts(tmp_path, monkeypatch):
    package = tmp_path / "frontdef_made_up_attacks"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "inner.py").write_text("a = 1")
    (package / "library.py").write_text("from frontdef.attacks.library import AttackLibrary")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()

    class Library(AttackLibrary):
        name = distribution = "made-up"

        def table(self):
            return {("pgd", "linf"): Realization("call", lambda spec, protected, x, y: x)}

    Library.__module__ = "frontdef_made_up_attacks.library"
    before = Library().code("pgd", "linf")
    edit(package / "inner.py")
    assert len({before, Library().code("pgd", "linf"), ""}) == 3
    with pytest.raises(ConfigError, match="does not offer cw in l2"):
        Library().code("cw", "l2")


def test_what_does_not_exist_is_an_error_and_nothing_is_imported():
    with pytest.raises(ModuleNotFoundError):
        code.code_reached(("frontdef.no_such_module",))
    before = set(sys.modules)
    code.clear()
    code.code_reached(("frontdef.report.build",))
    assert not {name for name in set(sys.modules) - before if name.startswith("frontdef")}
