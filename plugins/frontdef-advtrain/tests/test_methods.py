"""The methods do what they are for, alone and behind another front end."""

from __future__ import annotations

import pytest
from frontdef_advtrain.config import AdvTrainConfig
from frontdef_advtrain.recipes import recipe

from frontdef.matrix.entries import load_matrix
from frontdef.matrix.plan import make_plan
from frontdef.registry import get_defense

BEHIND = """
datasets = ["digits"]
classifiers = ["fc2"]
libraries = ["native"]

[[defense]]
name = "wavelet"
config = { keep = 0.1 }

[[defense]]
name = "wavelet"
label = "wavelet, trained on attacks"
config = { keep = 0.1 }

[[defense.recipe]]
epochs = 6
lr = 2e-3
final_lr = 2e-5
batch_size = 32
adversarial = "linf"
eps = 0.1
attack_steps = 3
attack_step = 0.5

[[defense]]
name = "advtrain"
config = { method = "trades", epochs = 2 }

[[attack]]
family = "pgd"
eps = [0.1]
"""


@pytest.mark.parametrize("method", ["pgd", "fast", "trades"])
def test_training_on_attacks_makes_robust(models, robust, method):
    clean, attacked = robust(models["none"])
    own_clean, own_attacked = robust(models[method])
    assert clean > 0.9
    assert own_clean > clean - 0.12
    assert own_attacked > attacked + 0.25


def test_behind_a_front_end(trained, robust):
    """The same stages with another front end: the attacks go through it, by its surrogate gradient."""
    pytest.importorskip("frontdef_wavelet")
    wavelet = get_defense("wavelet")
    attacks = recipe(AdvTrainConfig(), "digits")
    clean = tuple(stage.model_copy(update={"adversarial": None}) for stage in attacks)
    alone, on_top = (
        robust(trained(stages, wavelet.build({"keep": 0.5}, image_shape=(1, 28, 28)))) for stages in (clean, attacks)
    )
    assert on_top[1] > alone[1] + 0.15


def test_a_matrix_says_which_row_is_trained_on_attacks(tmp_path):
    pytest.importorskip("frontdef_wavelet")
    file = tmp_path / "behind.toml"
    file.write_text(BEHIND, encoding="utf-8")
    requests = make_plan(load_matrix(file)).requests
    plain, behind, alone = requests
    assert [stage.adversarial for stage in plain.recipe] == [None]
    assert behind.recipe == tuple(stage.model_copy(update={"name": ""}) for stage in recipe(AdvTrainConfig(), "digits"))
    assert alone.recipe == recipe(AdvTrainConfig(method="trades", epochs=2), "digits")
