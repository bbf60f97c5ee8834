"""The two-class problems: the right samples, under the ids of the whole data set."""

from __future__ import annotations

import os

import pytest
import torch
from frontdef_sparsenet import frontdef_datasets
from frontdef_sparsenet.datasets import two_classes

from frontdef.datasets import Split
from frontdef.errors import DataError
from frontdef.registry import get_dataset

RECORDS = {record.name: record for record in frontdef_datasets()}


def test_two_classes_by_hand():
    images = torch.arange(6.0).view(6, 1, 1, 1) / 10
    whole = Split(images, torch.tensor([7, 1, 3, 3, 9, 7]), torch.tensor([10, 11, 12, 13, 14, 15]))
    pair = two_classes(whole, 3, 7)
    assert pair.labels.tolist() == [1, 0, 0, 1]
    assert pair.ids.tolist() == [10, 12, 13, 15]
    torch.testing.assert_close(pair.images.flatten(), torch.tensor([0.0, 0.2, 0.3, 0.5]))


@pytest.mark.parametrize("split", ["train", "test"])
def test_digits(split):
    whole, pair = (get_dataset(name).load(split) for name in ("digits", "digits-3-7"))
    assert len(pair) == int((whole.labels == 3).sum() + (whole.labels == 7).sum())
    assert len(pair) == getattr(RECORDS["digits-3-7"], f"n_{split}")
    rows = [whole.ids.tolist().index(i) for i in pair.ids.tolist()]
    assert torch.equal(whole.images[rows], pair.images)
    assert torch.equal(whole.labels[rows], 3 + 4 * pair.labels)


@pytest.mark.data
@pytest.mark.skipif(not os.environ.get("FRONTDEF_DATA"), reason="needs FRONTDEF_DATA with MNIST and Fashion-MNIST")
@pytest.mark.parametrize("name", ["mnist-3-7", "fashion-mnist-tshirt-pullover"])
def test_sizes_are_as_the_records_say(name):
    record = RECORDS[name]
    test = record.load("test")
    assert len(test) == record.n_test
    assert test.labels.unique().tolist() == [0, 1]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="mnist"):
        RECORDS["mnist-3-7"].load("test", root=tmp_path)
