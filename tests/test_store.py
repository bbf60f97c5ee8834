"""What a run folder is believed to say: nothing that was changed, moved, or is another job's, whatever it is called."""

from __future__ import annotations

import contextlib
import json
import math
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from frontdef import weights
from frontdef.datasets import Split
from frontdef.errors import ConfigError, StoreError
from frontdef.matrix.entries import parse_matrix
from frontdef.matrix.plan import make_plan
from frontdef.matrix.tables import CERTIFIED, RECORDS
from frontdef.models.cache import ModelCache
from frontdef.models.request import ModelRequest
from frontdef.runs.head import Head, JobEntry, dump, glance, parse
from frontdef.runs.plan import Samples
from frontdef.runs.results import load_results
from frontdef.runs.sealed import UNSIGNED
from frontdef.runs.store import Store, decode, encode, plain
from frontdef.runs.table import Rows
from frontdef.stage import Stage
from frontdef.verdicts.bracket import brackets
from tests.run_writer import RunWriter

N = 12
HEX = "0a" * 16
MODEL = {"dataset": "d", "classifier": "c", "defense": "none"}


def certified(proved=True):
    return Rows({"sample_id": np.arange(N), "certified": np.full(N, proved)}, {"statement": "a proof"})


def cell(key, *, prediction=1):
    """A cell whose every image is right and whose every example is of class ``prediction``; the label is 0."""
    about = {
        **MODEL, "cell": key, "network": "c", "defense_id": "none", "surrogate": "", "source": "", "family": "pgd",
        "norm": "linf", "eps": 0.1, "judged_eps": 0.1, "parameters": "{}", "library": "native", "library_version": "1",
        "seed": 0,
    }  # fmt: skip
    columns = {
        "sample_id": np.arange(N), "clean_correct": np.ones(N, bool), "target": -1, "in_box": np.ones(N, bool),
        "finite": np.ones(N, bool), "adversarial_prediction": prediction, "linf": 0.05,
    }  # fmt: skip
    return about, Rows(columns, {}, {"x_adv": torch.zeros(N, 1, 2, 2)})


def make_run(root, **predictions):
    writer = RunWriter(root)
    for key, prediction in predictions.items():
        about, rows = cell(key, prediction=prediction)
        writer.add(RECORDS, key, about, rows)
    writer.clean("d", {"images": torch.zeros(N, 1, 2, 2)})
    writer.finish(radii={"linf": [0.1]}, samples={"d": "d"})
    return root


def worst_case(root):
    results = load_results(root)
    (bracket,) = brackets(results.outcomes(), results.certified())
    return bracket.worst_case


class TestFiles:
    def test_what_is_written_is_read(self):
        rows, about = decode(encode(CERTIFIED, "k", certified()), "certified", "k")
        assert rows.to_pydict() == {"sample_id": list(range(N)), "certified": [True] * N}
        assert about == {"statement": "a proof"}
        assert len(UNSIGNED) == 64

    def test_values_that_are_all_alone_are_one_row(self):
        alone = Rows({"sample_id": 3, "certified": True})
        assert decode(encode(CERTIFIED, "k", alone), "certified", "k")[0].to_pylist() == [
            {"sample_id": 3, "certified": True}
        ]

    def test_every_changed_byte_is_noticed(self):
        data = encode(CERTIFIED, "k", certified())
        rng = np.random.default_rng(0)
        for place in range(len(data)):
            changed = bytearray(data)
            changed[place] ^= 1 << int(rng.integers(8))
            with pytest.raises(Exception):  # noqa: B017, PT011  (whatever pyarrow makes of it: the store names the file)
                decode(bytes(changed), "certified", "k")

    def test_a_damaged_file_is_named_with_the_mend(self, tmp_path):
        root = make_run(tmp_path / "run", k=1)
        path = root / "records" / "k.parquet"
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 4
        path.write_bytes(bytes(data))
        with pytest.raises(StoreError, match=r"k\.parquet is damaged .*delete it, and it is made again"):
            load_results(root).cells()

    def test_another_jobs_file_is_not_believed(self, tmp_path):
        root = make_run(tmp_path / "run", one=1, two=0)
        shutil.copy(root / "records" / "two.parquet", root / "records" / "one.parquet")
        with pytest.raises(StoreError, match=r"one\.parquet is damaged .*it holds records two"):
            load_results(root).outcomes()

    def test_another_jobs_examples_are_not_believed(self, tmp_path):
        root = make_run(tmp_path / "run", one=1, two=0)
        shutil.copy(root / "records" / "two.safetensors", root / "records" / "one.safetensors")
        with pytest.raises(StoreError, match="belongs to another job"):
            load_results(root).examples("one")

    @pytest.mark.parametrize(
        ("columns", "says"),
        [
            ({"sample_id": [1]}, "has the columns"),
            ({"sample_id": [1], "certified": [True], "more": [1]}, "has the columns"),
            ({"sample_id": ["one"], "certified": [True]}, "do not fit"),
            ({"sample_id": [1, 2], "certified": [True]}, "do not fit"),
        ],
    )
    def test_rows_that_do_not_fit_are_refused(self, columns, says):
        with pytest.raises(ValueError, match=says):
            encode(CERTIFIED, "k", Rows(columns))


