"""The report: its numbers are those of the records, its page is one offline file, and names stay text."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import math
import os
import re
import runpy
import subprocess
import sys
from dataclasses import fields, replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from frontdef.errors import StoreError
from frontdef.matrix.tables import CELLS, RECORDS
from frontdef.report import believed, chart, gallery, look, palette, pictures, svg, tables
from frontdef.report.axes import Axis
from frontdef.report.build import ROWS, SCRIPTS, TOOLS, build_report, render
from frontdef.report.collect import ADDED, collect
from frontdef.report.data import About, CellRow, Diagnosed, ReportData, Setting
from frontdef.report.payload import bits, payload
from frontdef.runs.results import load_results
from frontdef.verdicts.agreement import DISAGREE, MARGIN
from frontdef.verdicts.causes import causes as causes_of
from frontdef.verdicts.statistics import paired_difference
from tests.run_writer import RunWriter

sample = runpy.run_path(str(Path(__file__).with_name("report_sample.py")))
HOSTILE, N, BROKE, DIAGNOSIS = (sample[name] for name in ("HOSTILE", "N", "BROKE", "DIAGNOSIS"))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return sample["make_run"](tmp_path_factory.mktemp("report") / "run")


@pytest.fixture(scope="module")
def data(root):
    return collect(load_results(root))


@pytest.fixture(scope="module")
def page(data):
    return render(data)


class Reader(HTMLParser):
    """Tags with their attributes, and the text of each element that has an id or is a script or style."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self.styles, self.texts, self._into = [], [], [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        kind = dict(attrs).get("type")
        self._into = {"script": [] if kind else self.scripts, "style": self.styles}.get(tag, self.texts)

    def handle_endtag(self, tag):
        self._into = self.texts

    def handle_data(self, text):
        (self._into if self._into is not None else self.texts).append(text)


def embedded(page):
    text = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1]
    assert not set("<>&") & set(text), "nothing in the data may look like a tag to an HTML parser"
    return json.loads(text)


@pytest.fixture(scope="module")
def frame(root):
    results = load_results(root)
    return results.records().merge(results.cells()[["cell", "defense", "family", "library"]], on="cell")


def broken_in(records, defense, norm, eps, **where):
    """Independent of the code under test: which samples some stored example breaks, sorted by id."""
    for name, value in {"defense": defense, **where}.items():
        records = records[records[name] == value]
    fits = (
        (records[norm] <= eps + 1e-6)
        & records.in_box
        & (records.adversarial_prediction != records.label)
        & records.clean_correct
    )
    return np.isin(1000 + np.arange(N), records[fits].sample_id)


def diagnosed_in(bracket):
    """Which samples an attack of the diagnosis broke within a bracket's threat model, sorted by id."""
    counts = bracket.defense == HOSTILE and (bracket.norm, bracket.eps >= DIAGNOSIS["eps"]) == (DIAGNOSIS["norm"], True)
    return np.isin(1000 + np.arange(N), [i for ids in BROKE.values() for i in ids] if counts else [])


# numbers


def test_worst_cases_are_those_of_the_records(frame, data):
    assert len(data.brackets) == 3 * 5
    for row in data.brackets:
        setting = Setting.of(row)
        correct = tables.correct_of(data, setting, row.defense)
        by_cells = broken_in(frame, row.defense, row.norm, row.eps)
        robust = correct & ~by_cells & ~diagnosed_in(row)
        assert row.worst_case == pytest.approx(robust.mean()), row
        scores = [
            s.broken for s in data.scores if s.setting == setting and data.cell_by_key[s.cell].defense == row.defense
        ]
        np.testing.assert_array_equal(correct & ~np.any(scores, axis=0), correct & ~by_cells)
        evidence = [e.broken for e in data.evidence if (e.setting, e.defense) == (setting, row.defense)]
        np.testing.assert_array_equal(np.any([*evidence, np.zeros(N, dtype=bool)], axis=0), diagnosed_in(row))
    assert any(diagnosed_in(row).any() for row in data.brackets)
    assert {str(row.strongest) for row in data.brackets if diagnosed_in(row).any()} >= {"DLR loss linf @ diagnosis"}


def test_certified_samples_stand(data):
    certified = [row for row in data.brackets if not np.isnan(row.certified)]
    assert {row.defense for row in certified} == {"none"}
    assert all(0 < row.certified <= row.worst_case and not row.violations for row in certified if row.eps <= 0.05)
    assert all(row.certified <= row.worst_case for row in certified)


