"""What follows from a model and the run's images alone is worked out once, and no cell can tell."""

from __future__ import annotations

import pytest
import torch

from frontdef.matrix.entries import parse_matrix
from frontdef.matrix.plan import make_plan
from frontdef.models.load import Means
from frontdef.runs.inventory import Inventory
from frontdef.runs.results import load_results
from frontdef.runs.store import Store
from frontdef.verdicts.attacked import unbroken
from tests.quiet import run_matrix

MATRIX = """
name = "small"
samples = 12
classifiers = ["fc2"]
libraries = ["native"]
recipe = [{ epochs = 1, lr = 0.01 }]
train_samples = 100
[[defense]]
name = "art-feature-squeezing"
[[attack]]
family = "fgsm"
eps = [0.1, 0.2]
surrogates = ["identity", "smooth:1000"]
[[attack]]
family = "fgsm"
eps = [0.1]
parameters = { target = "least-likely" }
surrogates = ["identity"]
[[attack]]
family = "fgsm"
eps = [0.1]
source = { name = "none" }
"""

TIMES = {"wall", "seconds"}


@pytest.fixture(scope="module")
def plan():
    return make_plan(parse_matrix(MATRIX))


def overconfident(plan) -> Inventory:
    """The defended model is so sure that float32 loses the loss of what it is right about."""
    inventory = Inventory(plan.samples, Means())
    model = inventory.model(plan.of("records")[0].row.request)
    with torch.no_grad():
        for parameter in list(model.classifier.parameters())[-2:]:
            parameter *= 1e4
    return inventory


def results(jobs, plan, store: Store, *, together: bool):
    inventory = overconfident(plan)
    for job in jobs:
        inventory = inventory if together else overconfident(plan)
        outcome = inventory.attempt(job, store)
        assert not outcome.error, outcome.error
        rows, about = store.read("records", job.key)
        yield rows.to_pydict(), {name: value for name, value in about.items() if name not in TIMES}


def test_cells_are_the_same_whatever_was_worked_out_before(plan, tmp_path):
    cells = plan.of("records")
    assert len(cells) >= 6
    alone = list(results(cells, plan, Store(tmp_path / "alone"), together=False))
    assert len({(about["zero_loss"], about["zero_gradient"]) for _, about in alone}) >= 2, "they differ"
    for order in (cells, cells[::-1]):
        place = {job.key: i for i, job in enumerate(cells)}
        told = list(results(order, plan, Store(tmp_path / order[0].key), together=True))
        assert told == [alone[place[job.key]] for job in order]


def test_a_second_cell_passes_no_image_that_it_need_not(plan, tmp_path):
    """FGSM of a run that asked the same before: one pass to attack, two of the samples for rounding, one to judge."""
    first, second = (job for job in plan.of("records") if job.surrogate == "identity" and not job.spec.targeted)
    inventory, store, passed = Inventory(plan.samples, Means()), Store(tmp_path), []
    assert not inventory.attempt(first, store).error
    model = inventory.model(second.models[0])
    handle = model.classifier.register_forward_hook(lambda _, images, __: passed.append(len(images[0])))
    assert not inventory.attempt(second, store).error
    handle.remove()
    assert passed == [12] * 4


def test_a_model_that_remembers_in_a_buffer_is_as_before_after_each_cell(plan, tmp_path):
    job = plan.of("records")[0]
    inventory, passed = Inventory(plan.samples, Means()), []
    classifier = inventory.model(job.row.request).classifier
    classifier.register_buffer("calls", torch.zeros(()))

    def remember(*_):
        classifier.calls += 1
        passed.append(1)

    classifier.register_forward_hook(remember)
    assert not inventory.attempt(job, Store(tmp_path)).error
    assert passed
    assert classifier.calls == 0


DRAWING = """
name = "drawing"
samples = 40
classifiers = ["fc2"]
libraries = ["native"]
recipe = [{ epochs = 1, lr = 0.01 }]
train_samples = 100
verify_draws = 2
[[defense]]
name = "art-gaussian-augmentation"
config = { sigma = 1.0 }
[[attack]]
family = "fgsm"
eps = [0.01, 0.1]
[[attack]]
family = "noise"
eps = [0.1]
samples = 30
"""


def test_a_model_that_draws_has_one_clean_accuracy_and_every_table_says_the_same_of_an_attack(tmp_path):
    """Each cell drew for itself: a sample was right by one look and wrong by another, and counted as either."""
    run_matrix(DRAWING, tmp_path)
    stored = load_results(tmp_path)
    outcomes = stored.outcomes()
    predictions = outcomes.groupby("sample_id").clean_prediction.nunique()
    assert predictions.eq(1).all()
    assert not outcomes.clean_correct.all(), "its draws are too weak to test anything"
    (attacked,) = stored.attacked.values()
    for row in stored.cells().itertuples():
        share = unbroken(attacked, "linf", row.judged_eps)[row.family]
        assert row.robust_accuracy == share
