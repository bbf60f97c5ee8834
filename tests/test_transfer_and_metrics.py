"""What a matrix asks for beside attacks on the defense itself: attacks on another trained model, and metrics."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

import frontdef
from frontdef.attacks.native.pgd import pgd
from frontdef.config import Config, field
from frontdef.datasets import parse
from frontdef.errors import ConfigError, UnknownNameError
from frontdef.matrix import measure
from frontdef.matrix.entries import parse_matrix
from frontdef.matrix.plan import make_plan
from frontdef.metrics import Metric
from frontdef.models.cache import ModelCache
from frontdef.protected import Protected
from frontdef.registry import get_classifier
from frontdef.report.collect import collect
from frontdef.runs.progress import PlainProgress
from frontdef.runs.run import Settings, run
from frontdef.threat import ThreatModel
from frontdef.training import fit_classifier
from frontdef.verdicts.bracket import brackets

MATRIX = """
name = "transfer"
samples = 40
classifiers = ["fc2"]
libraries = ["native", "torchattacks"]
recipe = [{ epochs = 4, lr = 0.01 }]
[[defense]]
name = "none"
[[defense]]
name = "none"
classifier = "cnn4"
label = "cnn"
[[attack]]
family = "pgd"
eps = [0.2]
parameters = { steps = 5, relative_step = 0.3 }
[[attack]]
family = "pgd"
eps = [0.2]
parameters = { steps = 5, relative_step = 0.3 }
source = { name = "none", classifier = "fc2", label = "BB" }
"""


def go(out, text=MATRIX, **settings):
    plan = make_plan(parse_matrix(text))
    summary = run(plan, Settings(out=out, **settings), PlainProgress(Console(file=open(os.devnull, "w"))))  # noqa: SIM115
    return plan, summary


@pytest.fixture(scope="module")
def finished(tmp_path_factory, cache):
    os.environ["FRONTDEF_CACHE"] = str(cache)
    out = tmp_path_factory.mktemp("run") / "transfer"
    plan, summary = go(out)
    assert not summary.failed
    return out, plan


def model(request) -> Protected:
    trained = ModelCache().get_or_train(request)
    return Protected(trained.front_end, trained.classifier, image_shape=(1, 28, 28))


class TestSource:
    def test_the_examples_are_those_of_an_attack_on_the_source(self, finished):
        out, plan = finished
        (cell,) = [
            cell
            for cell in plan.of("records")
            if cell.source and cell.row.entry.label == "cnn" and cell.library == "native"
        ]
        split = plan.samples["digits"].load(None, False)
        source = model(cell.source.request)
        expected = pgd(source, split.images, split.labels, threat=ThreatModel("linf", 0.2), steps=5, step_size=0.06)
        results = frontdef.load_results(out)
        np.testing.assert_array_equal(results.examples(cell.key), expected.numpy())
        judged = results.sql(f"select * from records where cell = '{cell.key}' order by sample_id")
        victim = model(cell.row.request).predict(expected).argmax(1).numpy()[np.argsort(split.ids.numpy())]
        np.testing.assert_array_equal(judged["adversarial_prediction"], victim)

    def test_passes_are_those_of_the_source(self, finished):
        cells = frontdef.load_results(finished[0]).cells()
        counted = cells[cells["library"] == "native"].set_index(["defense", "family"])["backwards"]
        assert (counted == 5).all()

    def test_it_is_an_attack_of_its_own_in_tables_and_counts_in_the_worst_case(self, finished):
        out, _ = finished
        results = frontdef.load_results(out)
        outcomes = results.outcomes()
        assert set(outcomes["family"]) == {"pgd"}
        assert set(outcomes["source"]) == {"", "BB"}
        assert set(results.cells()["source"]) == {"", "BB"}
        broken = outcomes[(outcomes["defense"] == "cnn") & outcomes["success"] & outcomes["clean_correct"]]
        (bracket,) = [row for row in brackets(outcomes, results.certified()) if row.defense == "cnn"]
        assert bracket.worst_case == pytest.approx(bracket.clean - broken["sample_id"].nunique() / 40)

    def test_the_report_knows_its_family(self, finished):
        notes = {note.name: note for note in collect(frontdef.load_results(finished[0])).families}
        assert notes["pgd from BB"].title == notes["pgd"].title

    def test_the_key_names_the_source(self, finished):
        by_source = {bool(cell.source): cell for cell in finished[1].of("records") if cell.row.entry.label == "cnn"}
        assert "source" in by_source[True].decides()
        assert by_source[True].key != by_source[False].key

    def test_workers_transfer_too(self, finished, tmp_path):
        out, plan = finished
        (cell, _) = [cell for cell in plan.of("records") if cell.source and cell.row.entry.label == "cnn"]
        _, summary = go(tmp_path / "again", only=(cell.key,), jobs=1)
        assert summary.ran == [cell.key]
        first, again = frontdef.load_results(out), frontdef.load_results(tmp_path / "again")
        np.testing.assert_array_equal(first.examples(cell.key), again.examples(cell.key))

    def test_a_source_that_cannot_be_trained_fails_its_own_cells_alone(self, tmp_path):
        hot = 'classifier = "fc2", recipe = [{ epochs = 1, lr = 1e30 }]'
        text = MATRIX.replace('classifier = "fc2", label = "BB"', hot)
        plan, summary = go(tmp_path / "bad", text)
        assert sorted(summary.failed) == sorted(cell.key for cell in plan.of("records") if cell.source)
        assert any("diverged" in failure["error"] for failure in frontdef.load_results(tmp_path / "bad").failures())

    def test_unknown_names(self):
        with pytest.raises(UnknownNameError, match="Did you mean 'none'"):
            make_plan(parse_matrix(MATRIX.replace('source = { name = "none"', 'source = { name = "nona"')))


def test_a_row_may_go_without_a_diagnosis():
    text = MATRIX.replace("samples = 40", 'samples = 40\ndiagnose = ["linf"]')
    text = text.replace('label = "cnn"', 'label = "cnn"\ndiagnose = false')
    assert [job.row.entry.title for job in make_plan(parse_matrix(text)).of("diagnoses")] == ["none"]


class TestClassifierOfARow:
    def test_stands_in_the_table_of_the_matrix(self, finished):
        cells = frontdef.load_results(finished[0]).cells()
        assert set(cells["classifier"]) == {"fc2"}
        assert dict(zip(cells["defense"], cells["network"], strict=True)) == {"none": "fc2", "cnn": "cnn4"}

    def test_once_for_several_classifiers_of_the_matrix(self):
        plan = make_plan(parse_matrix(MATRIX.replace('classifiers = ["fc2"]', 'classifiers = ["fc2", "resnet32"]')))
        tables = [cell.row.classifier for cell in plan.of("records") if cell.row.entry.label == "cnn"]
        assert set(tables) == {"fc2"}
        assert {cell.row.classifier for cell in plan.of("records") if not cell.row.entry.label} == {"fc2", "resnet32"}


class BrightParameters(Config):
    above: float = field(0.5, description="threshold, in [0,1] pixel values")


def bright(protected, x, y, parameters, seed):
    """Share of pixels above a threshold; and noise, which must depend on the seed alone."""
    return {"share": (x > parameters.above).float().flatten(1).mean(1), "noise": torch.rand(len(x))}


def wrong_shape(protected, x, y, parameters, seed):
    return {"all": x.mean()}


class TestMetrics:
    @pytest.fixture
    def metrics(self, monkeypatch):
        offered = {
            "bright": Metric("bright", bright, BrightParameters, unit="share"),
            "wrong": Metric("wrong", wrong_shape),
        }
        monkeypatch.setattr(measure, "get_metric", offered.__getitem__)

    TEXT = MATRIX + '[[metric]]\nname = "bright"\nparameters = { above = 0.25 }\nsamples = 30\ndefenses = ["none"]\n'

    def test_values_are_stored_a_sample_and_asked_with_sql(self, metrics, cache, tmp_path):
        plan, summary = go(tmp_path / "run", self.TEXT)
        assert not summary.failed
        results = frontdef.load_results(tmp_path / "run")
        rows = results.sql("select * from metrics where quantity = 'share' and defense = 'cnn' order by sample_id")
        split = plan.samples["digits"].load(None, False).first(30)
        expected = (split.images > 0.25).float().flatten(1).mean(1).numpy()[np.argsort(split.ids.numpy())]
        np.testing.assert_allclose(rows["value"], expected)
        assert set(rows["unit"]) == {"share"}
        noise = (
            results.metrics().query("quantity == 'noise'").pivot(index="sample_id", columns="defense", values="value")
        )
        assert (noise["none"] == noise["cnn"]).all()
        before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "metrics").iterdir()}
        go(tmp_path / "run", self.TEXT)
        assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "metrics").iterdir()}

    def test_one_that_fails_is_a_result(self, metrics, cache, tmp_path):
        _, summary = go(tmp_path / "run", MATRIX + '[[metric]]\nname = "wrong"\n')
        assert len(summary.failed) == 2
        errors = [failure["error"] for failure in frontdef.load_results(tmp_path / "run").failures()]
        assert all("not one value a sample" in error for error in errors)

    def test_parameters_are_checked(self, metrics):
        with pytest.raises(ConfigError, match=r"metric 'bright'.*did you mean 'above'"):
            make_plan(parse_matrix(self.TEXT.replace("above", "abov")))

    def test_an_optional_one_that_nobody_offers_is_left_out_with_a_note(self):
        text = MATRIX + '[[metric]]\nname = "no-such"\noptional = true\n'
        text = text.replace("[[attack]]", '[[defense]]\nname = "no-such"\noptional = true\n[[attack]]', 1)
        plan = make_plan(parse_matrix(text))
        assert {cell.row.entry.name for cell in plan.of("records")} == {"none"}
        assert [line.partition(":")[0] for line in plan.skipped] == ["defense no-such", "metric no-such"]
        with pytest.raises(UnknownNameError):
            make_plan(parse_matrix(text.replace("optional = true", "optional = false")))

    def test_the_code_of_the_metric_counts(self, metrics, monkeypatch):
        keys = set()
        for code in ("old", "new"):
            monkeypatch.setattr(measure, "code_of", lambda reference, code=code: code)
            keys |= {job.key for job in make_plan(parse_matrix(self.TEXT)).of("metrics")}
        assert len(keys) == 4

    def test_names(self):
        with pytest.raises(ConfigError, match="lower case"):
            Metric("Bright", bright)


def test_the_metric_in_the_docs_runs(finished):
    page = (Path(__file__).parent.parent / "docs" / "plugins.md").read_text(encoding="utf-8")
    (code,) = [code for code in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL) if "frontdef_metrics" in code]
    namespace: dict[str, object] = {}
    exec(compile(code, "plugins.md", "exec"), namespace)
    (metric,) = namespace["frontdef_metrics"]()
    x, y = torch.rand(3, 1, 28, 28), torch.zeros(3, dtype=torch.long)
    victim = model(finished[1].of("records")[0].row.request)
    measured = metric(victim, x, y, Config(), 0)
    expected = victim.predict(x).exp()
    torch.testing.assert_close(measured["of the prediction"], expected.amax(1) / expected.sum(1))


def test_the_front_end_in_the_docs_trains():
    page = (Path(__file__).parent.parent / "docs" / "training.md").read_text(encoding="utf-8")
    (code,) = [code for code in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL) if "class Gain" in code]
    namespace: dict[str, object] = {}
    exec(compile(code, "training.md", "exec"), namespace)
    front_end = namespace["Gain"](Config())
    split = parse("digits").load("train").take(64)
    classifier = get_classifier("fc2").build((1, 28, 28), 10)
    fit_classifier(front_end, classifier, split, namespace["recipe"](Config(), "digits"), seed=0)
    front_end.require_trained()
    assert front_end.factor.item() != 1