def test_heat_cells_join_the_libraries_sample_by_sample(root, frame, data):
    setting = Setting("digits8", "softmax", "linf", 0.1)
    rows = tables.heat(data, setting)
    assert [row.bracket.worst_case for row in rows] == sorted((row.bracket.worst_case for row in rows), reverse=True)
    cells = load_results(root).cells()
    for row in rows:
        defense = data.defense_names[row.defense]
        correct = tables.correct_of(data, setting, defense)
        for cell in row.cells:
            family = data.family_names[cell.family]
            own = cells[(cells.defense == defense) & (cells.family == family) & (cells.eps == 0.1)].cell
            fell = np.any([broken_in(frame, defense, "linf", 0.1, cell=key) for key in own], axis=0)
            assert cell.robust == pytest.approx((correct & ~fell).mean())
    assert [data.family_names[i] for i in tables.families_of(data, setting)] == ["fgsm", "bim", "noise"]


def test_what_failed_and_what_was_not_run_is_shown(data, page):
    row = next(
        r
        for r in tables.heat(data, Setting("digits8", "softmax", "linf", 0.2))
        if r.bracket.defense.startswith("round")
    )
    assert [cell.failed for cell in row.cells] == [0, 1, 0]
    missing = [cell for cell in data.cells if cell.status == "missing"]
    marked = [cell.missing for setting in data.settings for row in tables.heat(data, setting) for cell in row.cells]
    assert sum(marked) == len(missing) == 1
    assert page.count('<span class="pending" title="') == 1
    assert "1 cell failed" in "".join(Reader(page).texts)
    assert "RuntimeError: </script><b>out of memory" in "".join(Reader(page).texts)
    assert "1 cell not run yet" in "".join(Reader(page).texts)


def test_agreement_counts_every_comparison_once(data):
    for setting in data.settings:
        counted = sum(
            count for row in tables.grid(data, setting, "matched") for cell in row.cells for _, count in cell.counts
        )
        assert counted == sum(Setting.of(row) == setting for row in data.agreements) > 0
    verdicts = {(row.family, row.library_a, row.library_b): row.verdict for row in data.agreements if row.eps == 0.1}
    assert verdicts["fgsm", "alpha", "beta"] == "identical"
    assert verdicts["noise", "alpha", "gamma"] == "invalid"
    weak = [row for row in data.agreements if row.verdict == "different"]
    assert weak
    assert {row.weaker for row in weak} == {"gamma"}


def test_banner_dots_and_list_say_the_same(data, page):
    """What the banner counts is what the list holds, and a dot stands where the list has the defense's attack."""
    ((words, differing, compared, _),) = look.disagreements(data)
    listed = [row for cause in causes_of(data.agreements) for row in cause.rows]
    assert words == "with the same parameters"
    assert differing == len(listed) == sum(row.verdict in DISAGREE for row in data.agreements) > 0
    assert compared == len(data.agreements)
    assert f"libraries disagree in {differing} of {compared} comparisons" in "".join(Reader(page).texts)
    dotted = {
        (setting, row.bracket.defense, data.family_names[cell.family])
        for setting in data.settings
        for row in tables.heat(data, setting)
        for cell in row.cells
        if cell.disagree
    }
    assert dotted == {(Setting.of(row), row.defense, row.family) for row in listed}


def test_a_cause_stands_once(data):
    causes = causes_of(data.agreements)
    names = [(cause.mode, cause.verdict, cause.name, cause.known or cause.rows[0].family) for cause in causes]
    assert len(set(names)) == len(names)
    assert [cause.verdict for cause in causes] == sorted((cause.verdict for cause in causes), key=DISAGREE.index)
    invalid = causes[0]
    assert invalid.verdict == "invalid"
    assert len(invalid.rows) > 3
    assert "noise" in invalid.where
    assert "alpha / gamma" in invalid.where
    assert "ℓ∞ 0.05, 0.1, 0.2" in invalid.where


def test_what_is_open_comes_with_the_samples_that_decide_it(data):
    rows = look.undecided(data)
    assert {id(row) for row, _ in rows} == {id(row) for row in data.agreements if row.verdict == "inconclusive"}
    for row, samples in rows:
        assert samples > row.n
        scale = samples / row.n
        low, high = paired_difference(row.only_a * scale, row.only_b * scale, samples)
        apart = abs(row.only_a - row.only_b) * scale
        assert max(-low, high) <= MARGIN or apart > 2 * np.sqrt((row.only_a + row.only_b) * scale)


