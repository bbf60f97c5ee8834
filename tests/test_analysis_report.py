"""The page of an analysis: whole, offline, its figures those of the tables; names are text."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from frontdef.analysis import analyze, load_study, parse_study
from frontdef.analysis.tables import TABLES, VIEWS
from frontdef.errors import ConfigError, StoreError
from frontdef.report import axes, chart
from frontdef.report.layers.build import build_layers_report, layers_of, render
from frontdef.report.layers.figures import _histograms, partial_curves, ratio_curves, weight_panels
from frontdef.report.layers.paper import render as figure
from frontdef.report.layers.paper import save_figure
from frontdef.runs.table import Rows
from tests.run_writer import RunWriter

HOSTILE = "<img src=x onerror=alert(1)>"
PAGE = Path(__file__).parent.parent / "docs" / "analysis.md"


def classifier(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3))


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    models = {"natural": classifier(0), HOSTILE: classifier(1)}
    x, y = torch.rand(8, 1, 4, 4, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 3
    out = tmp_path_factory.mktemp("analysis") / "found"
    measured = analyze(models, x, y, out=out, attack={"eps": 0.1, "steps": 2}, ratio={"p": [1, 2]})
    rows = [(code, cut) for code in ("A1N2", "N1A2") for cut in (0, 1, 2, 3)]
    losses = (4.0, 2.0, 1.0, 0.5, 0.5, 0.6, math.nan, 2.3)
    writer = RunWriter(out)
    writer.entries += measured.head.jobs
    for (code, cut), loss in zip(rows, losses, strict=True):
        columns = {
            "label": ("input", "conv1", "bn1", "linear1")[cut], "adversarial_layers": 1, "adversarial_parameters": 9,
            "clean_loss": 0.1, "clean_accuracy": 0.9, "adversarial_loss": loss, "adversarial_accuracy": 0.25,
            "samples": 8,
        }  # fmt: skip
        where = {"code": code, "cut": cut, "mode": "block", "seed": 0}
        writer.add(TABLES["partial"], f"{code}{cut}", where, Rows(columns))
    writer.finish(**{name: value for name, value in measured.head if name not in {"jobs", "format"}})
    return type(measured)(out)


@pytest.fixture(scope="module")
def html(analysis):
    return render(analysis)


def test_the_page_is_whole_and_names_are_text(html, analysis, tmp_path):
    assert HOSTILE not in html
    assert "&lt;img src=x" in html
    assert not re.findall(r"(?:src|href)=[\"'](?!#|data:)", html)
    assert "http://" not in html.replace("http://www.w3.org", "")
    assert "default-src 'none'" in unescape(html)
    assert len(html) < 400_000
    assert build_layers_report(analysis, tmp_path / "page.html").read_text(encoding="utf-8") == html


def test_the_curves_are_those_of_the_tables(analysis):
    first, second = ratio_curves(analysis, ["natural", HOSTILE])
    assert [first.places, second.places] == [["input", "conv1", "linear1"]] * 2
    for p, curve in ((1, first), (2, second)):
        for line in curve.lines:
            query = "select layer, ratio from ratios where model = ? and p = ?"
            rows = analysis._database.execute(query, [line.name, p]).df()
            expected = 20 * np.log10(rows.groupby("layer")["ratio"].mean())
            np.testing.assert_allclose(line.values, expected)


def test_a_figure_for_a_paper_holds_every_name_as_text(analysis, tmp_path):
    picture = ElementTree.parse(save_figure(analysis, tmp_path / "psr.svg")).getroot()
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"
    texts = [element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert {"natural", HOSTILE, "conv1", "linear1", "dB"} <= set(texts)
    assert save_figure(analysis, tmp_path / "psr.PDF").read_bytes().startswith(b"%PDF")
    with pytest.raises(ConfigError, match=r"an SVG or a PDF by its ending, got 'psr\.png': name it psr\.pdf"):
        save_figure(analysis, tmp_path / "psr.png")
    bare = analyze({"m": classifier(0)}, torch.rand(1, 1, 4, 4), [0], out=tmp_path / "w", what=("weights",))
    with pytest.raises(StoreError, match="holds no perturbation-to-signal ratios"):
        save_figure(bare, tmp_path / "none.svg")


def test_a_figure_is_the_same_to_the_byte_and_undated(analysis, tmp_path):
    """In another process too: ids of an SVG are drawn at random unless they are salted."""
    (curves, _) = ratio_curves(analysis, analysis.models())
    script = (
        "import sys, matplotlib as mpl\n"
        "from pathlib import Path\n"
        "mpl.rcParams['font.size'] = 30  # whatever a user has set\n"
        "from frontdef import load_results\n"
        "from frontdef.report.layers.figures import ratio_curves\n"
        "from frontdef.report.layers.paper import render\n"
        "analysis = load_results(sys.argv[1])\n"
        "for file in map(Path, sys.argv[2:]):\n"
        "    file.write_bytes(render(ratio_curves(analysis, analysis.models())[0], file.suffix[1:]))\n"
    )
    files = [tmp_path / "again.svg", tmp_path / "again.pdf"]
    subprocess.run([sys.executable, "-c", script, str(analysis.path), *map(str, files)], check=True)
    for file in files:
        assert figure(curves, file.suffix[1:]) == file.read_bytes()
        assert not re.search(rb"CreationDate|dc:date|20[2-9][0-9]-[01][0-9]-", file.read_bytes())


@pytest.mark.parametrize("name", ["$x_1$", "_hidden", "a\nb", "ℓ∞ & <b>"])
def test_a_name_in_a_figure_is_no_mathematics_and_never_hidden(analysis, name):
    (curves, _) = ratio_curves(analysis, analysis.models())
    drawn = figure(replace(curves, lines=[replace(curves.lines[0], name=name)]), "svg")
    texts = "".join(ElementTree.fromstring(drawn).itertext())
    assert all(part in texts for part in name.split("\n"))


def test_partial_training_is_drawn_without_what_is_not_known(analysis):
    ((title, _, panels),) = partial_curves(analysis)
    assert title == "Cut in two"
    loss = panels[0]
    assert loss.places == ["input", "conv1", "bn1", "linear1"]
    assert [line.values for line in loss.lines] == [[4, 2, 1, 0.5], [0.5, 0.6, None, 2.3]]
    assert (loss.axis.low, loss.axis.high) == (0, 4)
    places = chart.side_by_side(loss.places)
    drawn = str(chart.chart(places, loss.lines, loss.axis, label="", unit="", across=""))
    points = re.findall(r'points="([^"]*)"', drawn)
    assert points == ["0,0 33.3333,50 66.6667,75 100,87.5", "0,87.5 33.3333,85 100,42.5"]


def test_panels_show_every_layer_and_its_medians(analysis):
    panels = {panel.key: panel for panel in weight_panels(analysis, ["natural", HOSTILE])}
    assert list(panels) == ["filters", "singular-values", "running_mean", "running_variance", "gamma", "beta"]
    assert [row.label for row in panels["filters"].rows] == ["conv1", "linear1"]
    assert panels["gamma"].rows[0].values == [1, 1]
    (_, _, curve), _ = panels["singular-values"].rows[0].figure
    assert curve[0] == (0, 1)
    assert all(0 <= x <= 1 and 0 <= y <= 1 for x, y in curve)


def test_layers_that_models_share_stand_once(analysis):
    rows = layers_of(analysis)
    assert [row["label"] for row in rows] == ["input", "conv1", "bn1", "linear1"]
    assert {row["model"] for row in rows} == {f"natural, {HOSTILE}"}


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([-14.9, -1.5], (-15, -10, -5, 0)),
        ([0.0, 1.0], (0, 0.2, 0.4, 0.6, 0.8, 1)),
        ([2.0, 2.0], (1.4, 1.6, 1.8, 2, 2.2, 2.4, 2.6)),
        ([math.nan, math.inf], (0, 0.2, 0.4, 0.6, 0.8, 1)),
    ],
)
def test_ticks_are_round_and_enclose_the_values(values, ticks):
    axis = axes.linear(values)
    assert axis.ticks == pytest.approx(ticks)
    assert axis.low <= min(values) or not math.isfinite(values[0])


def test_ratios_of_zero_stand_at_the_left_end_and_do_not_stretch_the_axis():
    ratios = pd.DataFrame({"layer": 1, "label": "conv1", "model": "m", "ratio": [0.0, 0.1, 0.2, 0.4, math.inf]})
    panel = _histograms(ratios, ["m"], "ratio", "k", "t", "x", unit="u", head="h", logarithmic=True)
    assert 0.09 < panel.axis.low < 0.1
    assert panel.rows[0].figure[0][2][1][1] > 0  # the first bin holds the 0
    assert panel.rows[0].values == [pytest.approx(0.15)]


def test_a_scale_of_factors():
    axis = axes.logarithmic([0.1, 10.0])
    assert axis.ticks == pytest.approx([0.1, 0.2, 0.5, 1, 2, 5, 10])
    assert axis.place(1.0) == pytest.approx(0.5)
    assert axis.place(0.0) == 0
    assert len(axis.edges(4)) == 5


def test_the_study_in_the_docs_and_the_published_one_are_valid():
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert parse_study(text).samples == 500
    assert load_study(PAGE.parent.parent / "benchmarks" / "papers" / "analysis.toml").name == "analysis"


@pytest.mark.filterwarnings("ignore")
def test_the_snippet_in_the_docs_runs(tmp_path, monkeypatch, capsys):
    (snippet,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(snippet, "analysis.md", "exec"), {"__name__": "docs"})
    assert "linear1" in capsys.readouterr().out


def test_every_column_is_documented():
    page = PAGE.read_text(encoding="utf-8")
    for name, columns in {table.name: table.columns for table in (*TABLES.values(), *VIEWS)}.items():
        section = page.partition(f"### `{name}`")[2].partition("###")[0]
        for column, about in columns.items():
            assert f"| `{column}` | {about.meaning} |" in section, f"{name}.{column}"


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.mark.browser
@pytest.mark.skipif(not (CHROMIUM and shutil.which("chromedriver")), reason="needs chromium and chromedriver")
def test_in_a_browser_the_page_fits_sorts_and_says_nothing(html, tmp_path):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        page = tmp_path / "page.html"
        page.write_text(html, encoding="utf-8")
        for width in (390, 1280):
            metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
            driver.get(page.as_uri())
            assert driver.execute_script("return document.documentElement.scrollWidth") <= width
        driver.find_element("css selector", "#theme").click()
        assert driver.execute_script("return document.documentElement.dataset.theme") in {"light", "dark"}
        header = driver.find_element("css selector", "#psr .curves th:nth-child(2) button")
        header.click()
        column = driver.find_elements("css selector", "#psr .curves:first-of-type td:nth-child(2)")
        values = [float(cell.get_attribute("data-v")) for cell in column[:3]]
        assert values == sorted(values, reverse=True)
        assert [entry["message"] for entry in driver.get_log("browser")] == []
    finally:
        driver.quit()