class TestHead:
    HEAD = Head(name="a", radii={"linf": (0.1,)}, document={"name": "a", "seed": 3})

    def test_what_is_written_is_read(self):
        assert parse(dump(self.HEAD), "run.json") == self.HEAD

    def test_all_but_the_jobs_is_read_alone_and_written_with_their_lines(self):
        jobs = tuple(JobEntry(key=f"k{i}", table="records", what=f'"key": {i}', about={"eps": i}) for i in range(3))
        told = self.HEAD.model_copy(update={"document": {"jobs": [], "note": ',\n "jobs": [\n'}})
        data = dump(told.model_copy(update={"jobs": jobs}))
        written = glance(data, "run.json")
        assert written.head == told
        assert dump(told, written.jobs) == data
        assert written.tells(told.model_copy(update={"command": "again", "started": "now"}), ("k0", "k1", "k2"))
        assert not written.tells(told, ("k0", "k2", "k1"))
        assert not written.tells(told, ("k0", "k1"))
        for change in ({"codes": {"x": "1"}}, {"versions": {"x": "1"}}, {"document": {}}, {"device": "cuda"}):
            assert not written.tells(told.model_copy(update=change), ("k0", "k1", "k2"))
        assert not written.tells(told.model_copy(update={"live": True}), ("k0", "k1", "k2"))
        assert glance(data.replace(b"k1", b"k7"), "run.json") is None
        assert glance(json.dumps(json.loads(data)).encode(), "run.json") is None

    def test_every_changed_bit_is_noticed(self):
        data = dump(self.HEAD)
        for place in range(len(data)):
            changed = bytearray(data)
            changed[place] ^= 1 << (place % 7)
            try:
                read = parse(bytes(changed), "run.json")
            except StoreError:
                continue
            assert read == self.HEAD, "white space alone may differ"

    def test_a_path_is_no_key(self):
        values = json.loads(dump(self.HEAD))
        values["jobs"] = [{"key": "../../secret", "table": "records", "what": "", "model": "", "about": {}}]
        with pytest.raises(StoreError, match=r"damaged|changed"):
            parse(json.dumps(values).encode(), "run.json")


@pytest.mark.parametrize("name", ["l2=1/run", "a?", "a*", "[ab]", "eps=0.3", "ρ ε"])
def test_the_name_of_the_folder_changes_nothing(tmp_path, name):
    plain = make_run(tmp_path / "neighbor", one=1, two=0)
    for neighbor in ("ab", "a1", "b"):
        make_run(tmp_path / neighbor, one=0, two=0)
    shutil.copytree(plain, tmp_path / name)
    assert worst_case(plain) == worst_case(tmp_path / name) == 0
    pd.testing.assert_frame_equal(
        load_results(plain).sql("select * exclude (command) from cells"),
        load_results(tmp_path / name).sql("select * exclude (command) from cells"),
    )


def test_data_sets_whose_names_resemble_keep_their_own_images(tmp_path):
    from PIL import Image

    for place, (name, level) in enumerate((("a/b", 10), ("a_b", 200))):
        for label in ("dark", "bright"):
            folder = tmp_path / name / label
            folder.mkdir(parents=True)
            for copy in range(2):
                Image.fromarray(np.full((8, 8), level + copy, np.uint8)).save(folder / f"{place}{copy}.png")
    keys = {Samples(f"imagefolder:{tmp_path / name}", None, 0).key for name in ("a/b", "a_b")}
    assert len(keys) == 2


def test_rows_of_one_title_are_refused():
    text = 'libraries = ["native"]\n[[defense]]\nname = "none"\n[[defense]]\nname = "none"\n{}'
    adversarial = 'recipe = [{ epochs = 1, adversarial = "linf", eps = 0.1 }]'
    with pytest.raises(ConfigError, match=r"2 rows of the matrix have the title 'none'.*label ="):
        make_plan(parse_matrix(text.format(adversarial)))
    assert make_plan(parse_matrix(text.format(adversarial + '\nlabel = "AT"'))).of("figures")