def test_both_p_values_and_their_family_are_told(data, page):
    text = "".join(Reader(page).texts)
    assert f"corrected by Holm for all {len(data.agreements)} comparisons" in text
    listed = [row for cause in causes_of(data.agreements) for row in cause.rows]
    for row in listed:
        assert f'data-v="{row.p_value}"' in page
        assert f'data-v="{row.p_holm}"' in page
    assert all(0 <= row.low <= row.high <= 1 for row in data.brackets)


def test_the_drawer_gets_whole_paired_tables(data):
    for row, sent in zip(data.agreements, payload(data)["agreements"], strict=True):
        both, only_a, only_b, neither = sent[6:10]
        assert both + only_a + only_b + neither == row.n
        assert (both + only_a) / row.n == pytest.approx(row.success_a)
        assert (both + only_b) / row.n == pytest.approx(row.success_b)


def test_curves_start_clean_and_fall(data):
    for group in tables.groups(data):
        for row in tables.curves(data, group):
            assert list(row.values) == sorted(row.values, reverse=True)
    assert [data.settings[i].eps for i in tables.groups(data)[0]] == [0.05, 0.1, 0.2]
    assert data.settings[tables.default_setting(data)] == Setting("digits8", "softmax", "linf", 0.1)


def test_invalid_examples_are_counted_per_cell(frame, data):
    for cell in data.cells:
        rows = frame[frame.cell == cell.key]
        assert cell.invalid == int((~rows.valid.astype(bool)).sum())
    assert any(cell.invalid for cell in data.cells if (cell.library, cell.family) == ("gamma", "noise"))


def test_bits():
    assert bits(np.array([True, False, True])) == base64.b64encode(bytes([0b10100000])).decode()
    assert bits(np.zeros(9, bool)) == ""


# pictures


@pytest.mark.parametrize("channels", [1, 3])
def test_png_keeps_every_pixel(channels):
    image = np.arange(channels * 12, dtype=np.float32).reshape(channels, 3, 4) / 40
    decoded = np.asarray(Image.open(io.BytesIO(base64.b64decode(pictures.png(image).split(",")[1]))), dtype=float) / 255
    np.testing.assert_allclose(decoded, image[0] if channels == 1 else np.moveaxis(image, 0, -1), atol=0.5 / 255)


def test_png_survives_anything_a_library_returns():
    odd = np.array([[[np.nan, np.inf], [-3.0, 7.0]]], dtype=np.float32)
    decoded = np.asarray(Image.open(io.BytesIO(base64.b64decode(pictures.png(odd).split(",")[1]))))
    np.testing.assert_array_equal(decoded, [[0, 0], [0, 255]])
    wide = Image.open(io.BytesIO(base64.b64decode(pictures.png(np.zeros((3, 50, 400))).split(",")[1])))
    assert wide.size == (96, 12)
    assert Image.open(io.BytesIO(base64.b64decode(pictures.png(np.zeros((5, 4, 4))).split(",")[1]))).size == (20, 4)


@given(st.floats(1e-4, 1))
def test_magnification_is_the_largest_that_fits(largest):
    delta = np.array([0.0, -largest])
    factor = pictures.magnification(delta)
    shown = pictures.magnified(delta, factor)
    assert shown[0] == 0.5
    if largest <= 0.5:
        assert shown[1] == pytest.approx(0.5 - factor * largest, abs=2e-6)
        bigger = [k for k in pictures.FACTORS if k > factor]
        assert not bigger or bigger[0] * largest > 0.5


def test_tiles_stand_in_a_row():
    assert pictures.tiles(np.zeros((8, 3, 5, 7))).shape == (3, 5, 8 * 8 - 1)
    assert pictures.tiles(np.zeros((5, 7))).shape == (1, 5, 7)


