"""What a run says about its own white-box attack: belief never contradicts the numbers beside it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from frontdef.verdicts.belief import ALPHA, GRAVITY, MARGIN, beliefs
from frontdef.verdicts.bracket import brackets
from frontdef.verdicts.statistics import FEWEST, UNION
from tests.test_verdicts import NO_CERTIFICATE, outcomes

EVIDENCE = ["dataset", "classifier", "defense", "norm", "eps", "attack", "sample_id"]
NOTHING = pd.DataFrame(columns=EVIDENCE)
WHERE = {"dataset": "digits", "classifier": "cnn", "defense": "none"}
DIAGNOSIS = {**WHERE, "norm": "linf", "eps": 0.1, "verdict": "trusted", "reasons": ("no objection",), "n": 32,
             "surrogate": "identity", "budget": {"steps": 40}}  # fmt: skip


def cell(broke, name="white", source="", **about):
    """A cell's outcomes; ``broke`` are the samples that it breaks, of a hundred."""
    rows = outcomes(np.isin(np.arange(100), list(broke)), **about)
    return rows.assign(cell=name, source=source, parameters='{"steps": 10, "restarts": 2}')


def judge(*cells, evidence=NOTHING, diagnoses=(DIAGNOSIS,)):
    (belief,) = beliefs(pd.concat(cells), evidence, diagnoses)
    return belief


def broken_by(attack, samples, **about):
    rows = [{**WHERE, "norm": "linf", "eps": 0.1, "attack": attack, "sample_id": i, **about} for i in samples]
    return pd.DataFrame(rows, columns=EVIDENCE)


def test_nothing_objects_and_the_attack_is_named_with_its_budget():
    belief = judge(cell(range(80)), cell(range(40), "step", family="fgsm"))
    assert belief.verdict == "trusted"
    assert belief.suspect.cell == "white"
    assert (belief.suspect.n, belief.suspect.left) == (100, pytest.approx(0.2))
    assert str(belief.suspect) == "pgd @ art (steps=10, restarts=2, through the front end's own gradient)"
    assert any("none of 1 weaker attacks breaks more" in reason for reason in belief.reasons)


def test_of_equal_attacks_the_judged_one_is_the_one_that_the_table_names():
    """The first by its names, in whichever order a run holds them: else a chip and its row name two attacks."""
    cells = [cell(range(80), name, library=name) for name in ("native", "art", "foolbox")]
    for order in (cells, cells[::-1]):
        (bracket,) = brackets(pd.concat(order), NO_CERTIFICATE, NOTHING)
        assert judge(*order).suspect.library == bracket.strongest.library == "art"


def test_without_a_diagnosis_silence_is_no_trust():
    assert judge(cell(range(80)), diagnoses=()).verdict == "not diagnosed"


@pytest.mark.parametrize("about", [{"family": "fgsm"}, {"source": "BB"}, {"family": "square"}, {"family": "noise"}])
def test_whatever_follows_less_may_not_break_more(about):
    belief = judge(cell(range(50)), cell(range(20, 59), "less", **about))
    assert belief.verdict == "trusted"
    more = judge(cell(range(50)), cell(range(10, 68), "less", **about))
    (rival,) = more.rivals
    assert more.verdict == "suspicious"
    assert (rival.broke, rival.beyond, rival.missed) == (58, 18, 10)
    assert rival.p_value == pytest.approx(binomtest(18, 28, 0.5, "greater").pvalue)
    stronger = judge(cell(range(50)), cell(range(2, 59), "less", **about))
    assert stronger.rivals[0].objects
    assert stronger.verdict == "suspicious"
    assert "p = " in stronger.reasons[0]


def test_p_values_are_corrected_for_all_that_is_tested_and_for_nothing_else():
    less = [cell(range(4, 56), f"less{i}", family="fgsm", library=f"lib{i}") for i in range(3)]
    belief = judge(cell(range(48)), *less, cell(range(30), "other", family="bim"))
    tested = [rival for rival in belief.rivals if not np.isnan(rival.p_value)]
    assert len(tested) == 3
    assert all(rival.p_holm == pytest.approx(min(1, 3 * rival.p_value)) for rival in tested)


def test_a_certain_but_small_gain_is_no_objection():
    belief = judge(cell(range(50)), cell(range(50 + int(100 * MARGIN) - 1), "less", family="fgsm"))
    assert not any(rival.objects for rival in belief.rivals)


