"""Attacks that misbehave in every way: each is recorded as what it is, its library named, and the run goes on."""

from __future__ import annotations

import json
import re

import pytest

import frontdef
from frontdef import registry
from tests.plugins.conftest import Site

ROGUES = """
    import os, time
    import frontdef
    from frontdef.attacks.library import AttackLibrary, Realization

    def nan(spec, protected, x, y):
        return x * float("nan")

    def shape(spec, protected, x, y):
        return x[:, :, 1:]

    def dtype(spec, protected, x, y):
        return x.double()

    def outside_the_box(spec, protected, x, y):
        return x + 0.5 * spec.threat.eps * x.sign() + (x == 0) * -0.5 * spec.threat.eps

    def outside_the_ball(spec, protected, x, y):
        return (x + 2 * spec.threat.eps).clamp(0, 1)

    def mutates(spec, protected, x, y):
        x += 0.1
        y += 1
        return x.clamp(0, 1)

    def trains(spec, protected, x, y):
        protected.train()
        return x

    def rewrites(spec, protected, x, y):
        for tensor in protected.state_dict().values():
            tensor.zero_()
        return x

    def unfreezes(spec, protected, x, y):
        protected.requires_grad_(True)
        return x

    def raises(spec, protected, x, y):
        raise RuntimeError("no luck today")

    def exits(spec, protected, x, y):
        raise SystemExit(3)

    def crashes(spec, protected, x, y):
        os._exit(139)

    def hangs(spec, protected, x, y):
        while True:
            time.sleep(1)

    def prints(spec, protected, x, y):
        os.write(1, b"progress: 100 %\\n")
        return x

    def no_tensor(spec, protected, x, y):
        return None

    class Rogue(AttackLibrary):
        distribution = "frontdef-rogues"

        def __init__(self, run):
            self.name = "rogue-" + run.__name__.replace("_", "-")
            self.row = Realization(run.__name__, run)

        def table(self):
            return {("fgsm", "linf"): self.row}

    class Missing(AttackLibrary):
        name, distribution = "rogue-missing", "a-package-that-nobody-has"

        def table(self):
            return {("fgsm", "linf"): Realization("missing", raises)}

    @frontdef.hookimpl
    def frontdef_attacks():
        attacks = [nan, shape, dtype, outside_the_box, outside_the_ball, mutates, trains, rewrites, unfreezes, raises]
        yield from map(Rogue, [*attacks, no_tensor, exits, prints, crashes, hangs])
        yield Missing()
"""

MATRIX = """
name = "rogues"
{libraries}
samples = 16
classifiers = ["fc2"]
recipe = [{{ epochs = 4, lr = 0.01 }}]
[[attack]]
family = "fgsm"
eps = [0.1]
"""

LIMIT = 8
IN_A_WORKER = ("rogue-exits", "rogue-prints", "rogue-crashes", "rogue-hangs")
"""What can end a process, hold it, or reach the worker's answers; the others run in the process of the command."""

FAILS = {
    "rogue-shape": "rogue-shape returned (16, 1, 27, 28), images (16, 1, 28, 28) were asked for",
    "rogue-no-tensor": "rogue-no-tensor returned NoneType",
    "rogue-raises": "RuntimeError: no luck today",
    "rogue-exits": "SystemExit: 3",
    "rogue-crashes": "the job ended its process with exit code 139",
    "rogue-hangs": f"killed after {LIMIT} s",
}
FAULTS = {
    "rogue-dtype": ["returned another type: float64 instead of float32"],
    "rogue-mutates": ["changed the images that it was given", "changed the labels that it was given"],
    "rogue-trains": ["left the model in training mode"],
    "rogue-rewrites": ["changed the model's parameters or buffers"],
    "rogue-unfreezes": ["changed requires_grad of parameters"],
}
OUTSIDE = {"rogue-nan": "finite", "rogue-outside-the-box": "in_box", "rogue-outside-the-ball": "valid"}


@pytest.fixture(scope="module")
def ran(tmp_path_factory, cache):
    """One run with all of them, through the command line; what only a process survives, in one with a time limit."""
    folder = tmp_path_factory.mktemp("rogues")
    site = Site(folder / "site").install("frontdef-rogues", ROGUES)
    file, out = folder / "rogues.toml", folder / "run"
    command = ("-m", "frontdef", "run", str(file), "--out", str(out))
    rogues = [f"rogue-{name.replace('_', '-')}" for name in re.findall(r"def (\w+)\(spec", ROGUES)]
    inline = [name for name in (*registry.get_attack_libraries(), *rogues) if name not in IN_A_WORKER]
    file.write_text(MATRIX.format(libraries=f"libraries = {inline}"))
    site.forked(*command, FRONTDEF_CACHE=str(cache))
    file.write_text(MATRIX.format(libraries=""))
    ended = site.forked(*command, "--time-limit", str(LIMIT), "-j", "1", FRONTDEF_CACHE=str(cache))
    return ended, frontdef.load_results(out), site, cache


@pytest.fixture(scope="module")
def cells(ran):
    return ran[1].cells().set_index("library")


def test_the_run_goes_on_and_says_how_many_failed(ran, cells):
    ended = ran[0]
    assert ended.code == 1, ended.err
    assert f"{len(FAILS)} jobs failed" in ended.err
    assert set(cells.index[cells["status"] == "failed"]) == set(FAILS)
    assert not (cells["status"] == "missing").any()


@pytest.mark.parametrize("library", FAILS)
def test_what_fails_says_why(library, cells):
    assert FAILS[library] in cells.loc[library, "error"]


@pytest.mark.parametrize("library", FAULTS)
def test_faults_are_recorded_and_mended(library, cells):
    assert list(cells.loc[library, "faults"]) == FAULTS[library]


def test_the_well_behaved_are_not_blamed(cells):
    named = cells[cells["status"] == "ok"].drop(index=list(FAULTS))
    assert {"native", "art", "foolbox", "torchattacks", "rogue-prints"} <= set(named.index)
    assert all(not list(faults) for faults in named["faults"])


@pytest.mark.parametrize("library", OUTSIDE)
def test_what_leaves_the_threat_model_is_never_a_success(library, ran, cells):
    key = cells.loc[library, "cell"]
    rows = ran[1].sql(f"select valid, success, {OUTSIDE[library]} as told from records where cell = '{key}'")
    assert not rows["told"].all()
    assert not rows["success"][~rows["valid"]].any()
    assert not rows["valid"].all()


def test_one_rogue_does_not_hurt_the_next(ran, cells):
    """The model that a rogue rewrote serves the libraries that come after it."""
    exact = ran[1].outcomes().query("library in ['native', 'art', 'torchattacks']")
    broken = exact.groupby("library")["success"].sum()
    assert broken.nunique() == 1
    assert broken.iloc[0] > 0
    assert ran[1].outcomes().query("library == 'rogue-rewrites'")["clean_correct"].mean() > 0.5


def test_a_missing_dependency_leaves_a_library_out(ran):
    site = ran[2]
    ended = site.run("-m", "frontdef", "ls", "attacks", "--json")
    assert "a-package-that-nobody-has" in json.loads(ended.out)["left_out"]["rogue-missing"]
