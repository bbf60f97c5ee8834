"""Whether an example broke its sample, against a loop over samples that is written from the definitions."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from frontdef.threat import MEASURED, TOLERANCE, ThreatModel, distance
from frontdef.verdicts import broken

CLASSES = 3
RADII = (0.1, 0.2, 0.5)
DISTANCES = (0.0, 0.1, 0.1 + TOLERANCE / 2, 0.1 + 3 * TOLERANCE, 0.2, 0.3, 0.5, 7.0, math.inf, math.nan)
PREDICTIONS = ("adversarial_prediction", "adversarial_majority")


@st.composite
def examples(draw, least=1):
    """What is recorded of up to twelve examples, as `frontdef.matrix.verify.verify` returns it."""
    n = draw(st.integers(least, 12))
    column = lambda values: draw(st.lists(values, min_size=n, max_size=n))  # noqa: E731
    label, clean = column(st.integers(0, CLASSES - 1)), column(st.integers(-1, CLASSES - 1))
    return {
        "label": np.array(label),
        "clean_prediction": np.array(clean),
        "clean_correct": np.array(label) == np.array(clean),
        "target": np.array(column(st.integers(0, CLASSES - 1)) if draw(st.booleans()) else [-1] * n),
        **{name: np.array(column(st.integers(-1, CLASSES - 1))) for name in PREDICTIONS},
        **{norm: np.array(column(st.sampled_from(DISTANCES))) for norm in MEASURED},
        "in_box": np.array(column(st.booleans())),
        "finite": np.array(column(st.booleans())),
    }


def slow(columns, norm, eps, by):
    """One sample after the other: (success, broken, withstood)."""
    verdicts = []
    for i in range(len(columns["label"])):
        inside = bool(columns["finite"][i] and columns["in_box"][i] and columns[norm][i] <= eps + TOLERANCE)
        wrong = columns[by][i] != columns["label"][i]
        reached = wrong and columns["target"][i] in (-1, columns[by][i])
        right = bool(columns["clean_correct"][i])
        verdicts.append((inside and reached, right and inside and wrong, right and not (inside and reached)))
    return [np.array(values) for values in zip(*verdicts, strict=True)]


norms, radii = st.sampled_from(MEASURED), st.sampled_from((*RADII, math.inf))


@given(examples(), norms, radii, st.sampled_from(PREDICTIONS))
def test_it_is_what_the_definitions_say(columns, norm, eps, by):
    success, fell, withstood = slow(columns, norm, eps, by)
    for table in (columns, pd.DataFrame(columns)):
        assert (broken.success(table, norm, eps, by=by) == success).all()
        assert (broken.broken(table, norm, eps, by=by) == fell).all()
        assert (broken.withstood(table, norm, eps, by=by) == withstood).all()
        assert broken.robust_accuracy(table, norm, eps, by=by) == withstood.mean()


@given(examples(), norms, radii)
def test_the_distance_from_which_it_holds_says_it_of_every_radius(columns, norm, eps):
    bound = eps + TOLERANCE
    assert ((broken.breaks_from(columns, norm) <= bound) == broken.broken(columns, norm, eps)).all()
    lost = columns["clean_correct"] & broken.success(columns, norm, eps)
    assert ((broken.loses_from(columns, norm) <= bound) == lost).all()


@given(examples(), norms, st.sampled_from(PREDICTIONS))
def test_a_larger_radius_never_saves_a_sample(columns, norm, by):
    for verdict in (broken.success, broken.broken):
        small, middle, large = (verdict(columns, norm, eps, by=by) for eps in RADII)
        assert (small <= middle).all()
        assert (middle <= large).all()


@given(examples(), norms, radii, st.sampled_from(PREDICTIONS))
def test_the_attacks_own_figure_is_never_below_the_worst_case(columns, norm, eps, by):
    worst = columns["clean_correct"] & ~broken.broken(columns, norm, eps, by=by)
    assert (broken.withstood(columns, norm, eps, by=by) >= worst).all()
    if (columns["target"] < 0).all():
        assert (broken.withstood(columns, norm, eps, by=by) == worst).all()


@given(examples(), norms, st.sampled_from(RADII))
def test_a_minimum_norm_attack_is_bound_by_no_radius_and_judged_at_each(columns, norm, eps):
    kept = broken.valid(columns, norm, eps, minimum_norm=True)
    measured = ~np.isnan(columns[norm])
    assert (kept == (columns["finite"] & columns["in_box"] & measured)).all()
    assert (broken.valid(columns, norm, eps, minimum_norm=False) == broken.fits(columns, norm, eps)).all()
    for minimum_norm in (False, True):
        recorded = broken.judged(columns, norm, eps, minimum_norm=minimum_norm)
        assert (recorded["success"] == broken.success(columns, norm, eps)).all()
        votes = {**columns, "adversarial_prediction": columns["adversarial_majority"]}
        assert (recorded["success_majority"] == broken.success(votes, norm, eps)).all()
        assert (recorded["success"] <= recorded["valid"]).all()


@given(examples(), st.data())
def test_a_threat_model_a_row_is_as_one_for_all(columns, data):
    """Outcomes of several norms and radii in one frame are judged row by row."""
    n = len(columns["label"])
    norm = np.array(data.draw(st.lists(norms, min_size=n, max_size=n)), dtype=object)
    eps = np.array(data.draw(st.lists(radii, min_size=n, max_size=n)))
    together = broken.success(columns, norm, eps)
    for i in range(n):
        row = {name: values[i : i + 1] for name, values in columns.items()}
        assert together[i] == broken.success(row, norm[i], eps[i])[0]


def table(**columns):
    plain = {
        "label": 0, "clean_correct": True, "target": -1, "adversarial_prediction": 1, "adversarial_majority": 1,
        "linf": 0.1, "l2": 1.0, "l1": 10.0, "l0": 10.0, "in_box": True, "finite": True,
    }  # fmt: skip
    n = max(len(values) for values in columns.values())
    return {name: np.asarray(columns.get(name, [value] * n)) for name, value in plain.items()} | {
        name: np.asarray(values) for name, values in columns.items()
    }


def test_a_targeted_example_in_another_wrong_class_is_no_success_and_breaks_the_sample():
    columns = table(target=[2, 2, 2], adversarial_prediction=[2, 1, 0])
    assert broken.success(columns, "linf", 0.1).tolist() == [True, False, False]
    assert broken.broken(columns, "linf", 0.1).tolist() == [True, True, False]
    assert broken.robust_accuracy(columns, "linf", 0.1) == pytest.approx(2 / 3)


def test_the_first_class_is_a_target_like_any_other():
    """Only a negative target stands for none."""
    columns = table(label=[2, 2, 2], target=[0, 0, -1], adversarial_prediction=[0, 1, 1])
    assert broken.success(columns, "linf", 0.1).tolist() == [True, False, True]


def test_norms_may_differ_from_row_to_row():
    columns = table(linf=[0.1, 0.1, 0.3], l2=[5.0, 1.0, 1.0])
    assert broken.distances(columns, np.array(["linf", "l2", "linf"])).tolist() == [0.1, 1.0, 0.3]


def test_the_tolerance_belongs_to_the_ball():
    columns = table(linf=[0.1 + TOLERANCE, 0.1 + 2 * TOLERANCE])
    assert broken.broken(columns, "linf", 0.1).tolist() == [True, False]
    assert broken.fits(columns, "linf", 0.1).tolist() == [True, False]


def test_a_target_that_is_the_label_is_never_reached():
    columns = table(target=[0], adversarial_prediction=[0])
    assert not broken.success(columns, "linf", 0.1).any()


def test_what_is_wrong_without_attack_is_not_broken_and_not_robust():
    columns = table(clean_correct=[False, True], adversarial_prediction=[0, 0])
    assert not broken.broken(columns, "linf", 0.1).any()
    assert broken.robust_accuracy(columns, "linf", 0.1) == 0.5


def test_a_single_figure_of_a_minimum_norm_attack_is_judged_at_the_radius():
    """It broke every sample somewhere, and one in twelve within ε: 91.7 % are robust, not none."""
    columns = table(l2=[0.3] + [9.0] * 11)
    assert broken.robust_accuracy(columns, "l2", 0.5) == pytest.approx(11 / 12)
    assert broken.robust_accuracy(columns, "l2", math.inf) == 0


def test_votes_and_the_mean_may_disagree():
    columns = table(adversarial_prediction=[1, 0], adversarial_majority=[0, 1])
    assert broken.success(columns, "linf", 0.1).tolist() == [True, False]
    assert broken.success(columns, "linf", 0.1, by="adversarial_majority").tolist() == [False, True]


def test_a_spatial_example_counts_where_attacks_are_spatial_and_no_other_does():
    """How far an image was turned is not measured; its ℓ∞ distance is, so that it counts there where it is close."""
    columns = table(norm=["spatial", "linf"], linf=[0.9, 0.1])
    assert broken.distances(columns, "spatial").tolist() == [0, math.inf]
    assert broken.fits(columns, "spatial", 1).tolist() == [True, False]
    assert broken.fits(columns, "linf", 0.1).tolist() == [False, True]
    assert broken.fits(table(linf=[0.9]), "spatial", 1).tolist() == [True]


def test_no_samples_have_no_accuracy():
    columns = {name: values[:0] for name, values in table(linf=[0.1]).items()}
    assert math.isnan(broken.robust_accuracy(columns, "linf", 0.1))


@pytest.mark.parametrize("norm", MEASURED)
def test_it_fits_what_the_threat_model_contains(norm):
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(40, 1, 3, 3, generator=generator)
    x_adv = x + (torch.rand(x.shape, generator=generator) - 0.5) * torch.linspace(0, 1, 40)[:, None, None, None]
    x_adv[3, 0, 0, 0] = torch.nan
    flat = x_adv.flatten(1)
    columns = {
        "label": torch.zeros(40).numpy(),
        **{name: distance(x, x_adv, name).numpy() for name in MEASURED},
        "in_box": ((flat >= -TOLERANCE) & (flat <= 1 + TOLERANCE)).all(1).numpy(),
        "finite": flat.isfinite().all(1).numpy(),
    }
    eps = {"linf": 0.2, "l2": 0.5, "l1": 1.0, "l0": 8.0}[norm]
    assert (broken.fits(columns, norm, eps) == ThreatModel(norm, eps).contains(x, x_adv).numpy()).all()
