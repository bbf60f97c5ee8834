"""Memory: batches that shrink and say so, examples that are written as they are made, predictions that hold."""

from __future__ import annotations

import ctypes
import io
import resource
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn

import frontdef
from frontdef import registry
from frontdef.certificate import Certificate
from frontdef.checks import masking
from frontdef.checks.masking.evidence import Evidence
from frontdef.config import Config
from frontdef.errors import OutOfMemoryError
from frontdef.frontend import FrontEnd, Identity
from frontdef.heap import give_back, keep_freed
from frontdef.matrix.entries import parse_matrix
from frontdef.matrix.plan import make_plan
from frontdef.memory import MOST, VALUES, Batches, at_once, exhausted
from frontdef.models.load import Means
from frontdef.protected import Protected
from frontdef.runs.estimate import Estimate, estimate
from frontdef.runs.progress import PlainProgress
from frontdef.runs.run import Settings, run
from frontdef.runs.store import Store
from frontdef.threat import ThreatModel
from tests.forks import in_child
from tests.memory_site import forget_peak, held, install, matrix


def need(images: int, most: int) -> None:
    """Ask torch for memory that no machine has, where there are too many images."""
    if images > most:
        torch.empty(1 << 60)


def caught(work):
    try:
        work()
    except Exception as error:
        return error
    raise AssertionError("it has that much memory?")


def chained():
    try:
        torch.empty(1 << 60)
    except RuntimeError:
        raise ValueError("the attack failed") from None


class TestHowManyAtOnce:
    @pytest.mark.parametrize("side", [1, 8, 32, 64, 224, 512, 10_000])
    def test_values_and_images_are_bounded(self, side):
        images = at_once((3, side, side))
        assert 1 <= images <= MOST
        assert images == 1 or images * 3 * side * side <= VALUES

    def test_small_images_pass_as_many_at_once_as_ever(self):
        assert at_once((1, 28, 28)) == at_once((3, 32, 32)) == 256


class TestWhatIsTakenForALackOfMemory:
    @pytest.mark.parametrize("work", [lambda: torch.empty(1 << 60), lambda: np.empty(1 << 57), chained])
    def test_what_torch_and_numpy_raise(self, work):
        assert exhausted(caught(work))

    @pytest.mark.parametrize(
        "error", [RuntimeError("element 0 of tensors does not require grad"), ValueError("memory"), KeyError("x")]
    )
    def test_nothing_else(self, error):
        assert not exhausted(error)

    def test_cudas(self):
        assert exhausted(torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"))


class TestBatches:
    def drawn(self, batches, most, total=23):
        """What is drawn for each sample; a batch that is too large fails after it has drawn."""
        torch.manual_seed(0)
        np.random.seed(0)

        def work(rows):
            count = rows.stop - rows.start
            values = torch.rand(count) + torch.from_numpy(np.random.rand(count))
            need(count, most)
            return values

        return torch.cat([values for _, values in batches.over(total, work)])

    def test_each_sample_is_done_once_in_its_order(self):
        rows = [rows for rows, _ in Batches(5).over(12, lambda rows: need(rows.stop - rows.start, 3))]
        assert [index for part in rows for index in range(part.start, part.stop)] == list(range(12))

    @pytest.mark.parametrize("most", [1, 2, 3, 7, 22])
    def test_a_halved_batch_draws_as_if_its_size_had_been_asked_for(self, most):
        batches = Batches(23)
        shrunk = self.drawn(batches, most)
        assert batches.size <= most
        assert torch.equal(shrunk, self.drawn(Batches(batches.size), most))

    def test_a_batch_that_fits_is_left_as_it_is(self):
        batches = Batches(8)
        self.drawn(batches, 8)
        assert batches.size == 8

    def test_not_even_one_image(self):
        with pytest.raises(OutOfMemoryError, match=r"one image .*--jobs.*eot_draws"):
            list(Batches(16).over(16, lambda rows: need(1, 0)))

    def test_another_error_is_passed_on(self):
        with pytest.raises(ZeroDivisionError):
            list(Batches(16).over(16, lambda rows: 1 / 0))


class Narrow(nn.Module):
    """A classifier for which memory suffices for a few images at a time only."""

    def __init__(self, most=3, gradients_only=False):
        super().__init__()
        self.most, self.gradients_only = most, gradients_only
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x):
        if x.requires_grad or not self.gradients_only:
            need(len(x), self.most)
        flat = self.scale * x.flatten(1)
        return torch.stack([flat.sum(1), 32 - flat.sum(1)], 1)


