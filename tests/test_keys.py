"""No result outlives the code that computed it: whatever runs while a job runs is part of the job's key."""

from __future__ import annotations

import sys
from collections import defaultdict

import pytest

from frontdef import code
from frontdef.analysis import make_plan as plan_study
from frontdef.analysis import parse_study
from frontdef.matrix.entries import parse_matrix
from frontdef.matrix.plan import make_plan
from frontdef.models.fingerprint import digest
from frontdef.runs.inventory import Inventory
from tests.own_models import trained, write
from tests.quiet import run_plan

MATRIX = """
name = "keys"
samples = 12
train_samples = 60
libraries = ["native", "art", "torchattacks"]
diagnose_samples = 10
seed = 1
"""
TRAINED = """
classifiers = ["fc2"]
diagnose = ["linf"]
recipe = [{ epochs = 1, lr = 0.01, adversarial = "linf", eps = 0.1, attack_steps = 1 },
          { epochs = 1, lr = 0.01, loss = "trades", adversarial = "linf", eps = 0.1, attack_steps = 1 }]
[[defense]]
name = "wavelet"
[[defense]]
name = "sparsenet"
[[metric]]
name = "gaussian-noise"
[[attack]]
family = "pgd"
eps = [0.1]
parameters = { steps = 2 }
[[attack]]
family = "noise"
eps = [0.1]
[[attack]]
family = "fgsm"
eps = [0.1]
precise = true
"""
OWN = """
[[model]]
name = "mine"
source = "nets.py:build"
weights = "mine.pt"
normalize = { mean = [0.0], std = [1.0] }
[[defense]]
name = "none"
[[defense]]
name = "wavelet"
recipe = [{ epochs = 1, lr = 0.01 }]
[[attack]]
family = "fgsm"
eps = [0.1]
"""
STUDY = """
name = "keys"
dataset = "digits"
classifier = "fc2"
samples = 12
train_samples = 60
what = ["psr", "weights", "partial"]
[attack]
eps = 0.1
steps = 1
[weights]
linear = true
[[model]]
name = "none"
label = "natural"
recipe = [{ epochs = 1, lr = 5e-3 }]
[[model]]
name = "none"
label = "adversarial"
recipe = [{ epochs = 1, lr = 5e-3, adversarial = "linf", eps = 0.1, attack_steps = 1 }]
"""
HARMLESS = {
    "frontdef.attacks.library": "finds the row of a library; the row's own code counts",
    "frontdef.code": "makes keys",
    "frontdef.config": "checks what the keys hold",
    "frontdef.defense": "a record: it calls the class and the configuration that the keys hold",
    "frontdef.lazy": "imports what the keys hold",
    "frontdef.lock": "waits",
    "frontdef.matrix.row": "a record of what the keys hold",
    "frontdef.metrics": "calls the function that the keys hold, and checks the shape of what it gives",
    "frontdef.models.digest": "hashes weights, and what it makes of them stands in the keys",
    "frontdef.models.load": "asks the cache for the model of a key",
    "frontdef.models.request": "makes keys",
    "frontdef.models.saved": "writes models and reads the same ones",
    "frontdef.registry.catalog": "finds what the keys hold",
    "frontdef.registry.lookup": "finds what the keys hold",
    "frontdef.registry.status": "finds what the keys hold",
    "frontdef.runs.inventory": "hands jobs their models and samples",
    "frontdef.runs.log": "tells",
    "frontdef.runs.progress": "tells",
    "frontdef.runs.sealed": "stores what jobs return",
    "frontdef.runs.store": "stores what jobs return",
    "frontdef.runs.table": "stores what jobs return",
    "frontdef.tensorfile": "writes tensors and reads the same ones",
    "frontdef.weights": "writes tensors and reads the same ones",
    "frontdef.whole": "writes files",
}
"""What may run while a job runs and not count, and why."""

OF_MODELS = {"frontdef.protected": "is put around a model that is loaded; the key of each job holds it"}
"""The same, of the key of a model."""