def test_labels_that_differ_in_spaces_around_them_are_one_title():
    text = 'libraries = ["native"]\n' + "".join(
        f'[[defense]]\nname = "none"\nlabel = "{label}"\n' for label in ("a", "a ")
    )
    with pytest.raises(ConfigError, match=r"2 rows of the matrix have the title 'a'"):
        make_plan(parse_matrix(text))


class TestModels:
    @pytest.fixture
    def request_(self):
        from frontdef.registry import get_defense

        config = get_defense("wavelet").configure({"keep": 0.1}).model_dump(mode="json")
        return ModelRequest("digits", "fc2", "wavelet", config, (Stage(epochs=1, lr=1e-2),), 50, 0)

    def test_an_edited_sidecar_is_not_believed(self, tmp_path, request_):
        models = ModelCache(tmp_path)
        models.get_or_train(request_)
        sidecar = models.path(request_).with_suffix(".json")
        about = json.loads(sidecar.read_text())
        about["request"]["defense"][1]["keep"] = 0.3
        sidecar.write_text(json.dumps(about))
        with pytest.raises(StoreError, match="delete both"):
            models.get_or_train(request_)

    def test_a_sidecar_that_describes_another_model_is_not_believed(self, tmp_path, request_):
        models = ModelCache(tmp_path)
        models.get_or_train(request_)
        path = models.path(request_)
        tensors, about = weights.load(path)
        about["request"]["defense"][1]["keep"] = 0.3
        weights.save(tensors, path, {name: value for name, value in about.items() if name != "sha256"})
        with pytest.raises(StoreError, match="holds another model"):
            models.get_or_train(request_)

    def test_all_that_a_checkpoint_says_is_hashed(self, tmp_path):
        path = tmp_path / "c.safetensors"
        weights.save_single({"w": torch.arange(6.0)}, path, {"step_count": 7})
        data = path.read_bytes()
        for old, new in ((b'step_count\\": 7', b'step_count\\": 8'), (b"[6]", b"[3]"), (b"F32", b"I32")):
            assert data.count(old) == 1, old
            path.write_bytes(data.replace(old, new))
            with pytest.raises(StoreError):
                weights.load_single(path)


def test_samples_that_are_at_hand_are_known_by_their_content():
    from frontdef.runs.plan import Held

    split = Split(torch.zeros(2, 1, 2, 2), torch.zeros(2, dtype=torch.long), torch.arange(2))
    nudged = Split(torch.full((2, 1, 2, 2), 1e-7), split.labels, split.ids)
    assert Held(split).key == Held(Split(split.images.clone(), split.labels, split.ids)).key != Held(nudged).key


def test_a_folder_that_was_begun_and_not_finished_can_be_gone_on_with(tmp_path):
    store = Store(tmp_path / "run")
    store.write_head(Head(name="begun"))
    assert Store(tmp_path / "run").require_head().name == "begun"
    assert load_results(tmp_path / "run").failures() == []