class Noisy(FrontEnd[Config]):
    """Adds noise from its own generator."""

    randomized = True

    def forward(self, x):
        return x + torch.rand(x.shape, generator=self.generator(x.device))


IMAGES = torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(0))


class TestWhoPassesInBatches:
    def test_predictions_are_those_of_a_smaller_batch_and_draw_the_same(self):
        protected = Protected(Noisy(Config()), Narrow())
        protected.front_end.reseed(5)
        logits = protected.predict(IMAGES)
        protected.front_end.reseed(5)
        assert torch.equal(logits, protected.predict(IMAGES, batch_size=2))

    def test_certificates(self):
        class Proof(Certificate):
            norms = ("l2",)

            def proof(self, protected, threat):
                return lambda images, labels: protected(images).argmax(1) == labels

        labels = torch.zeros(40, dtype=torch.long)
        threat = ThreatModel("l2", 0.1)
        narrow, wide = (Protected(Identity(Config()), Narrow(most)) for most in (3, 99))
        assert torch.equal(
            Proof().certify(narrow, IMAGES, labels, threat), Proof().certify(wide, IMAGES, labels, threat)
        )

    def test_a_diagnosis_takes_no_lack_of_memory_for_a_lack_of_gradient(self):
        threat, budget = ThreatModel("linf", 0.01), masking.Budget(steps=10)
        narrow, wide = (
            Protected(Identity(Config()), Narrow(most, gradients_only=True), image_shape=(1, 8, 8)) for most in (3, 99)
        )
        labels = wide.predict(IMAGES).argmax(1)
        evidence = [Evidence(model, IMAGES, labels, threat, budget) for model in (narrow, wide)]
        climbs = [each.white_box for each in evidence]
        assert [climb.error for climb in climbs] == ["", ""]
        assert torch.allclose(climbs[0].x_adv, climbs[1].x_adv)
        gradients = [each.gradient("cross-entropy") for each in evidence]
        assert torch.allclose(*gradients)


