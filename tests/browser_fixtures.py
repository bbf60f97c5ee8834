"""A browser, and the page of a small run: fixtures of the tests that look at the report as a reader does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from frontdef.report.build import render
from frontdef.report.collect import collect
from frontdef.report.data import ReportData
from frontdef.runs.results import load_results
from tests.browser import CHROMEDRIVER, CHROMIUM, FLAGS, resize, sample


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> ReportData:
    report = collect(load_results(sample["make_run"](tmp_path_factory.mktemp("browser") / "run")))
    (masked,) = report.diagnoses
    trusted = replace(masked, defense="none", diagnosis=replace(masked.diagnosis, verdict="trusted"))
    return replace(report, diagnoses=(masked, trusted))


@pytest.fixture(scope="module")
def address(data, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render(data), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(CHROMEDRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium, address):
    resize(chromium, 1280)
    chromium.get(address)
    yield chromium
    assert [entry["message"] for entry in chromium.get_log("browser")] == []