def test_gallery_shows_broken_samples_of_the_strongest_attack_first(frame, data):
    led = {}
    for picture in data.pictures:
        led.setdefault((picture.setting, picture.defense), picture)
        where = {"library": picture.library, "family": picture.family}
        fell = broken_in(frame, picture.defense, picture.setting.norm, picture.setting.eps, **where)
        assert fell[picture.sample_id - 1000]
        assert picture.adversarial_prediction != picture.label
        order = {"linf": np.inf, "l2": 2}[picture.setting.norm]
        gap = np.linalg.norm((picture.attacked - picture.clean).ravel().astype(float), ord=order)
        assert picture.distance == pytest.approx(gap, abs=1e-6)
    for (setting, defense), picture in led.items():
        own = {}
        for score in data.scores:
            cell = data.cell_by_key[score.cell]
            if score.setting == setting and cell.defense == defense and setting in data.settings_for(cell):
                own[cell.family, cell.library] = int(score.broken.sum())
        assert (picture.family, picture.library) == min(own, key=lambda name: (-own[name], name))


def test_what_the_classifier_gets_is_shown(data):
    rounded = [picture for picture in data.pictures if picture.defense == "rounding levels=3"]
    assert rounded
    assert all(np.isin(picture.seen, [0, 0.5, 1]).all() for picture in rounded)
    assert [panel.caption for panel in gallery.draw(rounded[0], lead=True).panels][3] == "after the front end"


def test_gallery_keeps_to_its_budget(data):
    chosen = gallery.choose(data, values_per_image=64, budget=20 * gallery.weight(64))
    assert len(chosen) == 20
    own = [
        (s.setting, c.defense)
        for s in data.scores
        if s.broken.any() and s.setting in data.settings_for(c := data.cell_by_key[s.cell])
    ]
    where = [(choice.setting, data.cell_by_key[choice.cell].defense) for choice in chosen]
    assert set(where) == set(own)
    assert len(set(where[: len(set(own))])) == len(set(own)), "every defense and setting comes before any comes twice"


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32)])
def test_a_card_weighs_no_more_than_the_budget_takes_it_for(data, shape):
    """Noise, which nothing compresses."""
    noise = np.random.default_rng(0).random((2, *shape))
    picture = replace(data.pictures[0], clean=noise[0], attacked=noise[1], seen=noise[1])
    two, three = (len(render(replace(data, pictures=(picture,) * n)).encode()) for n in (2, 3))
    assert 0 < three - two <= gallery.weight(noise[0].size)


# drawings and colors


def test_bars_stand_where_the_numbers_say():
    bar = svg.bracket(0.2, 0.41, 0.34, 0.48, 0.9)
    assert '<rect class="proved" x="0" width="20%"' in bar
    assert '<rect class="open" x="20%" width="21%"' in bar
    assert '<rect class="end" x="41%"' in bar
    assert '<line class="span" x1="34%" x2="48%"' in bar
    assert '<line class="clean" x1="90%" x2="90%"' in bar
    assert '<rect class="open" x="0%" width="41%"' in svg.bracket(math.nan, 0.41, 0.34, 0.48, 0.9)


def test_chart_escapes_and_scales():
    places = [chart.Place(0, "clean"), chart.Place(0.5, HOSTILE, "0"), chart.Place(1, "0.2", "1")]
    lines = [chart.Line(0, HOSTILE, [1.0, 0.5, None])]
    drawn = chart.chart(places, lines, Axis(0, 1, (0, 1)), label="a & b", unit=HOSTILE, across=HOSTILE)
    assert 'points="0,0 50,50"' in drawn
    assert re.findall('data-at="(.*?)"', drawn) == ["", "0"]
    assert HOSTILE not in drawn
    assert "a &amp; b" in drawn


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_names_below_a_chart_keep_apart_and_the_first_is_kept(at):
    places = [chart.Place(value, str(i)) for i, value in enumerate(sorted(at))]
    drawn = chart.chart(places, [], Axis(0, 1, ()), label="", unit="", across="")
    kept = [float(value) / 100 for value in re.findall(r'class="tick" x="([^"]*)%" y="100%" dy="18"', drawn)]
    assert kept[0] == pytest.approx(min(at), abs=1e-6)
    assert all(gap >= chart.APART - 1e-6 for gap in np.diff(kept))