class TestFolder:
    @pytest.mark.parametrize("something", ["notes.txt", "records"])
    def test_one_that_holds_something_else_is_refused_and_left_alone(self, tmp_path, something):
        (tmp_path / something).write_text("mine")
        with pytest.raises(StoreError, match="choose another --out"):
            Store(tmp_path)
        assert (tmp_path / something).read_text() == "mine"

    @pytest.mark.parametrize(
        ("name", "ours"),
        [
            ("123_0_submitted.pkl", True), ("123_0_0_log.err", True), ("123_submission.sh", True),
            ("123_0_0_result.pkl.save_tmp", True), (f".submission_file_{HEX}.sh", True),
            (f"{HEX}.pkl", True),
            ("notes.pkl", False), ("thesis.tex", False),
        ],
    )  # fmt: skip
    def test_what_submitit_leaves_is_of_a_run_that_lost_its_run_json(self, tmp_path, name, ours):
        (tmp_path / "slurm").mkdir()
        (tmp_path / "slurm" / name).write_text("x")
        with contextlib.nullcontext() if ours else pytest.raises(StoreError, match="choose another --out"):
            assert not Store(tmp_path).begun

    def test_something_else_beside_what_submitit_leaves_is_refused(self, tmp_path):
        (tmp_path / "slurm").mkdir()
        for name in ("123_0_submitted.pkl", "thesis.tex"):
            (tmp_path / "slurm" / name).write_text("x")
        with pytest.raises(StoreError, match="choose another --out"):
            Store(tmp_path)

    def test_a_damaged_run_json_is_told_before_anything_is_done(self, tmp_path):
        (tmp_path / "run.json").write_text("{}")
        with pytest.raises(StoreError, match=r"run\.json"):
            Store(tmp_path)

    def test_a_file_in_its_place_is_refused(self, tmp_path):
        (tmp_path / "run").write_text("mine")
        with pytest.raises(StoreError, match="choose another --out"):
            Store(tmp_path / "run")

    def test_it_is_taken_back_only_where_holding_made_it_and_nothing_was_begun(self, tmp_path):
        with Store(tmp_path / "new").hold():
            assert (tmp_path / "new").is_dir()
        assert not (tmp_path / "new").exists()
        (tmp_path / "old").mkdir()
        with Store(tmp_path / "old").hold():
            pass
        assert (tmp_path / "old").is_dir()
        begun = Store(tmp_path / "begun")
        with begun.hold():
            begun.write_head(Head(name="begun"))
        assert Store(tmp_path / "begun").require_head().name == "begun"

    def test_the_head_is_renewed_for_the_same_jobs_alone(self, tmp_path):
        writer = RunWriter(tmp_path)
        assert not writer.store.renew_head(Head(), []), "nothing was begun"
        for key in ("a" * 24, "b" * 24):
            writer.add(CERTIFIED, key, MODEL, certified())
        writer.finish(name="first")
        store = Store(tmp_path)
        written = (tmp_path / "run.json").read_bytes()
        assert not store.renew_head(Head(name="first"), ["a" * 24])
        assert not store.renew_head(Head(name="other"), ["a" * 24, "b" * 24])
        assert (tmp_path / "run.json").read_bytes() == written
        assert store.renew_head(Head(name="first"), ["a" * 24, "b" * 24])
        assert [job.key for job in Store(tmp_path).require_head().jobs] == ["a" * 24, "b" * 24]


class TestJobs:
    @pytest.mark.parametrize("name", ["what", "error"])
    def test_a_failure_that_was_changed_is_not_believed(self, tmp_path, name):
        store = Store(tmp_path)
        store.write_failure("certified", "k", "what it is", "why it failed")
        path = tmp_path / "failures" / "k.json"
        values = json.loads(path.read_text())
        path.write_text(json.dumps(values | {name: "another"}))
        with pytest.raises(StoreError, match=r"k\.json is damaged \(its sha256"):
            store.failure("k")

    def test_another_jobs_failure_is_not_believed(self, tmp_path):
        store = Store(tmp_path)
        store.write_failure("certified", "k", "what", "why")
        (tmp_path / "failures" / "k.json").rename(tmp_path / "failures" / "other.json")
        with pytest.raises(StoreError, match=r"other\.json is damaged \(it holds k\)"):
            store.failure("other")

    def test_a_result_replaces_a_failure_and_a_failure_a_result(self, tmp_path):
        store, data = Store(tmp_path), encode(CERTIFIED, "k", certified())
        for _ in range(2):
            store.write_failure("certified", "k", "what", "why")
            assert store.failed("k")
            assert not store.has("certified", "k")
            assert store.failure("k") == {"key": "k", "what": "what", "error": "why"}
            store.write("certified", "k", data, {})
            assert not store.failed("k")
            assert store.read("certified", "k")[1] == {"statement": "a proof"}
        assert store.forget_failures(["k"]) == 0
        store.write_failure("certified", "k", "what", "why")
        assert store.forget_failures(["k", "other"]) == 1
        assert not store.failed("k")

    def test_one_that_is_missing_is_told(self, tmp_path):
        with pytest.raises(StoreError, match="is missing, and no pack holds it"):
            Store(tmp_path).read("certified", "k")

    def test_tensors_come_back_with_and_without_torch_and_are_no_other_jobs(self, tmp_path):
        store, tensors = Store(tmp_path), {"x_adv": torch.arange(6.0).view(2, 3)}
        assert not store.has_tensors("records", "k")
        store.write_tensors("records", "k", tensors)
        assert store.has_tensors("records", "k")
        assert torch.equal(store.tensors("records", "k")["x_adv"], tensors["x_adv"])
        assert store.arrays("records", "k")["x_adv"].tolist() == tensors["x_adv"].tolist()
        store.tensor_path("records", "k").rename(store.tensor_path("records", "other"))
        with pytest.raises(StoreError, match="belongs to another job"):
            store.tensors("records", "other")

    def test_what_a_job_says_of_itself_is_json_and_no_figure_is_infinite(self):
        said = {1: [math.nan, (np.float32(0.5), {"a": -math.inf})], "name": "x", "n": np.int64(3)}
        assert plain(said) == {"1": [None, [0.5, {"a": None}]], "name": "x", "n": 3}
        json.dumps(plain(said), allow_nan=False)
