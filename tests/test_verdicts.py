"""Verdicts on outcomes made by hand: what must be said of them is known."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from frontdef.verdicts.agreement import IDENTICAL, agreement
from frontdef.verdicts.bracket import Strongest, brackets
from frontdef.verdicts.causes import Agreements
from frontdef.verdicts.measured import measured
from frontdef.verdicts.statistics import wilson

NO_CERTIFICATE = pd.DataFrame(columns=["dataset", "classifier", "defense", "norm", "eps", "sample_id", "certified"])


def outcomes(success, *, library="art", family="pgd", norm="linf", eps=0.1, valid=None, correct=None, distance=None):
    n = len(success)
    success = np.asarray(success, bool)
    correct = np.ones(n, bool) if correct is None else np.asarray(correct, bool)
    valid = np.ones(n, bool) if valid is None else np.asarray(valid, bool)
    moved = np.full(n, eps if distance is None else distance)
    return pd.DataFrame(
        {
            "cell": f"{library}-{family}-{norm}-{eps}",
            "dataset": "digits", "classifier": "cnn", "defense": "none", "surrogate": "", "source": "",
            "family": family, "norm": norm, "eps": eps, "parameters": json.dumps({}), "library": library,
            "sample_id": np.arange(n), "label": 0, "clean_correct": correct,
            "target": -1, "adversarial_prediction": (success | ~correct).astype(int),
            "linf": moved, "l2": moved * 28, "l1": moved * 784, "l0": 784,
            "in_box": valid, "finite": True, "valid": valid,
        }
    )  # fmt: skip


def verdict(a, b, **kwargs):
    frames = [outcomes(a, library="art", **kwargs), outcomes(b, library="foolbox", **kwargs)]
    (pair,) = agreement(pd.concat(frames))
    return pair


def test_different_names_the_weaker():
    pair = verdict([1] * 30 + [0] * 70, [1] * 60 + [0] * 40)
    assert (pair.verdict, pair.weaker, pair.only_a, pair.only_b) == ("different", "art", 0, 30)
    assert pair.p_value == pytest.approx(2 * 0.5**30)


def test_an_absent_difference_is_not_equivalence():
    assert verdict([1, 0] * 5, [1, 0] * 5).verdict == "inconclusive"
    assert verdict([1, 0] * 100, [1, 0] * 100).verdict == "equivalent"


def test_holm_counts_every_pair_of_the_run():
    a, b = [1] * 6 + [0] * 94, [0] * 100
    alone = verdict(a, b)
    frames = [outcomes(a, library="art"), outcomes(b, library="foolbox")]
    frames += [outcomes([0] * 100, library=library, eps=0.2) for library in ("art", "foolbox", "native")]
    together = agreement(pd.concat(frames))[0]
    assert alone.verdict == "different"
    assert together.p_holm == pytest.approx(4 * alone.p_value)
    assert together.verdict != "different"


def test_identical_needs_the_examples():
    frames = pd.concat([outcomes([1, 0], library="art"), outcomes([1, 0], library="foolbox")])
    same = {"art-pgd-linf-0.1": np.zeros((2, 1, 2, 2)), "foolbox-pgd-linf-0.1": np.full((2, 1, 2, 2), 5e-7)}
    assert agreement(frames, same.__getitem__)[0].verdict == "identical"
    same["foolbox-pgd-linf-0.1"] = np.full((2, 1, 2, 2), 5e-6)
    assert agreement(frames, same.__getitem__)[0].verdict != "identical"


def test_the_bound_of_identical_is_itself_identical():
    frames = pd.concat([outcomes([1, 0], library="art"), outcomes([1, 0], library="foolbox")])
    same = {"art-pgd-linf-0.1": np.zeros((2, 1, 2, 2)), "foolbox-pgd-linf-0.1": np.full((2, 1, 2, 2), IDENTICAL)}
    assert agreement(frames, same.__getitem__)[0].verdict == "identical"


def test_where_no_sample_is_right_there_is_nothing_to_compare():
    pair = verdict([0] * 4, [0] * 4, correct=[0] * 4)
    assert (pair.n, pair.low, pair.high) == (0, -1.0, 1.0)
    assert (pair.success_a, pair.success_b, pair.verdict) == (0.0, 0.0, "inconclusive")


def test_a_verdict_names_the_level_of_its_interval():
    assert "(95 % interval " in verdict([1] * 30 + [0] * 70, [1] * 60 + [0] * 40).reason


def test_a_notebook_shows_what_was_found_and_first_what_is_worst():
    """Seventy comparisons that differ, one that is invalid, one that tells nothing."""
    frames = [
        outcomes(success, library=library, eps=eps)
        for eps in np.arange(1, 71) / 100
        for library, success in (("art", [1] * 2 + [0] * 98), ("foolbox", [1] * 60 + [0] * 40))
    ]
    frames += [outcomes([1] * 9, library=lib, eps=0.9, valid=[lib != "art"] * 9) for lib in ("art", "foolbox")]
    frames += [outcomes([1, 0], library=library, eps=0.95) for library in ("art", "foolbox")]
    pairs = Agreements(agreement(pd.concat(frames)))
    (_, titles, counted), (said, columns, shown) = tables(pairs._repr_html_())
    assert titles == ["parameters", "verdict", "comparisons"]
    assert {tuple(row) for row in counted} == {
        ("matched", "different", "70"), ("matched", "invalid", "1"), ("matched", "inconclusive", "1"),
    }  # fmt: skip
    assert said == "71 of 72 comparisons disagree; p is corrected (Holm) for all 72"
    assert columns[:4] == ["parameters", "verdict", "comparisons", "where"]
    assert [row[1:3] for row in shown] == [["invalid", "1"], ["different", "70"]]
    assert all("pgd · art / foolbox · ℓ∞" in row[3] for row in shown)


def tables(page):
    """Caption, titles and rows of each table of a page."""
    for table in ElementTree.fromstring(f"<page>{page}</page>").iter("table"):
        rows = [[cell.text for cell in row] for row in table.iter("tr")]
        yield table.findtext("caption"), rows[0], rows[1:]


def test_leaving_the_threat_model_is_invalid_whatever_the_success():
    frames = [outcomes([1] * 50, library="art"), outcomes([1] * 50, library="foolbox", valid=[0] + [1] * 49)]
    (pair,) = agreement(pd.concat(frames))
    assert pair.verdict == "invalid"
    assert "foolbox left the threat model" in pair.reason


def test_naturally_wrong_samples_do_not_count():
    correct = [1] * 50 + [0] * 50
    pair = verdict([1] * 50 + [0] * 50, [0] * 50 + [1] * 50, correct=correct)
    assert (pair.n, pair.success_a, pair.success_b) == (50, 1.0, 0.0)


def test_the_worst_case_is_per_sample_over_attacks_and_libraries():
    frames = [
        outcomes([1, 0, 0, 0], library="art"),
        outcomes([0, 1, 0, 0], library="foolbox"),
        outcomes([0, 0, 1, 0], library="art", family="fgsm"),
    ]
    (bracket,) = brackets(pd.concat(frames), NO_CERTIFICATE)
    assert bracket.worst_case == pytest.approx(0.25)
    assert bracket.clean == 1
    assert np.isnan(bracket.certified)


def test_the_strongest_attack_is_named_by_ids_and_there_is_none_where_none_broke_any():
    frames = [
        outcomes([1, 0, 0], library="art"),
        outcomes([1, 1, 0], library="foolbox").assign(source="BB"),
        outcomes([0, 0, 0], library="native", family="fgsm"),
    ]
    (bracket,) = brackets(pd.concat(frames), NO_CERTIFICATE)
    assert bracket.strongest == Strongest("pgd", "BB", "linf", "foolbox")
    assert str(bracket.strongest) == "pgd from BB linf @ foolbox"
    (bracket,) = brackets(frames[2], NO_CERTIFICATE)
    assert bracket.strongest is None


def test_an_example_counts_in_every_threat_model_that_it_fits():
    frames = [outcomes([1, 0], eps=0.1), outcomes([0, 0], eps=0.2), outcomes([0, 1], norm="l2", eps=5.6, distance=0.05)]
    by_threat = {(bracket.norm, bracket.eps): bracket for bracket in brackets(pd.concat(frames), NO_CERTIFICATE)}
    assert by_threat["linf", 0.1].worst_case == 0
    assert by_threat["linf", 0.2].worst_case == 0
    assert by_threat["l2", 5.6].worst_case == 0


EVIDENCE = {"dataset": "digits", "classifier": "cnn", "defense": "none", "norm": "linf", "eps": 0.1}


def test_what_a_diagnosis_broke_lowers_the_worst_case_within_its_norm():
    frames = [outcomes([1, 0, 0, 0], eps=eps) for eps in (0.05, 0.1, 0.2)]
    frames.append(outcomes([0, 0, 0, 0], norm="l2", eps=9.0))
    evidence = pd.DataFrame([{**EVIDENCE, "attack": "DLR loss", "sample_id": i} for i in (0, 1, 2)])
    by_threat = {
        (bracket.norm, bracket.eps): bracket
        for bracket in brackets(pd.concat(frames), NO_CERTIFICATE, evidence)
        if bracket.norm == "linf" or bracket.eps == 9.0
    }
    assert [by_threat["linf", eps].worst_case for eps in (0.05, 0.1, 0.2)] == [0.75, 0.25, 0.25]
    assert str(by_threat["linf", 0.1].strongest) == "DLR loss linf @ diagnosis"
    assert by_threat["l2", 9.0].worst_case == 0.75


def test_a_certified_sample_that_a_diagnosis_breaks_is_named_and_other_rows_are_not_touched():
    where = {name: EVIDENCE[name] for name in ("dataset", "classifier", "defense", "norm", "eps")}
    certified = pd.DataFrame([{**where, "sample_id": i, "certified": True} for i in range(4)])
    evidence = pd.DataFrame(
        [
            {**EVIDENCE, "attack": "one step", "sample_id": 3},
            {**EVIDENCE, "defense": "another", "attack": "one step", "sample_id": 2},
            {**EVIDENCE, "attack": "one step", "sample_id": 99},
        ]
    )
    (bracket,) = brackets(outcomes([0, 0, 0, 0]), certified, evidence)
    assert bracket.violations == (3,)
    assert bracket.worst_case == 0.75


def test_invalid_examples_never_count():
    frame = outcomes([1, 1], valid=[0, 0])
    (bracket,) = brackets(frame, NO_CERTIFICATE)
    assert bracket.worst_case == 1


def test_a_targeted_example_in_another_wrong_class_counts_for_the_worst_case_alone():
    """Both examples are class 1 on an image of class 0; the target of the second one was class 2."""
    frames = [outcomes([1, 1], library=library).assign(target=[1, 2]) for library in ("art", "foolbox")]
    (bracket,) = brackets(pd.concat(frames), NO_CERTIFICATE)
    (pair,) = agreement(pd.concat(frames))
    assert bracket.worst_case == 0
    assert (pair.success_a, pair.success_b) == (0.5, 0.5)


def test_a_certified_sample_that_falls_is_named():
    where = {"dataset": "digits", "classifier": "cnn", "defense": "none", "norm": "linf", "eps": 0.1}
    certified = pd.DataFrame([{**where, "sample_id": i, "certified": proved} for i, proved in enumerate([1, 1, 0, 0])])
    (bracket,) = brackets(outcomes([1, 0, 0, 1]), certified.astype({"certified": bool}))
    assert bracket.violations == (0,)
    assert bracket.certified == pytest.approx(0.5)


def test_a_proof_counts_in_its_own_norm_and_radius():
    where = {"dataset": "digits", "classifier": "cnn", "defense": "none"}
    proofs = {("linf", 0.1): 1, ("linf", 0.05): 3, ("l2", 0.1): 2}
    certified = pd.DataFrame(
        [
            {**where, "norm": norm, "eps": eps, "sample_id": i, "certified": i < proved}
            for (norm, eps), proved in proofs.items()
            for i in range(4)
        ]
    )
    frames = pd.concat([outcomes([0] * 4, norm=norm, eps=eps) for norm, eps in proofs])
    measured = {(bracket.norm, bracket.eps): bracket.certified * 4 for bracket in brackets(frames, certified)}
    assert measured == pytest.approx(proofs)


def cells(**told):
    """Rows of cells for the libraries named, with what is told of each."""
    plain = {"status": "ok", "difference": "", "causes": [], "faults": [], "forwards": 10.0, "backwards": 10.0}
    rows = [{**plain, "library": name, "cell": f"{name}-pgd-linf-0.1", **more} for name, more in told.items()]
    return pd.DataFrame(rows)


def explained(a, b, told, parameters=None):
    frames = pd.concat([outcomes(a, library="art"), outcomes(b, library="foolbox")])
    frames["parameters"] = json.dumps(parameters or {})
    return agreement(frames, cells=cells(**{"art": {}, "foolbox": {}, **told}))[0]


WEAK, STRONG = [1] * 30 + [0] * 70, [1] * 60 + [0] * 40


def test_a_difference_between_exact_calls_is_unexplained():
    assert explained(WEAK, STRONG, {}).cause == "unexplained"


def test_a_named_difference_is_the_cause():
    told = {"difference": "ART clips first.", "causes": ["clipping", "projection"], "weakens": ["projection"]}
    pair = explained(WEAK, STRONG, {"art": told})
    assert pair.cause == "projection", "of what is significant only what predicts it"
    assert explained(WEAK, WEAK, {"art": told}).cause == "clipping, projection"
    assert pair.reason.endswith("Known: ART clips first.")


def test_a_cause_that_predicts_the_other_direction_explains_nothing():
    """ART is the weaker one; then the other."""
    causes = {"difference": "It differs.", "causes": ["projection"]}
    for library, direction, cause in (
        ("art", "weakens", "projection"), ("art", "strengthens", "unexplained"),
        ("foolbox", "strengthens", "projection"), ("foolbox", "weakens", "unexplained"),
    ):  # fmt: skip
        pair = explained(WEAK, STRONG, {library: {**causes, direction: ["projection"]}})
        assert (pair.weaker, pair.cause) == ("art", cause)
        other = {"art": "foolbox", "foolbox": "art"}
        pair = explained(STRONG, WEAK, {other[library]: {**causes, direction: ["projection"]}})
        assert (pair.weaker, pair.cause) == ("foolbox", cause)


def apart(changed, n=100, rounding=(0.0, 0.0), samples=32.0, parameters=None):
    """Two exact cells, the first examples of one of which are others; what rounding changes of each."""
    frames = pd.concat([outcomes([1, 0] * (n // 2), library=library) for library in ("art", "foolbox")])
    frames["parameters"] = json.dumps(parameters or {})
    examples = {f"{library}-pgd-linf-0.1": np.zeros((n, 1, 2, 2)) for library in ("art", "foolbox")}
    examples["art-pgd-linf-0.1"][:changed, 0, 0, 0] = 0.01
    told = {
        library: {"rounding": share, "rounding_samples": samples}
        for library, share in zip(("art", "foolbox"), rounding, strict=True)
    }
    (pair,) = agreement(frames, examples.__getitem__, cells(**told))
    return pair


def test_other_examples_of_two_exact_calls_are_unexplained():
    pair = apart(10)
    assert (pair.verdict, pair.cause, pair.same_share) == ("unexplained", "unexplained", 0.9)
    assert "10 of 100 samples got other examples" in pair.reason
    assert apart(1).verdict == "equivalent", "99 % are the same"
    assert apart(3).verdict == "equivalent", "more than 1 % is not shown"
    assert apart(4).verdict == "unexplained"


def test_what_rounding_changes_of_both_is_explained_by_it():
    assert apart(10, rounding=(4 / 32, 3 / 32)).verdict == "equivalent"
    assert apart(10, rounding=(4 / 32, 3 / 32)).cause == "rounding"
    assert apart(60, rounding=(4 / 32, 3 / 32)).verdict == "unexplained", "more than rounding changes"
    assert apart(60, rounding=(1.0, 0.0)).verdict == "unexplained", "one that trembles by itself excuses nothing"


def test_nothing_is_unexplained_where_no_examples_were_expected_to_be_the_same():
    assert apart(100, rounding=(None, None), samples=None).verdict == "equivalent"


def test_what_two_defaults_do_to_each_other_is_their_defaults():
    assert explained(WEAK, STRONG, {}, {"defaults": True}).cause == "defaults"
    assert explained(WEAK, STRONG, {"art": {"backwards": 40.0}}, {"defaults": True}).cause == "defaults", (
        "the weaker one spent more"
    )


def test_a_random_start_explains_other_examples_and_never_a_weaker_attack():
    assert explained(WEAK, STRONG, {}, {"random_start": True}).cause == "unexplained"
    assert explained(WEAK, WEAK, {}, {"random_start": True}).cause == "random start"


def test_defaults_are_a_mode_of_their_own_and_differ_in_budget():
    pair = explained(WEAK, STRONG, {"foolbox": {"backwards": 40.0}}, {"defaults": True})
    assert (pair.mode, pair.cause, pair.passes_a, pair.passes_b) == ("defaults", "budget", 20.0, 50.0)
    assert explained(WEAK, STRONG, {}).mode == "matched"


def test_an_attack_that_tampers_is_invalid():
    pair = explained(STRONG, STRONG, {"art": {"faults": ["changed the model's parameters or buffers"]}})
    assert (pair.verdict, pair.reason) == ("invalid", "art changed the model's parameters or buffers")
    harmless = explained(
        [1, 0] * 100, [1, 0] * 100, {"art": {"faults": ["returned another type: float16 instead of float32"]}}
    )
    assert harmless.verdict == "equivalent"


class TestMeasured:
    def frame(self, values, quantity="q"):
        where = {"dataset": "d", "classifier": "c", "defense": "x", "metric": "m", "parameters": "{}", "unit": ""}
        return pd.DataFrame({**where, "quantity": quantity, "sample_id": range(len(values)), "value": values})

    def test_mean_with_students_interval(self):
        """Of 1, 2, 3: mean 2, deviation 1, t(0.975, 2) = 4.302653: 2 ± 4.302653 / √3."""
        (summary,) = measured(self.frame([1.0, 2.0, 3.0]))
        assert (summary.n, summary.mean, summary.median) == (3, 2.0, 2.0)
        assert (summary.low, summary.high) == pytest.approx((2 - 2.484138, 2 + 2.484138), abs=1e-6)

    def test_shares_have_wilsons(self):
        (summary,) = measured(self.frame([1.0] * 8 + [0.0] * 2))
        assert summary.mean == pytest.approx(0.8)
        assert (summary.low, summary.high) == pytest.approx(wilson(8, 10))

    def test_what_does_not_apply_is_left_out(self):
        summaries = measured(pd.concat([self.frame([1.5, np.nan, 2.5]), self.frame([np.nan], "nothing")]))
        assert [(summary.quantity, summary.n) for summary in summaries] == [("q", 2), ("nothing", 0)]
        assert np.isnan(summaries[1].mean)
