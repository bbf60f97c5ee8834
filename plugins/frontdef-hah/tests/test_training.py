"""The recipe trains blocks and classifier together, and the HaH loss does what it is for."""

from __future__ import annotations

import pytest
import torch
from frontdef_hah.config import HahConfig
from frontdef_hah.objective import hah_objective
from frontdef_hah.recipes import recipe

ALPHAS = (0.3, 0.2, 0.1)


def objective(protected, x, index=0):
    with torch.no_grad():
        h = protected.front_end._standardized(x)
        for before in range(index):
            h = protected.front_end._pool(before, protected.front_end.block(before)(h))
        return hah_objective(protected.front_end.block(index).activations(h)).item()


def test_the_recipe_learns_digits(trained, digits):
    protected = trained()
    accuracy = (protected.predict(digits.images).argmax(1) == digits.labels).float().mean()
    assert accuracy > 0.9
    assert bool(protected.front_end.trained)


def test_the_hah_loss_makes_the_strongest_activations_stronger(trained, digits):
    with_loss, without = trained(alphas=ALPHAS), trained(hebbian=False)
    for index in range(3):
        assert objective(with_loss, digits.images, index) > 1.1 * objective(without, digits.images, index)


def test_the_papers_schedule():
    (stage,) = recipe(HahConfig(), "cifar10")
    assert (stage.epochs, stage.optimizer, stage.lr, stage.batch_size) == (100, "adam", 1e-3, 128)
    assert (stage.schedule, stage.milestones, stage.augment, stage.weight_decay) == ("steps", (60, 80), "crop-flip", 0)
    assert (stage.loss, stage.penalty, stage.penalty_weight) == ("cross-entropy", "hah", 1.0)
    (ablated,) = recipe(HahConfig(hebbian=False), "cifar10")
    assert ablated.penalty == ""
    assert recipe(HahConfig(), "svhn") == recipe(HahConfig(), "cifar10")


@pytest.mark.parametrize("dataset", ["mnist", "fashion-mnist", "digits"])
def test_other_recipes_use_the_loss_too(dataset):
    (stage,) = recipe(HahConfig(), dataset)
    assert stage.penalty == "hah"
    assert stage.trains == "all"


@pytest.mark.slow
def test_the_papers_network_takes_a_step():
    from frontdef_hah.front_end import HahFrontEnd
    from frontdef_hah.networks import hah_tail

    from frontdef.datasets import Split
    from frontdef.training import fit_classifier, prepare

    torch.manual_seed(0)
    front_end = HahFrontEnd(HahConfig(), image_shape=(3, 32, 32))
    split = Split(torch.rand(16, 3, 32, 32), torch.arange(16) % 10, torch.arange(16))
    prepare(front_end, split.images, seed=0)
    before = front_end.block(5).conv.weight.detach().clone()
    (stage,) = recipe(HahConfig(), "cifar10")
    quick = stage.model_copy(update={"epochs": 1, "schedule": "cosine", "milestones": ()})
    log = fit_classifier(front_end, hah_tail((256, 8, 8), 10), split, (quick,), seed=0)
    assert log.losses[0] > 0
    assert not torch.equal(front_end.block(5).conv.weight, before)
