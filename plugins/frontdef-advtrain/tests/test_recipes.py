"""Configurations become stages, with the papers' numbers where nothing else is said."""

from __future__ import annotations

import pytest
from frontdef_advtrain.recipes import SETTINGS, recipe

from frontdef.errors import ConfigError
from frontdef.registry import get_defense


def stage_of(dataset, **config):
    (stage,) = get_defense("advtrain").recipe_for(config, dataset)
    return stage


def test_madry_on_mnist():
    """Section 5: ε = 0.3, 40 steps of 0.01, from a random point (every adversarial stage starts there)."""
    stage = stage_of("mnist")
    assert (stage.adversarial, stage.eps, stage.attack_steps, stage.loss) == ("linf", 0.3, 40, "cross-entropy")
    assert stage.eps * stage.relative_step == pytest.approx(0.01)
    assert stage.attack_restarts == 1


def test_the_dissertation_on_cifar():
    """Section 4.2.4: ε = 8/255, 10 steps of 1/255; R+FGSM with α = 10/255; TRADES with λ = 1/6; cyclic to 0.05."""
    for method in ("pgd", "trades"):
        stage = stage_of("cifar10", method=method)
        assert stage.eps * 255 == pytest.approx(8)
        assert (stage.attack_steps, stage.eps * stage.relative_step * 255) == (10, pytest.approx(1))
        assert (stage.epochs, stage.optimizer, stage.schedule, stage.lr) == (100, "sgd", "cyclic", 0.05)
    assert (stage.loss, stage.beta) == ("trades", 6)
    stage = stage_of("cifar10", method="fast")
    assert (stage.attack_steps, stage.eps * stage.relative_step * 255) == (1, pytest.approx(10))
    assert stage.loss == "cross-entropy"


def test_the_polarizing_paper_on_fashion():
    """Section 4.1: ε = 0.1, "10 restarts and 20 steps in each restart"."""
    stage = stage_of("fashion-mnist", restarts=10)
    assert (stage.eps, stage.attack_steps, stage.attack_restarts) == (0.1, 20, 10)


def test_every_data_set_has_a_recipe():
    for dataset in (*SETTINGS, "somebodys-own"):
        for method in ("pgd", "fast", "trades"):
            stage = stage_of(dataset, method=method)
            assert stage.adversarial == "linf"
            assert 0 < stage.eps <= 0.3
            assert method in stage.name


def test_what_is_given_counts():
    config = {"norm": "l2", "eps": 1.5, "steps": 7, "relative_step": 0.2, "restarts": 3, "epochs": 2}
    stage = stage_of("mnist", **config)
    assert (stage.adversarial, stage.eps, stage.attack_steps, stage.relative_step) == ("l2", 1.5, 7, 0.2)
    assert (stage.attack_restarts, stage.epochs) == (3, 2)
    assert stage_of("mnist", method="fast", relative_step=1.0).relative_step == 1.0


def test_another_number_of_steps_has_a_step_that_crosses_the_ball():
    assert stage_of("mnist", steps=10).relative_step == pytest.approx(0.25)
    assert stage_of("mnist", steps=40).relative_step == pytest.approx(1 / 30)


def test_a_full_configuration_is_the_short_one():
    """A matrix stores every key of a configuration, defaults too, and asks for the stages with them."""
    defense = get_defense("advtrain")
    for method in ("pgd", "fast", "trades"):
        full = defense.configure({"method": method}).model_dump(mode="json")
        assert defense.recipe_for(full, "digits") == recipe(defense.configure({"method": method}), "digits")


WRONG = {
    "a misspelt method": ({"method": "madry"}, "method = 'madry'"),
    "a misspelt key": ({"epsilon": 0.3}, "did you mean 'eps'"),
    "no radius in l2": ({"norm": "l2"}, "in l2 no radius is usual"),
    "gray levels": ({"eps": 8}, r"eps = 8 is wider than the pixels' range \[0,1\]"),
    "a negative radius": ({"eps": -0.1}, "eps = -0.1"),
    "steps of fast": ({"method": "fast", "steps": 7}, "method 'fast' makes one step, steps = 7: method='pgd'"),
    "restarts of trades": ({"method": "trades", "restarts": 2}, "method 'trades' has no restarts"),
    "beta of pgd": ({"beta": 1.0}, "beta weighs the divergence of method 'trades'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_configurations_are_refused(case):
    config, message = WRONG[case]
    with pytest.raises(ConfigError, match=message):
        get_defense("advtrain").configure(config)
