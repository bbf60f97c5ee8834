"""Figures and notebooks: the numbers of the run as matplotlib's axes, as files for a paper, and as HTML."""

from __future__ import annotations

import runpy
from html import escape
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure

from frontdef.cli import main
from frontdef.errors import ConfigError, UnknownNameError
from frontdef.report.collect import collect
from frontdef.report.figures import DRAWN, save
from frontdef.runs.results import load_results
from frontdef.verdicts.agreement import DISAGREE

sample = runpy.run_path(str(Path(__file__).with_name("report_sample.py")))
HOSTILE = sample["HOSTILE"]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return load_results(sample["make_run"](tmp_path_factory.mktemp("figures") / "run"))


def drawn(results, what, **options):
    return results.plot(what, axes=Figure().add_subplot(), **options)


def test_brackets_are_those_of_the_run(results):
    axes = drawn(results, "brackets", norm="linf", eps=0.2)
    rows = sorted(
        (row for row in results.brackets() if (row.norm, row.eps) == ("linf", 0.2)), key=lambda r: -r.worst_case
    )
    assert [label.get_text() for label in axes.get_yticklabels()] == [row.defense for row in rows]
    (worst, _, (bars,)) = axes.containers[-1]
    assert worst.get_xdata() == pytest.approx([100 * row.worst_case for row in rows])
    ends = np.array([segment[:, 0] for segment in bars.get_segments()])
    assert ends == pytest.approx(np.array([(100 * row.low, 100 * row.high) for row in rows]))
    assert "ε = 0.2" in axes.get_title("left")


def test_curves_begin_at_the_clean_accuracy_and_have_every_radius(results):
    axes = drawn(results, "curves", norm="linf")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["clean", "0.05", "0.1", "0.2"]
    by_name = {line.get_label(): line.get_ydata() for line in axes.lines}
    for defense in by_name:
        rows = sorted((r for r in results.brackets() if (r.defense, r.norm) == (defense, "linf")), key=lambda r: r.eps)
        assert by_name[defense] == pytest.approx([100 * rows[0].clean, *(100 * row.worst_case for row in rows)])
    assert set(by_name) == {"none", "rounding levels=3", HOSTILE}


def test_the_heat_map_says_every_number(results):
    axes = drawn(results, "heat", norm="linf", eps="0.1")
    values = np.asarray(axes.images[0].get_array())
    assert [f"{value:.1f}" for value in values.ravel() if value == value] == [text.get_text() for text in axes.texts]
    assert values.shape == (3, 3)


@pytest.mark.parametrize("what", DRAWN)
def test_a_file_is_the_same_again_and_names_are_text(results, what, tmp_path):
    paths = [save(results, tmp_path / name, what) for name in ("first.svg", "second.svg")]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    words = "".join(ElementTree.parse(paths[0]).getroot().itertext())
    assert HOSTILE in words
    assert save(results, tmp_path / "figure.pdf", what).read_bytes().startswith(b"%PDF")


def test_the_command_draws_and_mistakes_are_told(results, tmp_path):
    out = tmp_path / "heat.pdf"
    answer = CliRunner().invoke(main, ["figure", str(results.path), "heat", "--norm", "l2", "--out", str(out)])
    assert (answer.exit_code, answer.output.strip()) == (0, str(out))
    assert out.stat().st_size > 1000
    for options, error, said in (
        ({"norm": "l1"}, UnknownNameError, "norm"),
        ({"eps": 0.15}, ConfigError, "it has 0.05, 0.1, 0.2"),
        ({"dataset": "mnist"}, UnknownNameError, "data set"),
    ):
        with pytest.raises(error, match=said):
            drawn(results, "brackets", **options)
    with pytest.raises(ConfigError, match=r"name it figure\.pdf"):
        save(results, tmp_path / "figure.png")
    with pytest.raises(UnknownNameError, match="brackets"):
        drawn(results, "bracket")


def test_a_notebook_shows_results_agreement_and_diagnosis(results):
    shown = results._repr_html_()
    for row in results.brackets():
        assert f"<td>{100 * row.worst_case:.1f}</td>" in shown
    assert escape(HOSTILE) in shown
    assert HOSTILE not in shown
    agreement = results.agreement()
    disagree = [row for row in agreement if row.verdict in DISAGREE]
    assert f"{len(disagree)} of {len(agreement)} comparisons disagree" in agreement._repr_html_()
    (diagnosed,) = collect(results).diagnoses
    told = diagnosed.diagnosis._repr_html_()
    assert "masked" in told
    assert told.index("✕ alarm") < told.index("not applicable")


NOTEBOOK = """
import torch, frontdef
net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
results = frontdef.evaluate(
    net, torch.rand(8, 1, 8, 8), torch.arange(8), eps=0.1, attacks="quick", libraries="native", diagnose=False
)
results
"""


@pytest.mark.slow
def test_a_real_notebook_shows_the_progress_and_the_table():
    nbformat = pytest.importorskip("nbformat", reason="needs nbclient and ipykernel: pip install nbclient ipykernel")
    nbclient = pytest.importorskip("nbclient", reason="needs nbclient and ipykernel: pip install nbclient ipykernel")
    pytest.importorskip("ipykernel", reason="needs nbclient and ipykernel: pip install nbclient ipykernel")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in (NOTEBOOK, "results.plot()")])
    nbclient.NotebookClient(book, timeout=300).execute()
    outputs = book.cells[0].outputs
    shown = "".join(str(output.get("data", {}).get("text/html", "")) for output in outputs)
    assert "robust accuracy, worst over libraries so far" in shown
    assert "worst case %" in shown
    assert not [output for output in outputs if output.output_type == "error"]
    assert any("image/png" in output.get("data", {}) for output in book.cells[1].outputs)
