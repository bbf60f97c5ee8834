"""What a row says would help a call that is known to miss an oracle does help it."""

from __future__ import annotations

import pytest
import torch

from frontdef.checks.invariants.tasks import confident, corner, disc, faint, linear
from frontdef.testing import attack
from frontdef.threat import distance

pytestmark = pytest.mark.slow
CW = {"lr": 0.05, "initial_const": 1.0}
WALK = {"steps": 20, "init_eval": 100, "max_eval": 500}


def ratio(task, library, family, norm, **parameters):
    """Median distance over the exact one, infinite where no example is misclassified, and how many are."""
    eps = 1.0 if norm == "linf" else 1e6
    examples = attack(library, family, norm, eps, task.model, task.x, task.y, **parameters)
    fooled = task.model.predict(examples.clamp(0, 1)).argmax(1) != task.y
    far = distance(task.x, examples, norm) / task.distance[norm]
    return float(torch.where(fooled, far, torch.inf).median()), int(fooled.sum())


@pytest.mark.parametrize(
    ("task", "library", "family", "norm", "parameters", "most"),
    [
        (linear, "art", "cw", "l2", {**CW, "steps": 40, "binary_search_steps": 10}, 1.01),
        (disc, "art", "cw", "l2", {**CW, "steps": 40, "binary_search_steps": 10}, 1.01),
        (corner, "advlib", "cw", "l2", {**CW, "steps": 150, "binary_search_steps": 4}, 1.01),
        (linear, "art", "hopskipjump", "l2", WALK, 1.3),
        (disc, "art", "hopskipjump", "l2", WALK, 1.3),
        (linear, "art", "hopskipjump", "linf", WALK, 1.3),
        (disc, "art", "hopskipjump", "linf", WALK, 1.3),
        *((task, "foolbox", "hopskipjump", "l2", WALK, 1.3) for task in (linear, disc, corner)),
        *((task, "foolbox", "hopskipjump", "linf", WALK, 1.3) for task in (linear, disc, corner)),
        *((task, "foolbox", "boundary", "l2", {"steps": 5000}, 1.03) for task in (linear, disc, corner)),
        (linear, "art", "simba", "l2", {"steps": 400, "step": 0.02}, 1.45),
        (disc, "art", "simba", "l2", {"steps": 400, "step": 0.02}, 1.15),
    ],
)  # fmt: skip
def test_more_of_what_is_missing_comes_close(task, library, family, norm, parameters, most):
    median, fooled = ratio(task(), library, family, norm, **parameters)
    assert fooled == 12
    assert median <= most


@pytest.mark.parametrize(("task", "left"), [(confident, 3), (faint, 1)], ids=["confident", "faint"])
def test_float64_logits_help_l1_auto_pgd_of_adv_lib(task, left):
    task = task()
    eps = float(task.distance["l1"].max()) * 1.1

    def stand(precise):
        examples = attack("advlib", "apgd", "l1", eps, task.model, task.x, task.y, steps=12, precise=precise)
        return int((task.model.predict(examples.clamp(0, 1)).argmax(1) == task.y).sum())

    assert stand(True) == left < stand(False)


@pytest.mark.parametrize("task", [linear, disc, corner])
def test_zoo_of_art_only_lets_values_grow(task):
    """Half of the linear model's weights ask for less, and so does the way out of half of the disc."""
    task = task()
    moved = attack("art", "zoo", "l2", 1e6, task.model, task.x, task.y, steps=60, parallel=32) - task.x
    assert moved.min() == 0 < moved.max()
