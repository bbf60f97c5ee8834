"""The README's snippets run as they stand, one after the other, given images and labels."""

from __future__ import annotations

import pytest

from frontdef.registry import get_dataset
from frontdef.testing import Readme

README = Readme.beside(__file__)


@pytest.mark.slow
def test_python():
    test = get_dataset("digits").load("test").take(8, 0)
    names = README.run(images=test.images, labels=test.labels)
    moved = (names["examples"] - test.images).abs().max()
    assert 0.05 < moved <= 0.1 + 1e-6
    assert names["heat"].shape == (8, 1, 28, 28)


def test_metrics():
    from frontdef import config
    from frontdef.registry import get_metric

    (matrix,) = README.tables()
    for entry in matrix["metric"]:
        config.build(get_metric(entry["name"]).parameters_class(), entry.get("parameters", {}), entry["name"])


def test_every_configuration_value_is_in_the_table():
    from frontdef_hah.config import HahConfig

    assert README.rows() == list(HahConfig.model_fields)