def test_all_attacks_together_may_not_break_much_more():
    line = round(100 * UNION)
    half = [cell(range(50 - 8, 50 + line // 2), "transfer", source="BB"), cell(range(60 - line // 2, 60), "square")]
    assert judge(cell(range(50)), *half).gain == pytest.approx(UNION)
    assert judge(cell(range(50)), *half).verdict == "suspicious"
    assert judge(cell(range(50)), half[0]).verdict == "trusted"


def test_in_a_small_run_one_example_is_no_objection():
    ten = cell(range(50)).iloc[::10]
    beyond = [50, 60, 70]
    small = judge(ten, evidence=broken_by("one step", beyond[: FEWEST - 1]))
    assert (small.gain, small.verdict) == (pytest.approx(0.2), "trusted")
    assert judge(ten, evidence=broken_by("one step", beyond)).verdict == "suspicious"


def test_what_a_diagnosis_broke_counts_within_its_radius():
    evidence = broken_by("white box", range(50, 75))
    belief = judge(cell(range(50)), evidence=evidence)
    assert belief.verdict == "suspicious"
    assert belief.together == pytest.approx(0.25)
    (rival,) = belief.rivals
    assert (rival.attack, rival.broke, rival.beyond) == ("white box @ diagnosis", 25, 25)
    assert (rival.n, rival.missed) == (None, None), "the ids that it was run on are not stored"
    assert judge(cell(range(50)), evidence=evidence.assign(eps=0.2)).verdict == "trusted"
    assert judge(cell(range(50)), evidence=evidence.assign(defense="another")).verdict == "trusted"


@pytest.mark.parametrize("verdict", ["suspicious", "masked", "invalid"])
def test_a_diagnosis_that_objects_is_heard_whatever_the_run_says(verdict):
    objecting = {**DIAGNOSIS, "verdict": verdict, "reasons": ("noise breaks more",)}
    assert judge(cell(range(50)), diagnoses=[objecting]).verdict == verdict
    belief = judge(cell(range(50)), cell(range(50, 90), "less", family="fgsm"), diagnoses=[objecting])
    assert belief.verdict == verdict
    assert any("noise breaks more" in reason for reason in belief.reasons)
    assert any("all attacks together" in reason for reason in belief.reasons)


def test_the_diagnosis_of_the_next_radius_in_the_norm_is_taken():
    far = {**DIAGNOSIS, "eps": 0.9, "verdict": "masked"}
    in_l2 = {**DIAGNOSIS, "norm": "l2", "verdict": "masked"}
    assert judge(cell(range(50)), diagnoses=[far, in_l2, DIAGNOSIS]).diagnosed_eps == 0.1
    assert judge(cell(range(50)), diagnoses=[in_l2]).verdict == "not diagnosed"


def test_without_a_white_box_attack_none_is_judged():
    belief = judge(cell(range(50), family="fgsm"))
    assert belief.suspect is None
    assert "no white-box attack" in " ".join(belief.reasons)


def test_an_attack_of_a_plugin_that_is_gone_is_no_suspect_and_still_counts():
    belief = judge(cell(range(50)), cell(range(70), "gone", family="vanished"))
    assert belief.suspect.cell == "white"
    assert [rival.kind for rival in belief.rivals] == ["unknown"]
    assert belief.verdict == "suspicious"


SETS = st.lists(st.sets(st.integers(0, 99)), min_size=1, max_size=4)


@settings(deadline=None, max_examples=25)
@given(SETS, SETS, st.sets(st.integers(0, 31)), st.booleans())
def test_it_never_contradicts_the_worst_case(white, less, diagnosed, asked):
    frames = [cell(broke, f"w{i}", library=f"lib{i}") for i, broke in enumerate(white)]
    frames += [cell(broke, f"l{i}", family="fgsm", library=f"lib{i}") for i, broke in enumerate(less)]
    evidence, diagnoses = broken_by("one step", diagnosed), [DIAGNOSIS] if asked else []
    belief = judge(*frames, evidence=evidence, diagnoses=diagnoses)
    (bracket,) = brackets(pd.concat(frames), NO_CERTIFICATE, evidence)
    assert belief.together == pytest.approx(bracket.worst_case)
    assert belief.suspect.left == pytest.approx(1 - max(len(broke) for broke in white) / 100)
    lowered = any(
        rival.p_holm < ALPHA and rival.beyond - rival.missed >= 5 for rival in belief.rivals if rival.missed is not None
    )
    objects = belief.gain >= UNION or lowered
    assert (GRAVITY.index(belief.verdict) >= GRAVITY.index("suspicious")) == objects