@pytest.mark.parametrize("dark", [False, True])
def test_colors_are_even_and_readable(dark):
    colors = [palette.to_rgb(color) for color in palette.scale(dark)]
    steps = np.diff([palette.luminance(color) ** (1 / 3) for color in colors])
    assert (steps > 0).all() if dark else (steps < 0).all()
    assert np.abs(steps).max() < 2 * np.abs(steps).min()
    assert min(palette.contrast(color, palette.text_on(color)) for color in colors) >= 4.5
    token = {name: palette.to_rgb(pair[dark]) for name, pair in palette.TOKENS.items()}
    for text in ("ink", "muted", "accent", "alert"):
        for ground in ("page", "surface", "raised"):
            assert palette.contrast(token[text], token[ground]) >= 4.5, (text, ground)
    assert palette.contrast(token["alert"], token["alert-soft"]) >= 4.5
    assert min(palette.contrast(palette.to_rgb(line), token["page"]) for line in palette.series(dark)) >= 3


def test_oklch_is_converted_as_published():
    assert palette.to_rgb((1.0, 0.0, 0)) == (255, 255, 255)
    assert palette.to_rgb((0.0, 0.0, 0)) == (0, 0, 0)
    red = palette.to_rgb((0.62796, 0.25768, 29.234))
    assert np.abs(np.subtract(red, (255, 0, 0))).max() <= 1


# the page


def test_page_is_one_offline_file(page):
    reader = Reader(page)
    for tag, attributes in reader.tags:
        for name in ("src", "href", "action", "srcset", "data", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, name, value)
        assert tag not in {"iframe", "object", "embed", "base"}
        assert not [name for name in attributes if name.startswith("on") or name == "style"], (tag, attributes)
    (style,), script = reader.styles, "".join(reader.scripts)
    assert not re.search(r"@import|url\((?!#)", style)
    assert not re.search(r"fetch\(|XMLHttpRequest|WebSocket|sendBeacon|import\(|eval\(|innerHTML|localStorage", script)
    assert len(page.encode()) < 2_000_000


def test_policy_allows_this_style_and_script_and_nothing_else(page):
    reader = Reader(page)
    policy = next(a["content"] for tag, a in reader.tags if a.get("http-equiv") == "Content-Security-Policy")
    digest = lambda text: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()  # noqa: E731
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert f"style-src 'sha256-{digest(reader.styles[0])}';" in policy
    allowed = " ".join(f"'sha256-{digest(script)}'" for script in reader.scripts)
    assert f"script-src {allowed};" in policy
    assert "unsafe" not in policy


def test_script_is_small(page):
    view, rows, tools = Reader(page).scripts
    assert len(view.encode()) < 15_000
    assert len(rows.encode()) < 6_000, "order, and what is made when it is seen"
    assert len(tools.encode()) < 10_000, "files and the address: nothing that the page's numbers need"
    for name, parts in (("scripts", SCRIPTS), ("rows", ROWS), ("tools", TOOLS)):
        assert {path.stem for path in (Path(tables.__file__).parent / name).iterdir()} == set(parts)


def test_tables_stand_without_the_script(data, page):
    before = page.split("<script")[0]
    for row in data.brackets:
        assert f'data-v="{row.worst_case}"><b>{100 * row.worst_case:.1f}</b>' in before
    panes = [attributes for _, attributes in Reader(before).tags if "pane" in attributes.get("class", "").split()]
    assert len(panes) == 4 * len(data.settings) + len(tables.groups(data))
    assert not any("hidden" in attributes for attributes in panes)


def test_commands_versions_and_seeds_are_there(data, page):
    text = "".join(Reader(page).texts)
    for cell in data.cells:
        assert cell.command in text
    assert "frontdef run sample.toml" in text
    assert np.__version__ in text
    assert "fgsm in l2: alpha does not offer it" in text
    assert "half the step" in text


@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40))
@example("</script x")
@example("<!--<script ")
@example("{{ 7 * 7 }}")
def test_names_stay_text(data, name):
    masked = data.diagnoses[0].diagnosis
    findings = masked.findings
    told_by = lambda name: replace(masked, findings=tuple(replace(found, measured=name) for found in findings))  # noqa: E731
    diagnosed = lambda name, diagnosis: Diagnosed(name, name, name, diagnosis)  # noqa: E731
    cell = CellRow(
        "k", "failed", name, name, name, name, "linf", 0.1, name, name, name, name, "{}", name, error=name, command=name
    )
    shown = ReportData(
        About(name, name, name, name, versions={name: name}, skipped=(name,)),
        (cell,),
        diagnoses=(diagnosed(name, told_by(name)),),
    )
    plain = ReportData(
        About("a", "a", "a", "a", versions={"a": "a"}, skipped=("a",)),
        (replace(cell, **{key: "a" for key, value in vars(cell).items() if value == name}),),
        diagnoses=(diagnosed("a", told_by("a")),),
    )
    tags = lambda text: [(tag, sorted(attributes)) for tag, attributes in Reader(text).tags]  # noqa: E731
    assert tags(render(shown)) == tags(render(plain))
    assert embedded(render(shown))["names"]["d"] == [name]


