"""The report in a browser: it renders, sorts, filters, opens, loads nothing, fits 1280 and 390 px, light and dark."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from frontdef.report import tables
from frontdef.report.build import render
from frontdef.report.data import ReportData, Setting
from frontdef.report.tables import correct_of
from frontdef.verdicts.belief import MARKS
from frontdef.verdicts.causes import causes as causes_of
from frontdef.verdicts.statistics import wilson
from tests.browser import HOSTILE, all_of, center, choose, column, first_of, keep, needs_browser, resize

pytest_plugins = ["tests.browser_fixtures"]
pytestmark = needs_browser


NUMBERS = """
return [...document.querySelectorAll("#brackets td, #heat td, #agreement td.verdicts, #curves td")].map((cell) => {
  const {s, g} = cell.closest(".pane").dataset, {d, f} = cell.closest("tr").dataset;
  return [s ?? `g${g}`, d ?? `f${f}`, cell.cellIndex, cell.textContent.trim()].join("|");
}).sort();
"""
"""Every number that the script may rewrite, with its place."""

DRAWN = """
const shapes = document.querySelectorAll("#brackets tbody :is(.end, .open, .span), #curves polyline");
return [...shapes].map((shape) => {
  const {s, g} = shape.closest(".pane").dataset, points = shape.getAttribute("points");
  const places = (points ?? shape.getAttribute("x") ?? shape.getAttribute("x1")).match(/[\\d.]+/g);
  return [s ?? `g${g}`, shape.getAttribute("class"), ...places.map((place) => (+place).toFixed(2))].join("|");
}).sort();
"""
"""Where bars and lines stand."""


@pytest.fixture
def without_script(chromium, address):
    resize(chromium, 1280)
    chromium.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    chromium.get(address)
    yield chromium
    chromium.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_shares_are_rounded_as_everywhere_else(browser):
    """6.2 here and 6.3 there would be two figures for one."""
    shares = [k / n for n in (8, 16, 64, 200, 500, 10_000) for k in range(0, n + 1, max(1, n // 400))]
    core = (Path(tables.__file__).parent / "scripts" / "core.js").read_text(encoding="utf-8")
    rounds = re.search(r"^const share = .*;$", core, flags=re.MULTILINE)[0]
    told = browser.execute_script(f"{rounds}\nreturn arguments[0].map(share)", shares)
    assert told == [f"{100 * value:.1f}" for value in shares]


def test_without_script_everything_stands(without_script, data):
    assert not first_of(without_script, "#bar").is_displayed()
    assert len(all_of(without_script, ".pane")) == 4 * 5 + 2
    assert all(pane.is_displayed() for pane in all_of(without_script, ".pane"))
    assert len(all_of(without_script, "#cells .cells tbody tr")) == len(data.cells), "what the script makes by and by"
    assert all_of(without_script, ".checks tbody tr")
    assert all_of(without_script, ".findings tbody tr")
    assert len(all_of(without_script, "#gallery .card")) == len(data.pictures)


def test_untouched_filters_change_no_number(without_script, address):
    """The script works every table out again; on all settings it must arrive at what Python wrote."""
    chromium = without_script
    written, drawn = chromium.execute_script(NUMBERS), chromium.execute_script(DRAWN)
    chromium.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    chromium.get(address)
    for norm, radii in (("ℓ∞", ["0.05", "0.1", "0.2"]), ("ℓ2", ["0.3", "0.6"])):
        choose(chromium, "norm", norm)
        for eps in radii:
            choose(chromium, "eps", eps)
    assert chromium.execute_script(NUMBERS) == written
    assert chromium.execute_script(DRAWN) == drawn
    assert len(written) > 150


def test_it_opens_on_one_setting(browser):
    assert first_of(browser, "h1").text == "sample"
    heads = [pane.text for pane in all_of(browser, ".pane:not([hidden]) > h3")]
    assert heads == [f"ℓ∞ ε = 0.1{n}" for n in (" n = 60", "", " n = 60", "")] + ["ℓ∞"]
    assert len(column(browser, "brackets", "th")) == 3
    assert (
        browser.execute_script("return performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd") < 5000
    )


def test_beside_each_worst_case_stands_whether_it_may_be_believed(browser, data):
    setting = Setting("digits8", "softmax", "linf", 0.1)
    verdicts = {belief.defense: belief.verdict for belief in data.beliefs if Setting.of(belief) == setting}
    assert len(set(verdicts.values())) > 1
    told = dict(zip(column(browser, "brackets", "th"), column(browser, "brackets", "[data-k=belief]"), strict=True))
    assert told == {name: f"{MARKS[verdict]} {verdict}".strip() for name, verdict in verdicts.items()}
    chips = [chip for chip in all_of(browser, ".pane:not([hidden]) .chip") if chip.is_displayed()]
    assert {first_of(c, "b").text: first_of(c, ".verdict").text for c in chips} == verdicts, "the two never contradict"


def test_nothing_is_loaded(browser):
    names = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [name for name in names if not name.startswith("data:")] == []
    assert all(browser.execute_script("return [...document.images].map(i => i.complete && i.naturalWidth > 0)"))


def test_a_hostile_name_is_inert(browser):
    assert HOSTILE in column(browser, "brackets", "th")
    assert browser.execute_script("return document.querySelectorAll('img[onerror], img[src=x]').length") == 0
    keep(browser, "d", HOSTILE)
    assert column(browser, "heat", "th") == [HOSTILE]


def test_headers_sort(browser):
    header = first_of(browser, "#heat .pane:not([hidden]) thead th[data-f='0']")
    button = first_of(header, "button")
    center(browser, header)
    for direction, sign in (("descending", -1), ("ascending", 1), ("descending", -1)):
        button.click()
        assert header.get_attribute("aria-sort") == direction
        values = [float(value) for value in column(browser, "heat", "td[data-f='0'] .value")]
        assert values == sorted(values, key=lambda value: sign * value)
        assert len(set(values)) > 1
    others = all_of(browser, "#heat .pane:not([hidden]) thead th:not([aria-sort=none])")
    assert others == [header]
    first_of(browser, "#heat .pane:not([hidden]) thead th.name button").send_keys("\ue007")  # Enter
    names = column(browser, "heat", "th")
    assert names == sorted(names, key=str.lower)


@pytest.mark.parametrize(("kind", "name"), [("l", "gamma"), ("f", "noise")])
def test_worst_cases_follow_the_filters(browser, data, kind, name):
    keep(browser, kind, name)
    setting = Setting("digits8", "softmax", "linf", 0.1)
    shown = dict(zip(column(browser, "brackets", "th"), column(browser, "brackets", "[data-k=worst]"), strict=True))
    spans = dict(zip(column(browser, "brackets", "th"), column(browser, "brackets", "[data-k=interval]"), strict=True))
    ends = {
        row.find_element("css selector", "th").text: row.find_element("css selector", ".end").get_attribute("x")
        for row in all_of(browser, "#brackets .pane:not([hidden]) tbody tr")
    }
    attribute = {"l": "library", "f": "family"}[kind]
    full = {row.defense: row.worst_case for row in data.brackets if Setting.of(row) == setting}
    moved = 0
    for defense in data.defense_names:
        own = [
            score.broken
            for score in data.scores
            if score.setting == setting
            and data.cell_by_key[score.cell].defense == defense
            and getattr(data.cell_by_key[score.cell], attribute) == name
        ]
        robust = correct_of(data, setting, defense) & ~np.any(own, axis=0)
        low, high = wilson(int(robust.sum()), len(robust))
        assert shown[defense] == f"{100 * robust.mean():.1f}"
        assert spans[defense] == f"{100 * low:.1f} – {100 * high:.1f}"
        assert float(ends[defense].rstrip("%")) == pytest.approx(100 * robust.mean())
        moved += robust.mean() > full[defense]
    assert moved, "the filter must matter for this test to mean anything"
    assert column(browser, "brackets", "[data-k=worst]") == sorted(shown.values(), key=lambda value: -float(value))
    assert all(name in text or text == "none broke any" for text in column(browser, "brackets", "[data-k=strongest]"))


def test_the_script_keeps_matched_parameters_and_defaults_apart(data, chromium, tmp_path):
    """Half of the comparisons are said to be of defaults: the script must count each where the page did."""
    modes = ("matched", "defaults")
    mixed = replace(data, agreements=tuple(replace(row, mode=modes[i % 2]) for i, row in enumerate(data.agreements)))
    (tmp_path / "mixed.html").write_text(render(mixed), encoding="utf-8")
    chromium.get((tmp_path / "mixed.html").as_uri())
    counts = (
        "return Array.from(document.querySelectorAll('table.agree .mark'), (m) => +m.textContent.match(/\\d+$/)[0])"
    )
    assert sum(chromium.execute_script(counts)) == len(mixed.agreements)


def test_filters_act_on_every_section(browser):
    keep(browser, "d", "none")
    keep(browser, "f", "fgsm", "bim")
    keep(browser, "l", "alpha", "gamma")
    assert (
        column(browser, "brackets", "th")
        == column(browser, "heat", "th")
        == column(browser, "curves", "th")
        == ["none"]
    )
    chips = [chip for chip in all_of(browser, ".chip") if chip.is_displayed()]
    assert [first_of(chip, "summary b").text for chip in chips] == ["none"]
    heads = [heading.text for heading in all_of(browser, "#heat .pane:not([hidden]) thead th[data-f]:not([hidden])")]
    assert heads == ["fgsm", "bim"]
    assert [
        heading.text for heading in all_of(browser, "#agreement .pane:not([hidden]) thead [data-l]:not([hidden])")
    ] == ["alpha\ngamma"]
    assert column(browser, "agreement", "th") == ["fgsm", "bim"]
    assert [series.is_displayed() for series in all_of(browser, "#curves .pane:not([hidden]) polyline")].count(
        True
    ) == 1
    rows = [row.text for row in all_of(browser, "#cells tbody tr") if row.is_displayed()]
    assert len(rows) == 4
    assert all(re.match(r"none (fgsm|bim) ℓ∞ 0.1 (alpha|gamma)", row) for row in rows)
    first_of(browser, "#reset").click()
    assert len(column(browser, "brackets", "th")) == 3
    assert [menu.text for menu in all_of(browser, ".menu output")] == ["all"] * 3


def test_norm_and_radius_choose_the_setting(browser):
    choose(browser, "norm", "ℓ2")
    choose(browser, "eps", "0.6")
    heads = {pane.text.removesuffix(" n = 60") for pane in all_of(browser, ".pane:not([hidden]) > h3")}
    assert heads == {"ℓ2 ε = 0.6", "ℓ2"}
    assert [heading.text for heading in all_of(browser, "#heat .pane:not([hidden]) thead th[data-f]")] == ["deepfool"]
    threats = {row.text.split(" deepfool ")[1][:6] for row in all_of(browser, "#cells tbody tr") if row.is_displayed()}
    assert threats == {"ℓ2 any"}


def twice(data: ReportData) -> ReportData:
    """The same run on a second data set, of which the last defense was not run."""
    gone = data.defense_names[-1]

    def move(rows):
        return tuple(replace(row, dataset="other") for row in rows if row.defense != gone)

    cells = tuple(replace(cell, key=f"other{cell.key}") for cell in move(data.cells))
    kept = {cell.key for cell in cells}
    scores = tuple(
        replace(score, cell=f"other{score.cell}", setting=replace(score.setting, dataset="other"))
        for score in data.scores
        if f"other{score.cell}" in kept
    )
    return replace(
        data,
        cells=(*data.cells, *cells),
        scores=(*data.scores, *scores),
        clean=(*data.clean, *move(data.clean)),
        brackets=(*data.brackets, *move(data.brackets)),
        agreements=(*data.agreements, *move(data.agreements)),
    )


def test_several_models_are_chosen_between(browser, data, tmp_path):
    assert not first_of(browser, "#model").is_displayed()
    path = tmp_path / "twice.html"
    path.write_text(render(twice(data)), encoding="utf-8")
    browser.get(path.as_uri())
    choose(browser, "eps", "0.2")
    before = column(browser, "brackets", "[data-k=worst]")
    assert len(before) == 3
    choose(browser, "model", "other · softmax")
    assert first_of(browser, "#brackets .pane:not([hidden]) > h3").text == "other · softmax · ℓ∞ ε = 0.2 n = 60"
    names = column(browser, "brackets", "th")
    assert sorted(names) == sorted(data.defense_names[:-1]) == sorted(column(browser, "curves", "th"))
    assert set(column(browser, "brackets", "[data-k=worst]")) <= set(before)


def test_a_targeted_column_counts_its_target_and_the_worst_case_every_wrong_class(browser, data, tmp_path):
    """As if bim had been asked for a target, which every other example that it made misses."""

    def half(score):
        kept = score.broken & (np.cumsum(score.broken) % 2 == 0)
        return replace(score, success=kept) if data.cell_by_key[score.cell].family == "bim" else score

    targeted = replace(data, scores=tuple(map(half, data.scores)))
    path = tmp_path / "targeted.html"
    path.write_text(render(targeted), encoding="utf-8")
    worst = column(browser, "brackets", "[data-k=worst]")
    browser.get(path.as_uri())
    assert column(browser, "brackets", "[data-k=worst]") == worst
    rows = tables.heat(targeted, Setting("digits8", "softmax", "linf", 0.1))
    number = data.family_names.index("bim")
    (expected,) = zip(*([cell.robust for cell in row.cells if cell.family == number] for row in rows), strict=True)
    assert column(browser, "heat", f"[data-f='{number}'] .value") == [f"{100 * share:.1f}" for share in expected]
    assert max(np.subtract(expected, [row.bracket.worst_case for row in rows])) > 0.05


def test_empty_selections_say_so(browser):
    keep(browser, "d")
    messages = [text.text for text in all_of(browser, ".empty") if text.is_displayed()]
    assert "No defense is selected." in messages
    assert "No cell with these filters." in messages
    first_of(browser, "#reset").click()
    keep(browser, "l")
    worst, clean = (column(browser, "brackets", f"[data-k={key}]") for key in ("worst", "clean"))
    assert worst == clean, "no attack leaves the clean accuracy"


@pytest.mark.parametrize("by", ["click", "keyboard"])
def test_a_heat_cell_opens_the_drawer(browser, data, by):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    drawer = first_of(browser, "#drawer")
    row = next(r for r in all_of(browser, "#heat .pane:not([hidden]) tbody tr") if first_of(r, "th").text == "none")
    link = first_of(row, "td[data-f='1'] a")
    assert not drawer.is_displayed()
    center(browser, link)
    link.click() if by == "click" else link.send_keys(Keys.ENTER)
    assert drawer.is_displayed()
    assert first_of(drawer, "h2").text == "none under bim"
    assert browser.switch_to.active_element == first_of(drawer, "h2")
    libraries, pairs = drawer.find_elements(By.CSS_SELECTOR, "table")
    assert [cell.text.split(" ")[0] for cell in all_of(libraries, "tbody th")] == ["alpha", "beta", "gamma"]
    assert "not exact: half the step" in libraries.text
    assert len(all_of(pairs, "tbody tr")) == 3
    for row in all_of(pairs, "tbody tr"):
        a, b = first_of(row, "th").text.split("\n")[0].split(" / ")
        known = next(
            r
            for r in data.agreements
            if (r.defense, r.family, r.eps) == ("none", "bim", 0.1) and {r.library_a, r.library_b} == {a, b}
        )
        cells = [cell.text for cell in all_of(row, "td")]
        assert cells[0].endswith(known.verdict)
        assert list(map(int, cells[2:4])) == [known.only_a, known.only_b]
        assert sum(map(int, cells[1:5])) == known.n
    commands = [code.text for code in all_of(drawer, "pre code")]
    assert commands == [c.command for c in data.cells if (c.defense, c.family, c.eps) == ("none", "bim", 0.1)]
    assert all_of(drawer, "figure img")
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not drawer.is_displayed()
    assert browser.switch_to.active_element == link


def test_a_failed_library_is_named_in_the_drawer(browser):
    choose(browser, "eps", "0.2")
    row = next(
        r
        for r in all_of(browser, "#heat .pane:not([hidden]) tbody tr")
        if first_of(r, "th").text.startswith("rounding")
    )
    assert "1 failed" in first_of(row, "td[data-f='1']").get_attribute("textContent")
    center(browser, row)
    first_of(row, "td[data-f='1'] a").click()
    assert "beta: failed" in first_of(browser, "#drawer").text


def test_reasons_open_in_place(browser):
    chip = first_of(browser, ".pane:not([hidden]) .chip.masked")
    center(browser, chip)
    reason = first_of(chip, "li")
    assert not reason.is_displayed()
    first_of(chip, "summary").click()
    assert reason.text.endswith("random noise: noise breaks more (noise breaks 34%, PGD 31%)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 768, 390])
def test_it_fits_and_reads(browser, width, scheme):
    resize(browser, width, scheme)
    browser.refresh()
    for summary in all_of(browser, "details:not(.menu) > summary"):
        if summary.is_displayed():
            browser.execute_script("arguments[0].parentElement.open = true", summary)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    beyond = browser.execute_script(
        "const outside = (e) => e.getBoundingClientRect().right > innerWidth + 1;"
        "return [...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll, pre, .sr, dialog')"
        " && e.checkVisibility() && outside(e)).map(e => e.outerHTML.slice(0, 80))"
    )
    assert beyond == []
    clipped = browser.execute_script(
        "return [...document.querySelectorAll('.scroll')].filter(e => e.checkVisibility() && e.scrollWidth > "
        "e.clientWidth + 1).map(e => e.textContent.trim().slice(0, 60))"
    )
    assert clipped == [], "a table that is wider than its box hides a column"
    shortened = browser.execute_script(
        "return [...document.querySelectorAll('.name')].filter(e => e.checkVisibility() && e.scrollWidth > "
        "e.clientWidth + 1).map(e => e.textContent.trim().slice(0, 60))"
    )
    assert shortened == [], "a name is cut off"
    left_out = browser.execute_script(
        "return [...document.querySelectorAll('#brackets .pane:not([hidden]) [data-k]')]"
        ".filter(e => !e.checkVisibility()).map(e => e.dataset.k)"
    )
    assert left_out == [], "a column is left out"
    marks = [mark.size["height"] for mark in all_of(browser, ".mark") if mark.is_displayed()]
    assert marks
    assert max(marks) < 28, "a mark is as high as its line"
    ground, ink = browser.execute_script(
        "const s = getComputedStyle(document.documentElement); return [s.backgroundColor, s.color]"
    )
    brightness = lambda color: sum(map(int, re.findall(r"\d+", color)[:3]))  # noqa: E731
    assert (brightness(ground) > brightness(ink)) == (scheme == "light")
    first_of(browser, "#theme").click()
    turned = browser.execute_script("return getComputedStyle(document.documentElement).backgroundColor")
    assert (brightness(turned) > 380) == (scheme == "dark")
    controls = [
        control for control in all_of(browser, "#bar select, #bar summary, #bar > button") if control.is_displayed()
    ]
    assert len(controls) == 7
    assert min(control.size["height"] for control in controls) >= 32, "large enough for a finger"


def test_a_list_of_causes_is_folded_and_follows_the_filters(browser, data):
    causes = causes_of(data.agreements)
    shown = [cause for cause in all_of(browser, ".cause:not(.undecided)") if cause.is_displayed()]
    assert [int(first_of(cause, ".times").text) for cause in shown] == [len(cause.rows) for cause in causes]
    assert not any(table.is_displayed() for table in all_of(browser, ".findings"))
    keep(browser, "l", "alpha", "gamma")
    kept = [[row for row in cause.rows if {row.library_a, row.library_b} == {"alpha", "gamma"}] for cause in causes]
    shown = [cause for cause in all_of(browser, ".cause:not(.undecided)") if cause.is_displayed()]
    assert [int(first_of(cause, ".times").text) for cause in shown] == [len(rows) for rows in kept if rows]


def test_the_view_is_in_the_address(browser, address):
    """What is chosen stands in the address, and the address alone brings it back."""
    from selenium.webdriver.support.ui import WebDriverWait

    choose(browser, "norm", "ℓ∞")
    choose(browser, "eps", "0.2")
    keep(browser, "d", "none", HOSTILE)
    keep(browser, "l", "gamma")
    worst, sent = column(browser, "brackets", "[data-k=worst]"), browser.current_url
    assert "norm=linf&eps=0.2" in sent
    browser.get("about:blank")
    browser.get(sent)
    WebDriverWait(browser, 10).until(lambda page: column(page, "brackets", "[data-k=worst]") == worst)
    assert sorted(column(browser, "brackets", "th")) == sorted(["none", HOSTILE])
    assert first_of(browser, ".menu[data-kind=l] output").text == "1 of 3"
    assert browser.current_url == sent
    browser.execute_script("location.hash = 'norm=l2&eps=0.3'")
    assert first_of(browser, "#brackets .pane:not([hidden]) > h3").text.startswith("ℓ2 ε = 0.3")
    assert len(column(browser, "brackets", "th")) == 3
    first_of(browser, "nav a[href='#cells']").click()
    assert browser.execute_script("return document.querySelector('#cells').getBoundingClientRect().top < 200")
    assert browser.current_url.endswith("norm=l2&eps=0.3&section=cells")
    browser.get(f"{address}#nonsense=1&eps=9")
    assert len(column(browser, "brackets", "th")) == 3


AT_ONCE = 100
"""Rows of a long table that are made at a time."""


@pytest.fixture
def long(data, chromium, tmp_path):
    """The page with so many cells that the table of all of them is long; their seeds count down."""
    from selenium.webdriver.support.ui import WebDriverWait

    n = len(data.cells)
    cells = [
        replace(cell, key=f"{i}-{cell.key}" if i else cell.key, seed=12 * n - i * n - j)
        for i in range(12)
        for j, cell in enumerate(data.cells)
    ]
    path = tmp_path / "long.html"
    path.write_text(render(replace(data, cells=tuple(cells), agreements=data.agreements * 40)), encoding="utf-8")
    resize(chromium, 1280)
    chromium.get(path.as_uri())
    WebDriverWait(chromium, 10).until(seeds)
    yield chromium, [cell for cell in cells if (cell.norm, cell.eps) == ("linf", 0.1)]
    assert [entry["message"] for entry in chromium.get_log("browser")] == []


def rest_of(driver):
    return first_of(driver, "#cells .rest")


def seeds(driver):
    script = "return [...document.querySelectorAll('#cells .cells tbody tr')].map((row) => +row.cells[8].textContent)"
    return driver.execute_script(script)


def test_a_long_table_shows_some_rows_and_holds_all(long):
    browser, cells = long
    known = [cell.seed for cell in cells]
    assert len(known) > 2 * AT_ONCE
    assert seeds(browser) == known[:AT_ONCE]
    assert rest_of(browser).get_attribute("textContent").startswith(f"{AT_ONCE} of {len(known)} ")
    header = next(h for h in all_of(browser, "#cells .cells thead button") if h.get_attribute("textContent") == "Seed")
    center(browser, header)
    header.click()
    header.click()
    assert seeds(browser) == sorted(known)[:AT_ONCE], "the least of all, not of those that were shown"
    keep(browser, "l", "gamma")
    kept = sorted(cell.seed for cell in cells if cell.library == "gamma")
    assert seeds(browser) == kept[:AT_ONCE]
    assert {row.get_attribute("data-l") for row in all_of(browser, "#cells .cells tbody tr")} == {"2"}
    text, _ = take(browser, "#cells .takes", "CSV")
    assert len(text.splitlines()) == 1 + len(kept), "what is saved is all of them"
    first_of(browser, "#reset").click()
    more, everything = all_of(rest_of(browser), "button")
    browser.execute_script("arguments[0].click()", more)
    assert len(seeds(browser)) == 2 * AT_ONCE
    browser.execute_script("arguments[0].click()", everything)
    assert seeds(browser) == sorted(known)
    assert not rest_of(browser).is_displayed()
    commands = all_of(browser, "#cells .cells .command")
    assert len(commands) == len(all_of(browser, "#cells .cells .copy")) == len(known)


def test_a_folded_table_is_made_when_it_is_opened(long):
    browser, _ = long
    cause = first_of(browser, ".cause:not(.undecided)")
    assert not all_of(cause, "tr")
    center(browser, cause)
    first_of(cause, "summary").click()
    shown = int(first_of(cause, ".times").text)
    assert len(all_of(cause, "tbody tr")) == min(shown, AT_ONCE)
    assert all_of(cause, ".takes"), "it can be saved"
    assert first_of(cause, "td").get_attribute("data-h") == "Attack"


LANDED = """
const [place, done] = arguments, section = document.querySelector(place);
const top = () => section.getBoundingClientRect().top;
const drawn = (act) => requestAnimationFrame(() => setTimeout(act, 100));
drawn(() => {
  const first = top();
  section.scrollIntoView();
  drawn(() => {
    section.scrollIntoView();
    drawn(() => done([first, top()]));
  });
});
"""
"""Where a section stands on the screen, and where it stands when everything around it was drawn."""


@pytest.mark.parametrize("width", [1280, 390])
def test_a_link_leads_to_its_section(browser, address, width):
    resize(browser, width)
    places = [link.get_attribute("hash") for link in all_of(browser, "nav a")]
    assert len(places) > 5
    for place in places:
        browser.get("about:blank")
        browser.get(address)
        browser.execute_script("document.documentElement.style.fontSize = '40px'")  # long sections
        first_of(browser, f"nav a[href='{place}']").click()
        first, again = browser.execute_async_script(LANDED, place)
        assert first == pytest.approx(again, abs=3), place


SAVED = """
const [selector, name, done] = arguments;
const make = URL.createObjectURL;
URL.createObjectURL = (blob) => (blob.text().then((text) => done([text, saved.download])), make.call(URL, blob));
let saved = {};
HTMLAnchorElement.prototype.click = function () { saved = this; };
const takes = document.querySelector(selector);
[...takes.querySelectorAll("button")].find((button) => button.textContent === name).click();
"""
"""What a button gives the browser to save, and the name of the file."""


def take(driver, selector, name):
    return driver.execute_async_script(SAVED, selector, name)


def test_a_table_is_saved_as_it_stands(browser, data):
    import csv
    import io

    keep(browser, "d", "none", HOSTILE)
    box = "#brackets .pane:not([hidden]) .takes"
    text, name = take(browser, box, "CSV")
    assert name == "sample-brackets-linf-0.1.csv"
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0] == [
        "Defense",
        "Worst case %",
        "95 % interval",
        "Belief",
        "Certified %",
        "Clean %",
        "Strongest attack",
    ]
    assert [row[0] for row in rows[1:]] == column(browser, "brackets", "th")
    assert [row[1] for row in rows[1:]] == column(browser, "brackets", "[data-k=worst]")
    markdown, _ = take(browser, box, "Markdown")
    assert markdown.splitlines()[1].startswith("| --- | ---: |")
    latex, _ = take(browser, box, "LaTeX")
    assert r"\toprule" in latex
    assert r"\begin{tabular}{lrrlrrl}" in latex
    assert r"Worst case \%" in latex
    agree, _ = take(browser, "#agreement .pane:not([hidden]) .takes", "CSV")
    assert re.search(r"^bim,exact,identical 2,", agree, flags=re.MULTILINE)
    heat, _ = take(browser, "#heat .pane:not([hidden]) .takes", "CSV")
    assert heat.splitlines()[0] == "Defense,clean,worst case,fgsm,bim,noise"


def test_a_drawing_is_saved_with_its_colors(browser):
    from xml.etree import ElementTree

    for section in ("brackets", "curves"):
        text, name = take(browser, f"#{section} .pane:not([hidden]) .takes", "SVG")
        assert name.endswith(".svg")
        tree = ElementTree.fromstring(text)
        assert tree.tag == "{http://www.w3.org/2000/svg}svg"
        assert "var(" not in text
        words = {node.text for node in tree.iter("{http://www.w3.org/2000/svg}text")}
        assert {"none", "rounding levels=3", HOSTILE} <= words
        strokes = {node.get("stroke") for node in tree.iter()}
        assert any(stroke and stroke.startswith("rgb") for stroke in strokes)
