"""The kits catch what they are for: an adapter that loses a parameter, a library that lies, a plugin with a circle."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import torch

import frontdef
from frontdef.attacks.library import AttackLibrary, Realization
from frontdef.errors import ConfigError
from frontdef.registry import get_family
from frontdef.testing import LibraryConformance, PluginConformance, Readme
from frontdef.testing.parameters import others, pairs
from frontdef.testing.plugin import _circle, _dotted
from frontdef.testing.spy import Call, changed

ROW = ("pgd", "linf")


def honest(spec, protected, x, y, **more):
    from frontdef.attacks.native.pgd import pgd

    arguments = {
        "steps": spec.parameters.steps,
        "step_size": spec.step_size,
        "random_start": spec.parameters.random_start,
        "restarts": spec.parameters.restarts,
        "loss": spec.parameters.loss,
        "targeted": spec.targeted,
    }
    return pgd(protected, x, y, threat=spec.threat, **{**arguments, **more})


def kit(run, **about):
    class Lab(AttackLibrary):
        name, distribution = "lab", "frontdef"

        def table(self):
            return {ROW: Realization("pgd", run, **{"unsupported": {"fast": False}, **about})}

    class Kit(LibraryConformance):
        library, modules = Lab(), ("frontdef.attacks.native.pgd",)

    return Kit()


TESTS = [name for name in dir(LibraryConformance) if name.startswith("test_")]


@pytest.mark.parametrize("name", [name for name in TESTS if "version" not in name])
def test_an_honest_library_passes(name):
    getattr(kit(honest), name)(ROW)


def leaky(spec, protected, x, y):
    return honest(spec, protected, x, y) + 0.01


def writes(spec, protected, x, y):
    return x.copy_(honest(spec, protected, x, y))


def unseeded(spec, protected, x, y):
    return (honest(spec, protected, x, y) + 1e-3 * torch.rand(x.shape, generator=GENERATOR)).clamp(0, 1)


GENERATOR = torch.Generator()


def gray_only(spec, protected, x, y):
    return honest(spec, protected, x, y).view(-1, 1, *x.shape[2:])


@pytest.mark.parametrize(
    ("name", "run"),
    [
        ("test_examples_stay_in_the_threat_model", leaky),
        ("test_nothing_else_changes", writes),
        ("test_a_seed_fixes_the_examples", unseeded),
        ("test_one_image_in_color_is_a_batch", gray_only),
    ],
)
def test_a_library_that_lies_is_caught(name, run):
    with pytest.raises(AssertionError):
        getattr(kit(run), name)(ROW)


@pytest.mark.parametrize(
    "lost",
    [{"steps": 3}, {"step_size": 0.01}, {"random_start": False}, {"restarts": 1}, {"loss": "margin"}],
    ids=lambda lost: next(iter(lost)),
)
def test_a_parameter_that_does_not_arrive_is_named(lost):
    def run(spec, protected, x, y):
        return honest(spec, protected, x, y, **lost)

    with pytest.raises(AssertionError, match="changes nothing in pgd"):
        kit(run).test_every_parameter_reaches_the_call(ROW)


def test_a_parameter_that_moves_another_argument_is_named():
    def run(spec, protected, x, y):
        return honest(spec, protected, x, y, step_size=spec.step_size / spec.parameters.steps)

    with pytest.raises(AssertionError, match=r"steps changes pgd\.step"):
        kit(run).test_every_parameter_reaches_the_call(ROW)


def test_a_word_that_the_call_does_not_take_is_an_error():
    def run(spec, protected, x, y):
        return honest(spec, protected, x, y, iterations=3)

    with pytest.raises(TypeError, match="iterations"):
        kit(run).test_every_parameter_reaches_the_call(ROW)


def test_a_fact_that_is_no_longer_true_fails():
    class Kit(type(kit(honest))):
        leaves_the_ball = {ROW}  # noqa: RUF012

    with pytest.raises(AssertionError):
        Kit().test_examples_stay_in_the_threat_model(ROW)


def test_a_call_that_does_not_exist_is_caught():
    library = kit(honest)
    library.modules = ("frontdef.attacks.native.noise",)
    with pytest.raises(AssertionError):
        library.test_the_call_exists(ROW)


def test_a_call_that_one_run_alone_makes_counts_once():
    first, second = [Call(call="a", x=1), Call(call="b")], [Call(call="a", x=2), Call(call="c", y=1), Call(call="b")]
    assert changed(first, second) == ["a.x", "c"]
    assert changed(first, first) == []


@pytest.mark.parametrize("name", ["pgd", "apgdt", "locally-linear", "jsma", "square", "fmn"])
def test_every_parameter_has_a_second_value(name):
    family = get_family(name)
    for parameter in family.parameters.model_fields:
        base, varied = (spec.parameters.model_dump() for spec in pairs(family, family.norms[0], 1.0, parameter, {}))
        assert {key for key in base if base[key] != varied[key]} == {parameter}


def test_values_keep_to_the_bounds():
    (gamma,) = [field for name, field in get_family("fmn").parameters.model_fields.items() if name == "gamma"]
    assert all(0 <= value <= 1 for value in others(gamma, 0.05))
    with pytest.raises(ConfigError, match="no second value"):
        pairs(get_family("pgd"), "linf", 9.0, "steps", {})


def test_a_circle_of_imports_is_found():
    assert _circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert _circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


class ForTypesAlone(ast.NodeTransformer):
    """Leaves out what no process imports."""

    def visit_If(self, node):
        return None if ast.unparse(node.test) == "TYPE_CHECKING" else self.generic_visit(node)


def imports(file, modules):
    """Those of the modules that a file imports, inside functions, too; a module of a package stands for the package."""
    for node in ast.walk(ForTypesAlone().visit(ast.parse(file.read_text(encoding="utf-8")))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from inside & set(modules) or {node.module} & set(modules)


def test_the_core_has_no_circle_of_imports():
    folder = Path(frontdef.__file__).parent
    modules = {_dotted(file, folder, "frontdef"): file for file in folder.rglob("*.py")}
    del modules["frontdef"]
    assert not _circle({module: set(imports(file, modules)) - {module} for module, file in modules.items()})


class TestThePluginKit:
    """On a distribution that is installed in a folder for the purpose."""

    @pytest.fixture
    def install(self, tmp_path, monkeypatch):
        def write(requires, **files):
            package, info = tmp_path / "frontdef_lab", tmp_path / "frontdef_lab-1.dist-info"
            package.mkdir()
            info.mkdir()
            for name, text in {"__init__": "", **files}.items():
                (package / f"{name}.py").write_text(text)
            needs = "".join(f"Requires-Dist: {line}\n" for line in requires)
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: frontdef-lab\nVersion: 1\n{needs}")
            monkeypatch.syspath_prepend(str(tmp_path))
            monkeypatch.setenv("PYTHONPATH", str(tmp_path))
            return type("Kit", (PluginConformance,), {"distribution": "frontdef-lab"})()

        return write

    def test_a_cap_is_needed(self, install):
        with pytest.raises(AssertionError, match="has no cap"):
            install(["frontdef>=0.1"]).test_frontdef_is_capped()

    def test_a_circle(self, install):
        plugin = install(
            ["frontdef"], one="from frontdef_lab.two import x", two="def f():\n    import frontdef_lab.one"
        )
        with pytest.raises(AssertionError, match=r"lab\.one -> frontdef_lab\.two -> frontdef_lab\.one"):
            plugin.test_its_modules_import_each_other_in_one_direction()

    def test_what_is_not_declared(self, install):
        plugin = install(["frontdef"], one="import numpy as np\nimport re")
        with pytest.raises(AssertionError, match=r"numpy \(one.py\)"):
            plugin.test_what_it_imports_is_declared()

    def test_heavy(self, install):
        plugin = install(["frontdef"], __init__="import numpy")
        with pytest.raises(AssertionError, match="numpy"):
            plugin.test_importing_it_imports_no_ml_library()


def test_a_readme_runs_as_it_is_pasted(tmp_path):
    file = tmp_path / "README.md"
    blocks = [
        "```python\na = n + 1\n```",
        "```python\nb = a * 2\n```",
        "```toml\nx = 1\n```",
        "| `key` (old) | 1 |",
    ]
    file.write_text("\n\n".join(blocks))
    readme = Readme(file)
    assert readme.run(n=1)["b"] == 4
    assert readme.run("n + 1", n=1)["a"] == 2
    assert readme.tables() == [{"x": 1}]
    assert readme.rows() == ["key"]
    with pytest.raises(AssertionError, match="2 python snippets with 'a'"):
        readme.run("a")
    with pytest.raises(NameError):
        readme.run("a * 2")