class Watch:
    """Which modules of frontdef run while a job runs, or while its model is made."""

    def __init__(self):
        self.ran = defaultdict(set)
        self.into = None

    def over(self, key, call, *arguments):
        before, self.into = self.into, self.ran[key]
        sys.setprofile(self.see)
        try:
            return call(*arguments)
        finally:
            self.into = before
            sys.setprofile(self.see if before is not None else None)

    def see(self, frame, event, _):
        if event == "call" and (name := frame.f_globals.get("__name__", "")).startswith("frontdef."):
            self.into.add(name)


def plans(folder):
    return [
        make_plan(parse_matrix(MATRIX + TRAINED)),
        make_plan(parse_matrix(f'base = "{folder}"' + MATRIX + OWN)),
        plan_study(parse_study(STUDY)),
    ]


def keys(folder):
    """Kind of job or request, its place → its key, anew."""
    found = {}
    for number, plan in enumerate(plans(folder)):
        found |= {(number, "job", str(job)): job.key for job in plan.jobs}
        found |= {(number, "model", str(request)): digest(request.describe()) for request in plan.requests}
    return found


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A folder with a model of somebody else's."""
    return write(tmp_path_factory.mktemp("own"), trained())


@pytest.fixture(scope="module")
def ran(own, tmp_path_factory):
    """That folder, and for each job and model the modules that ran."""
    watch, attempt, model = Watch(), Inventory.attempt, Inventory.model
    with pytest.MonkeyPatch.context() as patch:
        for number, plan in enumerate(plans(own)):

            def attempted(self, job, store, number=number):
                return watch.over((number, "job", str(job)), attempt, self, job, store)

            def loaded(self, request, number=number):
                return watch.over((number, "model", str(request)), model, self, request)

            patch.setattr(Inventory, "attempt", attempted)
            patch.setattr(Inventory, "model", loaded)
            summary = run_plan(plan, tmp_path_factory.mktemp("run"), cache=tmp_path_factory.mktemp("models"))
            assert not summary.failed
    return own, watch.ran


@pytest.fixture
def edit(monkeypatch):
    """Hashes from now on as if a module had another text."""
    edited, original = set(), code._hash
    monkeypatch.setattr(code, "_hash", lambda files: original(files) + "edited" * bool(edited & set(files.values())))

    def edit(module):
        edited.clear()
        edited.add(code._file(module))
        for cached in (code.computing, code._hash_package, code._hash_reached):  # what imports what stays
            cached.cache_clear()

    yield edit
    code.clear()


@pytest.mark.slow
def test_whatever_runs_while_a_job_runs_counts_in_its_key(ran, edit):
    folder, ran = ran
    before = keys(folder)
    assert set(before) == set(ran)
    served = {}
    for module in sorted(set().union(*ran.values()) - set(HARMLESS)):
        edit(module)
        after = keys(folder)
        unchanged = [place for place in before if module in ran[place] and after[place] == before[place]]
        if stale := [place for place in unchanged if not (place[1] == "model" and module in OF_MODELS)]:
            served[module] = stale
    assert not served


@pytest.mark.parametrize(
    ("module", "kind", "about"),
    [
        ("frontdef.bpda", "job", ""),
        ("frontdef.images", "job", ""),
        ("frontdef.threat", "job", "pgd"),
        ("frontdef.art", "job", "art"),
        ("frontdef.models.wrapped", "model", "mine"),
        ("frontdef.stage", "model", "fc2"),
        ("frontdef.training.loop", "model", "fc2"),
        ("frontdef.training.trainer", "job", "partial"),
        ("frontdef.analysis.ratio", "job", "ratios"),
        ("frontdef.datasets.digits", "job", ""),
    ],
)
def test_an_edit_changes_the_keys(own, edit, module, kind, about):
    before = keys(own)
    edit(module)
    after = keys(own)
    meant = [place for place in before if place[1] == kind and (not about or about in place[2].split())]
    assert meant
    assert not [place for place in meant if after[place] == before[place]]


def test_nothing_is_called_harmless_that_is_not_there():
    assert all(code._file(module) for module in (*HARMLESS, *code.APART))
