"""The report for those who read it by keyboard, in poor light, or on paper."""

from __future__ import annotations

import pytest

from tests.browser import all_of, center, first_of, keep, needs_browser, resize

pytest_plugins = ["tests.browser_fixtures"]
pytestmark = needs_browser

UNFOLD = "for (const folded of document.querySelectorAll('main details')) folded.open = true;"

FAINT = r"""
const canvas = document.createElement("canvas"), brush = canvas.getContext("2d", {willReadFrequently: true});
canvas.width = canvas.height = 1;
const channels = (color) => {
  brush.clearRect(0, 0, 1, 1);
  brush.fillStyle = color;
  brush.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = brush.getImageData(0, 0, 1, 1).data;
  return [r, g, b, a / 255];
};
const over = ([r, g, b, a], below) => [...[r, g, b].map((c, i) => c * a + below[i] * (1 - a)), 1];
const light = (color) => {
  const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const [r, g, b] = color.slice(0, 3).map((c) => linear(c / 255));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ancestors = (element) => (element ? [element, ...ancestors(element.parentElement)] : []);
const laid = (below, element) => over(channels(getComputedStyle(element).backgroundColor), below);
const ground = (element) => ancestors(element).reverse().reduce(laid, [255, 255, 255, 1]);
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), faint = [];
let seen = 0;
while (walker.nextNode()) {
  const text = walker.currentNode.data.trim(), element = walker.currentNode.parentElement;
  if (!text || element.closest(".sr, script, noscript") || !element.checkVisibility()) continue;
  const style = getComputedStyle(element), drawing = element.closest("svg");
  const below = ground(drawing?.parentElement ?? element), ink = channels(drawing ? style.fill : style.color);
  ink[3] *= ancestors(element).reduce((product, e) => product * getComputedStyle(e).opacity, 1);
  const [bright, dark] = [light(over(ink, below)), light(below)].sort((a, b) => b - a);
  const ratio = (bright + 0.05) / (dark + 0.05);
  const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
  seen += 1;
  if (ratio < (large ? 3 : 4.5)) faint.push(`${text.slice(0, 40)} (${element.className}): ${ratio.toFixed(2)}`);
}
return [seen, faint];
"""
"""Texts whose contrast with what is below them is less than WCAG 2 asks for (AA), and how many were looked at."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(browser, scheme):
    resize(browser, 1280, scheme)
    browser.refresh()
    browser.execute_script(UNFOLD)
    link = first_of(browser, "#heat .pane:not([hidden]) td.heat a")
    center(browser, link)
    link.click()
    seen, faint = browser.execute_script(FAINT)
    assert seen > 500
    assert faint == []


CONTROLS = """
const controls = "a[href], button, select, input, summary";
return [...document.querySelectorAll(controls)].filter((e) => e.checkVisibility() && !e.disabled && e.tabIndex >= 0);
"""

FOCUSED = """
const element = document.activeElement, {outlineStyle, outlineWidth} = getComputedStyle(element);
const {top, bottom, left, right} = element.getBoundingClientRect();
const hit = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
const marked = outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
const above = element.contains(hit) || (hit?.contains(element) && !hit.matches("#bar"));
return [element, marked, above, element.matches(".scroll, pre, body")];
"""
"""What has the focus, whether a ring says so, whether nothing lies over it; and whether it is a box that scrolls."""


@pytest.mark.parametrize("width", [1280, 390])
def test_the_tab_key_goes_through_every_control_in_reading_order(browser, width):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    resize(browser, width)
    browser.refresh()
    expected = browser.execute_script(CONTROLS)
    reached, unmarked, covered = [], [], []
    for _ in range(2 * len(expected)):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        element, marked, seen, other = browser.execute_script(FOCUSED)
        if not other:
            reached.append(element)
        unmarked += [] if marked or other else [element.get_attribute("outerHTML")[:80]]
        covered += [] if seen or other else [element.get_attribute("outerHTML")[:80]]
        if element == expected[-1]:
            break
    assert len(expected) > 60
    assert reached == expected
    assert unmarked == [], "where the focus is must be seen"
    assert covered == [], "nothing lies over what has the focus"


def test_what_can_be_clicked_answers_to_keys(browser):
    from selenium.webdriver.common.keys import Keys

    def press(key):
        browser.switch_to.active_element.send_keys(key)

    menu = first_of(browser, ".menu[data-kind=d]")
    summary = first_of(menu, "summary")
    browser.execute_script("arguments[0].focus()", summary)
    press(Keys.ENTER)
    assert menu.get_attribute("open")
    press(Keys.TAB)
    press(Keys.TAB)
    press(Keys.TAB)
    box = browser.switch_to.active_element
    assert box.get_attribute("type") == "checkbox"
    press(Keys.SPACE)
    assert first_of(menu, "output").text == "2 of 3"
    press(Keys.ESCAPE)
    assert not menu.get_attribute("open")
    assert browser.switch_to.active_element == summary, "the focus goes back to where it came from"
    press(Keys.SPACE)
    assert menu.get_attribute("open")
    for _ in range(6):
        press(Keys.TAB)
    assert not menu.get_attribute("open"), "a menu that is left closes"
    for folded in (".pane:not([hidden]) .chip:not([hidden])", ".cause:not([hidden])", "#cells .origin details"):
        details = first_of(browser, folded)
        browser.execute_script("arguments[0].focus()", first_of(details, "summary"))
        for key, opened in ((Keys.ENTER, True), (Keys.SPACE, False)):
            press(key)
            assert bool(details.get_attribute("open")) == opened
    header = first_of(browser, "#heat .pane:not([hidden]) thead th[data-f='0']")
    browser.execute_script("arguments[0].focus()", first_of(header, "button"))
    press(Keys.SPACE)
    assert header.get_attribute("aria-sort") == "descending"


PAPER = {"width": 718, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
"""An A4 page between the margins that browsers leave, at 96 pixels an inch."""


@pytest.fixture
def paper(browser):
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PAPER)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    yield browser
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


SEEN = "[...document.querySelectorAll('body *')].filter((e) => e.checkVisibility() && !e.closest('svg, .sr'))"

CUT = f"""
return {SEEN}.filter((e) => {{
  const {{overflowX, overflowY}} = getComputedStyle(e);
  const wide = overflowX !== "visible" && e.scrollWidth > e.clientWidth + 1;
  const tall = overflowY !== "visible" && e.scrollHeight > e.clientHeight + 1;
  return wide || tall || e.getBoundingClientRect().right > innerWidth + 1;
}}).map((e) => e.outerHTML.slice(0, 80));
"""

FLOATING = f"return {SEEN}.filter((e) => /fixed|sticky/.test(getComputedStyle(e).position)).map((e) => e.className)"

HALVED = """
const halved = [];
for (const cell of document.querySelectorAll(".pane:not([hidden]) :is(th, td), #cells :is(th, td)")) {
  const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT), range = document.createRange();
  while (cell.checkVisibility() && walker.nextNode()) {
    const node = walker.currentNode;
    if (node.parentElement.closest("code")) continue;
    for (const {0: word, index} of node.data.matchAll(/[\\w.]+/g)) {
      range.setStart(node, index);
      range.setEnd(node, index + word.length);
      if (new Set([...range.getClientRects()].map(({top}) => top)).size > 1) halved.push(word);
    }
  }
}
return halved;
"""
"""Words of tables that stand on two lines."""

TORN = f"""
return {SEEN}.filter((e) => e.matches("main :is(tr, figure, .chip, .cause)"))
  .filter((e) => getComputedStyle(e).breakInside !== "avoid").length;