def test_a_hostile_name_is_text(page):
    assert HOSTILE not in page
    assert HOSTILE in "".join(Reader(page).texts)
    assert HOSTILE in embedded(page)["names"]["d"]
    assert not [attributes for tag, attributes in Reader(page).tags if tag == "img" and "onerror" in attributes]


def test_belief_shows_every_check_with_its_threshold(data, page):
    assert '<details class="chip masked"' in page
    assert "random noise: noise breaks more (noise breaks 34%, PGD 31%)" in page
    (row,) = data.diagnoses
    assert (row.defense, row.diagnosis.norm, row.diagnosis.eps) == (HOSTILE, "linf", 0.1)
    told = {name: value for name, value in row.diagnosis.to_dict().items() if name != "reasons"}
    assert told.items() <= sample["DIAGNOSIS"].items()
    assert "55 samples attacked through the gradient “identity”, 7 not broken." in page
    table = re.search(r'<table class="sortable stack checks">.*?</table>', page, re.DOTALL)[0]
    noise, transfer = ("".join(Reader(text).texts) for text in re.findall(r'<tr><th scope="row".*?</tr>', table))
    for shown in ("random noise", "alarm", "0.031", "100 + 40", "noise breaks 34%, PGD 31%", "Athalye et al. 2018"):
        assert shown in noise
    assert "does not apply" in transfer
    assert page.count('<table class="sortable stack checks">') == 1
    assert 'diagnose = ["l2"]' in "".join(Reader(page).texts)


def test_every_defense_has_a_belief_that_names_the_attack_it_judges(data, page):
    assert len(data.beliefs) == len(data.brackets)
    assert len(re.findall(r'<details class="chip ', page)) == len(data.beliefs)
    text = "".join(Reader(page).texts)
    for belief, bracket in zip(data.beliefs, data.brackets, strict=True):
        assert Setting.of(belief) == Setting.of(bracket)
        assert all(reason in text for reason in belief.reasons)
        lines = believed.budgets(data, belief)
        assert all(line in text for line in lines)
        if belief.suspect:
            assert str(belief.suspect) in lines[0]
            assert "passes a sample" in lines[0]
            assert belief.together == pytest.approx(bracket.worst_case)
            assert str(belief.suspect) in text


def test_a_diagnosis_where_nothing_was_attacked_is_shown_all_the_same(data):
    (row,) = data.diagnoses
    elsewhere = replace(row, diagnosis=replace(row.diagnosis, norm="l1", eps=3.0))
    page = render(replace(data, diagnoses=(elsewhere,)))
    assert '<span class="quiet">ℓ1 ε = 3</span>' in page
    assert page.count('<table class="sortable stack checks">') == 1


def test_metrics_have_a_table_with_intervals(root, data, page):
    values = load_results(root).sql("select value from metrics where quantity = 'gap' and defense = 'none'")["value"]
    (row,) = [row for row in data.measured if row.defense == "none" and row.quantity == "gap"]
    assert (row.n, row.unit) == (N, "logits")
    assert row.mean == pytest.approx(values.mean())
    assert row.low < row.mean < row.high
    section = page.partition('<section id="measures">')[2].partition("</section>")[0]
    assert section.count("<tr data-d=") == 3
    assert "k=2" in section
    assert '<a href="#measures">' in page
    assert f"{row.mean:.3g}" in section
    assert HOSTILE not in section


def test_a_share_is_told_in_percent_like_every_accuracy(data):
    row = replace(data.measured[0], unit="share", mean=0.9948, low=0.98438, high=1.0)
    section = render(replace(data, measured=(row,))).partition('<section id="measures">')[2].partition("</section>")[0]
    assert '<span class="quiet">%</span>' in section
    assert f'99.5 <span class="quiet">(98.4 to 100.0; {row.n})' in section


def test_a_run_without_metrics_has_no_such_section(data):
    assert "measures" not in re.sub(
        r"<(script|style)>.*?</\1>", "", render(replace(data, measured=())), flags=re.DOTALL
    )


