"""What hands do on a page in a browser, for tests that look at the report as a reader does."""

from __future__ import annotations

import runpy
import shutil
from pathlib import Path

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CHROMEDRIVER = shutil.which("chromedriver")
needs_browser = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not (CHROMIUM and CHROMEDRIVER), reason="needs chromium and chromedriver (Debian: chromium-driver)"
    ),
]

sample = runpy.run_path(str(Path(__file__).with_name("report_sample.py")))
HOSTILE = sample["HOSTILE"]
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
)  # fmt: skip


def resize(driver, width, scheme="light"):
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )


def all_of(driver, selector):
    return driver.find_elements("css selector", selector)


def first_of(driver, selector):
    return driver.find_element("css selector", selector)


def column(driver, table, selector):
    """Text of a cell of every visible row, in the order of the page."""
    return [cell.text for cell in all_of(driver, f"#{table} .pane:not([hidden]) tbody tr:not([hidden]) {selector}")]


def center(driver, element):
    """Scroll so that the sticky bar covers nothing of an element."""
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)


def choose(driver, select, value):
    from selenium.webdriver.support.ui import Select

    Select(first_of(driver, f"#{select}")).select_by_visible_text(value)


def keep(driver, kind, *names):
    """Leave only these ticked in a menu of the bar."""
    menu = first_of(driver, f".menu[data-kind={kind}]")
    first_of(menu, "summary").click()
    first_of(menu, "[data-action=none]").click()
    for label in all_of(menu, "label"):
        if label.text.strip() in names:
            label.click()
    first_of(menu, "summary").click()