"""


def test_on_paper_nothing_is_cut_off_or_lies_over_something(paper):
    assert paper.execute_script(CUT) == []
    assert paper.execute_script(HALVED) == []
    assert paper.execute_script(FLOATING) == []
    assert paper.execute_script(TORN) == 0, "a row is not torn apart"
    tables = all_of(paper, ".pane:not([hidden]) :is(.brackets, .heat-map, .agree)")
    assert tables
    assert all(first_of(table, "thead").is_displayed() for table in tables), "paper is wide enough for tables"
    paper.execute_script(UNFOLD)
    assert paper.execute_script(CUT) == []


def test_on_paper_reasons_are_read_and_what_is_folded_is_named(paper):
    chips = all_of(paper, ".pane:not([hidden]) .chip")
    assert chips
    assert not any(chip.get_attribute("open") for chip in chips)
    # Selenium takes what is folded for unseen, whatever the style sheet says.
    seen = "return arguments[0].checkVisibility() && arguments[0].getBoundingClientRect().height > 0"
    reasons = [reason for chip in chips for reason in all_of(chip, "li")]
    assert reasons
    assert all(paper.execute_script(seen, reason) for reason in reasons)
    folded = [details for details in all_of(paper, "main details:not([open])") if details.is_displayed()]
    assert all(first_of(details, "summary").text.strip() for details in folded)


def test_on_paper_only_what_a_hand_needs_is_left_out(paper):
    shown = [control for control in all_of(paper, "nav, button, select, dialog") if control.is_displayed()]
    assert all(control.find_elements("xpath", "ancestor::thead") for control in shown)
    texts = first_of(paper, "main").text
    assert "Worst case %" in texts
    for heading in all_of(paper, "main h2"):
        assert heading.is_displayed()


def test_on_paper_a_filter_is_said(browser):
    keep(browser, "d", "none")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    told = [menu.text for menu in all_of(browser, "#bar > *") if menu.is_displayed()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert told == ["Defenses\n1 of 3"]