def test_a_run_without_a_finished_cell_says_what_to_run(tmp_path):
    writer = RunWriter(tmp_path / "run")
    cell = {"dataset": "d", "classifier": "c", "defense": "none", "family": "pgd", "source": "", "norm": "linf"}
    cell |= {"cell": "k", "eps": 0.1, "judged_eps": 0.1, "library": "art", "parameters": "{}"}
    writer.add(RECORDS, "k", cell, failure="ValueError: no")
    writer.finish(name="m", document={"name": "m"}, command="frontdef run m.toml")
    path = build_report(load_results(tmp_path / "run"), tmp_path / "report.html")
    text = "".join(Reader(path.read_text(encoding="utf-8")).texts)
    assert "ValueError: no" in text
    assert "No cell has finished" in text
    assert "frontdef run m.toml" in text
    assert "The matrix has no cell" in render(ReportData(About("empty")))


def test_a_report_that_cannot_be_written_says_so(root, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        build_report(load_results(root), tmp_path / "file" / "report.html")


def test_what_is_shown_of_a_cell_are_columns_of_its_table():
    shown = {field.name for field in fields(CellRow)}
    assert set(ADDED) <= shown
    assert shown - set(ADDED) <= set(CELLS)


def test_a_cells_notes_say_what_speaks_against_it():
    from frontdef.report.payload import notes

    cell = CellRow(
        *("key", "ok", "digits", "cnn", "none", "cw", "l2", None, "torchattacks"), call="CW", difference="It differs.",
        caveat="Zeros stay.", faults=("changed the labels that it was given",),
    )  # fmt: skip
    said = notes(cell)
    assert said.startswith("CW · not exact: It differs. · caveat: Zeros stay. · breaks invariants: ")
    assert "logit shift" in said
    assert said.endswith("fault: changed the labels that it was given")
    stages = ({"stage": "search", "broke": 0}, {"stage": "own climb (surrogate identity)", "broke": 3})
    said = notes(replace(cell, zero_loss=0.47, zero_gradient=0.01, stages=stages))
    assert "in float32: the loss is 0 on 47% of the samples, the gradient is 0 on 1% of the samples" in said
    assert said.endswith("broke: 3 by own climb (surrogate identity)")


def test_defaults_are_compared_in_a_grid_of_their_own(data):
    from dataclasses import replace

    from frontdef.report import tables

    pairs = {mode: sum(len(tables.pairs_of(data, setting, mode)) for setting in data.settings) for mode in tables.MODES}
    assert pairs["matched"] > 0
    assert pairs["defaults"] == 0
    called = replace(data, agreements=tuple(replace(row, mode="defaults", cause="budget") for row in data.agreements))
    assert {
        mode: sum(len(tables.pairs_of(called, setting, mode)) for setting in data.settings) for mode in tables.MODES
    } == {
        "matched": 0,
        "defaults": pairs["matched"],
    }
    page = render(called)
    assert "what does a user get who just calls it?" in page
    assert "<b>budget</b>" in page
    assert not any(
        cell.disagree for setting in data.settings for row in tables.heat(called, setting) for cell in row.cells
    )


class TestAgain:
    """The same run gives the same file, byte for byte."""

    def test_in_the_same_process(self, root, tmp_path):
        written = [
            build_report(load_results(root), tmp_path / name).read_bytes() for name in ("first.html", "second.html")
        ]
        assert written[0] == written[1]

    @pytest.mark.slow
    def test_in_processes_that_hash_otherwise(self, root, tmp_path):
        code = (
            "import sys; from frontdef.runs.results import load_results; load_results(sys.argv[1]).report(sys.argv[2])"
        )
        for seed in ("1", "2"):
            environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": f"UTC{seed}"}
            command = [sys.executable, "-c", code, str(root), str(tmp_path / f"{seed}.html")]
            subprocess.run(command, check=True, env=environment)
        assert (tmp_path / "1.html").read_bytes() == (tmp_path / "2.html").read_bytes()


def test_a_report_lets_go_of_the_records_and_they_are_read_again(root):
    results = load_results(root)
    before = results.records()
    first = collect(results)
    assert "records" not in results._blocks
    assert results.records().equals(before)
    assert [picture.sample_id for picture in collect(results).pictures] == [
        picture.sample_id for picture in first.pictures
    ]