on_linux = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's figures on memory")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The plugin, installed for this process and its children, and all imported that a run imports."""
    folder = tmp_path_factory.mktemp("site")
    install(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        registry.clear()
        go(matrix(**SIZES["digits"]), folder / "warm")
        yield
    registry.clear()
    sys.modules.pop("frontdef_memory", None)


def go(text, out, only=()):
    said = io.StringIO()
    plan = make_plan(parse_matrix(text))
    summary = run(plan, Settings(out, only=only), PlainProgress(Console(file=said, width=400)))
    assert not summary.failed, frontdef.load_results(out).failures()
    return said.getvalue()


SAMPLES = 24
"""Some 25 MB each in an attack on `broad`, so all of them need more than the limit leaves."""


@on_linux
@pytest.mark.parametrize("heap", [keep_freed, give_back], ids=["freed memory kept", "freed memory given back"])
def test_an_attack_under_a_real_limit_gets_fewer_images_and_says_so(site, tmp_path, heap):
    values = {"dataset": "random-8", "samples": SAMPLES, "defense": "broad", "steps": 1}

    def limited():
        heap()
        go(matrix(**values), tmp_path / "warm", only=("figures",))
        resource.setrlimit(resource.RLIMIT_AS, (held("VmSize") + 350 * 2**20, resource.RLIM_INFINITY))
        return go(matrix(**values), tmp_path / "limited", only=("records",))

    said = in_child(limited)
    limited_results = frontdef.load_results(tmp_path / "limited")
    (shrunk,) = limited_results.cells()["batch"]
    assert 1 <= shrunk < SAMPLES
    assert f"memory ran out, so in batches of {shrunk} instead of {SAMPLES}" in said
    asked_said = go(matrix(**values, batch_size=int(shrunk)), tmp_path / "asked", only=("records",))
    asked_results = frontdef.load_results(tmp_path / "asked")
    assert "memory ran out" not in asked_said
    assert list(asked_results.cells()["batch"]) == [shrunk]
    x_adv = [each.examples(each.cells()["cell"].iloc[0]) for each in (limited_results, asked_results)]
    assert np.array_equal(*x_adv)
    records = [each.records().drop(columns="cell") for each in (limited_results, asked_results)]
    assert len(records[0]) == SAMPLES
    assert records[0].equals(records[1])


M_MMAP_THRESHOLD = -3
"""Of ``mallopt``; setting it also keeps glibc from raising it by itself."""


@on_linux
def test_memory_does_not_grow_with_the_samples(site, tmp_path):
    def growth():
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 1 << 20)  # what is freed is given back, so that a peak is a need
        peaks = []
        for samples in (8, 40, 152):  # more than are judged at once, so that both have a whole lot
            before = held()
            forget_peak()
            text = matrix(dataset="random-224", samples=samples, batch_size=8, steps=1)
            go(text, tmp_path / str(samples), only=("records",))
            peaks.append(held("VmHWM") - before)
        return peaks

    _, few, many = in_child(growth)
    image = 3 * 224 * 224 * 4
    images = (152 - 40) * image
    assert many - few < 1.5 * images, "the images themselves, and nothing of their examples"
    file = next((tmp_path / "152" / "records").glob("*.safetensors"))
    assert file.stat().st_size > 2 * 152 * image


def test_of_what_nothing_is_known_no_time_is_said():
    """`0 s` would be a promise."""
    told = Estimate({"k": None, "l": None}, 0.0, 0, None).summary()
    assert told == "to do: 2 jobs; how long they take is not known until one like them has been run"
    assert "about 5 s" in Estimate({"k": None, "l": 5.0}, 0.0, 0, None).summary()


SIZES = {
    "digits": {"dataset": "random-8", "samples": 100, "classifier": "small-cnn"},
    "3×32×32": {"dataset": "random-32", "samples": 64, "classifier": "tv-resnet18"},
    "3×224×224": {"dataset": "random-224", "samples": 6, "classifier": "tv-resnet18", "steps": 1},
}


@on_linux
@pytest.mark.parametrize("size", SIZES)
def test_a_plan_predicts_memory_and_disk_within_a_factor_of_two(site, tmp_path, size):
    text, out = matrix(**SIZES[size]), tmp_path / "run"

    def predict():
        before = held()
        footprint = estimate(make_plan(parse_matrix(text)), Store(out), Means()).footprint
        return footprint.memory, footprint.disk, before

    def measure():
        forget_peak()
        before = held()
        go(text, out)
        return held("VmHWM"), before

    memory, disk, base = in_child(predict)
    peak, before = in_child(measure)
    written = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"{size}: memory {memory / 1e6:.0f} MB predicted, {peak / 1e6:.0f} measured; of it before any model "
          f"{base / 1e6:.0f} and {before / 1e6:.0f}; disk {disk / 1e6:.3f} MB and {written / 1e6:.3f}")  # fmt: skip
    assert peak / 2 < memory < peak * 2
    assert written / 2 < disk < written * 2
    if peak - before > 200e6:
        assert (peak - before) / 2 < memory - base < (peak - before) * 2, "what the models take of it"
