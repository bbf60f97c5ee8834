"""ART's attacks without gradients: what they achieve, and where they depart from the papers."""

from __future__ import annotations

import random
from math import inf

import numpy as np
import pytest
import torch
from torch import nn

from frontdef.attacks.families import FAMILIES
from frontdef.attacks.spec import make_spec
from frontdef.errors import ConfigError
from frontdef.threat import distance
from tests.attacks.pins import pins

FAMILY = {family.name: family for family in FAMILIES}
ZERO = torch.tensor([0])
SQUARE = [("square", "linf"), ("square", "l2")]
HOPSKIPJUMP = [("hopskipjump", "l2"), ("hopskipjump", "linf")]


def images(*pixels: list[float]) -> torch.Tensor:
    return torch.tensor(pixels).view(len(pixels), 1, 1, -1)


def spent(model, run):
    """Forward passes of a run."""
    model.passes.forward = 0
    run()
    return model.passes.forward


def recorded(model, run):
    """The batches that a run asks the model about."""
    seen = []
    hook = model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
    run()
    hook.remove()
    return seen


# --- Square ---


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.1), ("l2", 1.0)])
def test_art_square_breaks_the_cnn(norm, eps, attack, cnn, batch, right):
    x, y = batch[0][:30], batch[1][:30]
    by_queries = {n: attack("art", "square", norm, eps, cnn, x, y, queries=n) for n in (20, 150)}
    standing = {n: right(cnn, examples, y).sum().item() for n, examples in by_queries.items()}
    assert right(cnn, x, y).sum() >= 25
    assert standing[150] <= 6
    assert standing[150] < standing[20]


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_square_restarts_and_its_first_size_arrive(norm, attack, linear):
    model = linear(torch.zeros(2, 100), bias=[9.0, 0.0], image_shape=(1, 10, 10))
    x = torch.full((2, 1, 10, 10), 0.5)
    once, thrice = (
        spent(model, lambda: attack("art", "square", norm, 0.1, model, x, torch.tensor([0, 0]), queries=5, restarts=n))  # noqa: B023
        for n in (1, 3)
    )
    assert thrice == 3 * once
    sizes = []
    for share in (0.05, 0.3):
        asked = recorded(
            model,
            lambda: attack("art", "square", norm, 0.1, model, x, torch.tensor([0, 0]), queries=2, p_init=share),  # noqa: B023
        )
        sizes.append(((asked[-1] - x).abs() > 1e-6).flatten(1).sum(1).max().item())
    assert sizes[0] < sizes[1]


@pins("art", *SQUARE)
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_art_square_asks_three_times(norm, attack, linear):
    model = linear(torch.zeros(2, 100), bias=[9.0, 0.0], image_shape=(1, 10, 10))
    x = torch.full((1, 1, 10, 10), 0.5)
    costs = [spent(model, lambda: attack("art", "square", norm, 0.1, model, x, ZERO, queries=n)) for n in (11, 21)]  # noqa: B023
    assert costs[1] - costs[0] == 30


class Level(nn.Module):
    """Class 0, by a margin that grows with every value that is not a half."""

    def forward(self, x):
        margin = 1 + (x - 0.5).abs().flatten(1).sum(1)
        return torch.stack([margin, 0 * margin], dim=1)


@pins("art", *SQUARE)
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_art_square_keeps_stripes_that_help_only(norm, attack, wrap):
    """Every square that lowers the margin of the stripes would be kept: here none is, the stripes were dropped."""
    x = torch.full((3, 1, 10, 10), 0.5)
    examples = attack("art", "square", norm, 0.1, wrap(Level(), (1, 10, 10)), x, torch.tensor([0, 0, 0]), queries=30)
    assert torch.equal(examples, x)


@pins("art", ("square", "l2"))
def test_art_square_gives_a_new_window_most_of_eps(linear):
    """Outside two small windows a proposal is what it was before: the windows share the norm that they had together."""
    from art.attacks.evasion import SquareAttack

    asked = []

    def loss(x, _):
        asked.append(x.copy())
        return np.full(len(x), -len(asked) if np.isfinite(x).all() else inf)  # every finite proposal is kept

    x = np.full((1, 1, 20, 20), 0.5, dtype=np.float32)
    method = SquareAttack(
        linear(torch.zeros(2, 400), image_shape=(1, 20, 20)).art_classifier(),
        norm=2,
        eps=1.0,
        max_iter=60,
        p_init=0.02,
        loss=loss,
        adv_criterion=lambda outputs, _: np.zeros(len(outputs), dtype=bool),
        verbose=False,
    )
    np.random.seed(0)
    with np.errstate(all="ignore"):
        method.generate(x, y=np.array([[1.0, 0.0]]))
    kept = []
    for current, proposal in zip(asked[2::2], asked[3::2], strict=True):
        before, after = (np.abs(each - x) for each in (current, proposal))
        if np.isfinite(proposal).all() and (before > 1e-3).mean() > 0.3:
            kept.append(np.median(after[before > 1e-3] / before[before > 1e-3]))
    assert len(kept) >= 1
    assert np.median(kept) < 0.8, "the share that is left of all other values"


@pins("art", *SQUARE, caveat=True)
@pytest.mark.parametrize(("norm", "side"), [("linf", (10, 14)), ("l2", (13, 13))])
def test_art_square_does_not_fit(norm, side, attack, linear):
    height, width = side
    model = linear(torch.zeros(2, height * width), bias=[9.0, 0.0], image_shape=(1, height, width))
    with pytest.raises(ValueError, match="high <= 0"):
        attack("art", "square", norm, 0.1, model, torch.full((1, 1, height, width), 0.5), ZERO, queries=5)
    model = linear(torch.zeros(2, 100), bias=[9.0, 0.0], image_shape=(1, 10, 10))
    with pytest.raises(ValueError, match="high <= 0"):
        attack("art", "square", norm, 0.1, model, torch.full((1, 1, 10, 10), 0.5), ZERO, queries=5, p_init=0.95)


# --- HopSkipJump and the boundary attack ---


@pytest.mark.parametrize(("norm", "median"), [("l2", 0.8), ("linf", 0.12)])
def test_art_hopskipjump_breaks_the_cnn(norm, median, attack, cnn, batch, right):
    x, y = batch[0][:8], batch[1][:8]
    few, more = (attack("art", "hopskipjump", norm, 1.0, cnn, x, y, steps=n, init_eval=30, max_eval=80) for n in (1, 6))
    assert right(cnn, x, y).all()
    assert not right(cnn, few, y).any()
    assert not right(cnn, more, y).any()
    assert distance(x, more, norm).median() < min(median, distance(x, few, norm).median())


def test_the_hopskipjump_budget_arrives(attack, cnn, batch):
    x, y = batch[0][:2], batch[1][:2]
    asked = recorded(
        cnn, lambda: attack("art", "hopskipjump", "l2", 1.0, cnn, x, y, steps=4, init_eval=30, max_eval=50)
    )
    assert [len(images) for images in asked if len(images) > 2] == 2 * [30, 42, 50, 50]


@pytest.mark.parametrize(("family", "norm"), [*HOPSKIPJUMP, ("boundary", "l2")])
def test_art_decisions_need_float32(family, norm, cnn, batch):
    """Under numpy 2 ART promotes images to float64: why the adapter rounds what the model gets."""
    from art.attacks.evasion import BoundaryAttack, HopSkipJump

    classifier = cnn.art_classifier()
    method = (
        BoundaryAttack(classifier, targeted=False, max_iter=2, verbose=False)
        if family == "boundary"
        else HopSkipJump(classifier, norm={"l2": 2, "linf": inf}[norm], max_iter=2, init_eval=5, verbose=False)
    )
    with pytest.raises((RuntimeError, TypeError, ValueError)):
        method.generate(batch[0][:1].numpy())


def test_pythons_generator_is_left_alone(attack, cnn, batch):
    before = random.getstate()
    attack("art", "square", "l2", 0.1, cnn, batch[0][:2], batch[1][:2], queries=5)
    assert random.getstate() == before


@pytest.mark.parametrize(("family", "norm"), [("hopskipjump", "l2"), ("boundary", "l2")])
def test_art_decisions_start_unseeded(family, norm, cnn, batch):
    """Why the adapter seeds ``np.random.RandomState()``: numpy's global seed does not reach it."""
    from art.attacks.evasion import BoundaryAttack, HopSkipJump

    from frontdef.attacks.art.call import _classifier, _seeded

    def first(seeded):
        np.random.seed(0)
        method = {"boundary": BoundaryAttack, "hopskipjump": HopSkipJump}[family]
        method = method(_classifier(cnn, "logits"), targeted=False, max_iter=0, verbose=False)
        if not seeded:
            return method.generate(batch[0][:1].numpy())
        with _seeded():
            return method.generate(batch[0][:1].numpy())

    assert not np.array_equal(first(seeded=False), first(seeded=False))
    assert np.array_equal(first(seeded=True), first(seeded=True))


@pins("art", *HOPSKIPJUMP, ("boundary", "l2"))
@pytest.mark.parametrize(("family", "norm"), [*HOPSKIPJUMP, ("boundary", "l2")])
def test_art_decisions_ignore_the_label(family, norm, attack, linear, right):
    model, x, wrong_label = linear([[1.0, 0.0], [0.0, 1.0]]), images([0.7, 0.5]), torch.tensor([1])
    assert not right(model, x, wrong_label)
    parameters = {"steps": 3} if family == "boundary" else {"steps": 3, "init_eval": 10, "max_eval": 20}
    assert right(model, attack("art", family, norm, 1.0, model, x, wrong_label, **parameters), wrong_label)


@pins("art", *HOPSKIPJUMP)
@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_art_hopskipjump_does_not_search_at_the_end(norm, attack, linear, right):
    torch.manual_seed(0)
    model = linear(torch.randn(2, 64), bias=[2.0, 0.0])
    x = torch.full((8, 1, 1, 64), 0.5) + 0.1 * torch.rand(8, 1, 1, 64)
    y = model.predict(x).argmax(1)
    examples = attack("art", "hopskipjump", norm, 1.0, model, x, y, steps=3, init_eval=30, max_eval=60)
    assert not right(model, examples, y).any()
    nearer = x + 0.97 * (examples - x)
    assert (~right(model, nearer, y)).float().mean() >= 0.75, "three percent less would do"


@pins("art", *HOPSKIPJUMP)
@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_art_hopskipjump_gives_up_where_noise_fails(norm, attack, linear):
    """White fools this model."""
    model, x = linear([[0.0] * 50, [1.0] * 50], bias=[45.0, 0.0]), torch.full((1, 1, 1, 50), 0.5)
    assert model.predict(torch.ones_like(x)).argmax(1).item() == 1
    assert torch.equal(attack("art", "hopskipjump", norm, 1.0, model, x, ZERO, steps=1, init_eval=5, max_eval=5), x)


def test_art_boundary_breaks_the_cnn(attack, cnn, batch, right):
    x, y = batch[0][:4], batch[1][:4]
    few, more = (
        attack("art", "boundary", "l2", 1.0, cnn, x, y, steps=n, spherical_step=0.1, source_step=0.1) for n in (2, 40)
    )
    assert not right(cnn, few, y).any()
    assert not right(cnn, more, y).any()
    assert distance(x, more, "l2").median() < 0.3 * distance(x, few, "l2").median()


def test_the_boundary_steps_arrive(attack, linear):
    """The directions tried are as long as asked, relative to the distance."""
    x = torch.full((1, 1, 1, 64), 0.5)
    model = linear(torch.cat([torch.zeros(1, 64), torch.eye(64)[:1]]), bias=[0.501, 0.0])
    sizes = []
    for step in (0.01, 0.1):
        asked = recorded(
            model,
            lambda: attack("art", "boundary", "l2", 1.0, model, x, ZERO, steps=1, spherical_step=step),  # noqa: B023
        )
        directions = next(batch for batch in asked if len(batch) == 20)
        sizes.append((directions - directions.mean(0)).flatten(1).norm(dim=1).mean().item())
    assert sizes[1] > 5 * sizes[0]


@pins("art", ("boundary", "l2"))
def test_art_boundary_tries_many_directions(attack, cnn, batch):
    asked = recorded(cnn, lambda: attack("art", "boundary", "l2", 1.0, cnn, *(each[:1] for each in batch), steps=5))
    assert sum(len(images) == 20 for images in asked) >= 5
    ratios = [(images - batch[0][:1]).flatten(1).norm(dim=1) for images in asked if len(images) == 20]
    assert all((ratio / ratio.mean() - 1).abs().max() < 0.01 for ratio in ratios)


# --- ZOO ---


def test_art_zoo_breaks_the_cnn(attack, cnn, batch, right):
    x, y = batch[0][:2], batch[1][:2]
    examples = attack("art", "zoo", "l2", 1.0, cnn, x, y, steps=12, parallel=98, lr=0.02, initial_const=10.0)
    assert right(cnn, x, y).all()
    assert not right(cnn, examples, y).any()


@pins("art", ("zoo", "l2"))
def test_art_zoo_can_only_brighten(attack, linear, right):
    x = images([0.55, 0.5, 0.5, 0.5])
    parameters = {"steps": 20, "parallel": 4, "initial_const": 10.0, "lr": 0.02}
    darker = linear([[1.0, 0, 0, 0], [0] * 4], bias=[0.0, 0.5])  # class 0 where the first value is above a half
    assert torch.equal(attack("art", "zoo", "l2", 1.0, darker, x, ZERO, **parameters), x)
    brighter = linear([[-1.0, 0, 0, 0], [0] * 4], bias=[1.1, 0.5])  # below 0.6
    assert not right(brighter, attack("art", "zoo", "l2", 1.0, brighter, x, ZERO, **parameters), ZERO)


@pins("art", ("zoo", "l2"))
def test_art_zoo_adds_its_noise_again_and_leaves_the_box(attack, linear):
    """Adam moves the noise by lr a step: 1, 2, 3 lr, which ART sums to 1, 3, 6 lr."""
    model, x = linear([[-1.0, 0, 0, 0], [0] * 4], bias=[5.0, 0.0]), images([0.9, 0.5, 0.5, 0.5])
    parameters = {"steps": 3, "parallel": 4, "initial_const": 10.0, "lr": 0.03}
    asked = recorded(model, lambda: attack("art", "zoo", "l2", 1.0, model, x, ZERO, **parameters))
    counted, of_a_step = 1, 2 * 4 + 1
    iterates = [images.flatten()[0].item() for images in asked[counted + of_a_step - 1 :: of_a_step][:3]]
    assert iterates == pytest.approx([0.93, 0.99, 1.08], abs=5e-3)


def test_art_zoo_takes_one_image_at_a_time(cnn, batch):
    """Why every image is a batch of its own: Adam has the moments of one."""
    from art.attacks.evasion import ZooAttack

    arguments = {"use_resize": False, "use_importance": False, "max_iter": 2, "nb_parallel": 32, "batch_size": 2}
    method = ZooAttack(cnn.art_classifier(), verbose=False, **arguments)
    with pytest.raises(IndexError, match="boolean index did not match"):
        method.generate(batch[0][:2].numpy(), y=np.eye(10)[batch[1][:2]])


# --- SimBA ---


@pytest.mark.parametrize("basis", ["px", "dct"])
def test_art_simba_breaks_the_cnn(basis, attack, cnn, batch, right):
    x, y = batch[0][:5], batch[1][:5]
    examples = attack("art", "simba", "l2", 1.0, cnn, x, y, steps=200, step=0.3, basis=basis)
    assert right(cnn, x, y).all()
    assert right(cnn, examples, y).sum() <= 1


def test_art_simba_reaches_targets(attack, cnn, batch):
    x, wanted = batch[0][:5], (batch[1][:5] + 1) % 10
    examples = attack("art", "simba", "l2", 1.0, cnn, x, wanted, steps=200, step=0.5, target="next")
    assert (cnn.predict(examples).argmax(1) == wanted).sum() >= 3


def test_the_simba_step_arrives(attack, linear):
    model, x = linear(torch.ones(2, 16) * torch.tensor([[0.1], [-0.1]])), torch.full((1, 1, 1, 16), 0.5)
    for step in (0.05, 0.2):
        moved = attack("art", "simba", "l2", 1.0, model, x, ZERO, steps=1, step=step) - x
        assert moved.abs().sum().item() == pytest.approx(step)
        assert moved.min().item() == pytest.approx(-step)


@pins("art", ("simba", "l2"))
def test_art_simba_asks_for_both_signs(attack, linear):
    """The first sign helps in half of the directions and would cost one query there."""
    torch.manual_seed(0)
    model, x = linear(torch.randn(2, 64), bias=[12.0, 2.0]), torch.full((1, 1, 1, 64), 0.5)
    costs = [
        spent(model, lambda: attack("art", "simba", "l2", 1.0, model, x, ZERO, steps=n, step=0.01))  # noqa: B023
        for n in (5, 9)
    ]
    assert costs[1] - costs[0] == 8


@pins("art", ("simba", "l2"), caveat=True)
def test_art_simba_stalls_where_the_softmax_is_one(attack, linear, right):
    x = images([0.9, 0.5, 0.5, 0.5])
    for factor, moves in ((1.0, True), (100.0, False)):
        model = linear([[factor, 0, 0, 0], [0, factor, 0, 0]])
        examples = attack("art", "simba", "l2", 1.0, model, x, ZERO, steps=40, step=0.1)
        assert right(model, examples, ZERO).item() != moves
        assert torch.equal(examples, x) != moves


def test_art_simba_has_cosines_for_square_images(attack, linear):
    model, x = linear(torch.zeros(2, 12), image_shape=(1, 3, 4)), torch.full((1, 1, 3, 4), 0.5)
    with pytest.raises(ConfigError, match="cosines for square images only, got 3 × 4"):
        attack("art", "simba", "l2", 1.0, model, x, ZERO, basis="dct", steps=2)


# --- spatial ---


def test_art_spatial_breaks_the_cnn_image_by_image(attack, cnn, batch, right):
    x, y = batch[0][:15], batch[1][:15]
    parameters = {"rotations": 5, "translations": 3, "max_translation": 0.2}
    together = attack("art", "spatial", "spatial", 1.0, cnn, x, y, **parameters)
    alone = torch.cat(
        [attack("art", "spatial", "spatial", 1.0, cnn, x[i : i + 1], y[i : i + 1], **parameters) for i in range(4)]
    )
    assert torch.equal(together[:4], alone), "no image gets the transformation of another"
    assert right(cnn, x, y).sum() >= 13
    assert not right(cnn, together, y).any()


def centroid(image):
    """Row and column of the brightness."""
    rows, columns = torch.meshgrid(*(torch.arange(n, dtype=torch.float32) for n in image.shape[-2:]), indexing="ij")
    return tuple(float((image[0, 0] * each).sum() / image.sum()) for each in (rows, columns))


class Elsewhere(nn.Module):
    """Class 0 where the brightness is within a tenth of a pixel of where it is put, along one axis."""

    def __init__(self, axis, place):
        super().__init__()
        self.axis, self.place = axis, place

    def forward(self, x):
        where = (x.sum((1, 3 - self.axis)) * torch.arange(x.shape[2 + self.axis])).sum(1) / x.sum((1, 2, 3))
        away = (where - self.place).abs() - 0.1
        return torch.stack([-away, away], dim=1)


@pins("art", ("spatial", "spatial"))
def test_art_spatial_takes_channels_for_the_height(attack, wrap, right):
    x = torch.zeros(1, 1, 11, 11)
    x[0, 0, 5, 5] = 1.0
    parameters = {"max_rotation": 0.0, "rotations": 1, "max_translation": 0.2, "translations": 3}
    rows, columns = (wrap(Elsewhere(axis, 5.0), (1, 11, 11)) for axis in (0, 1))
    assert right(rows, x, ZERO)
    assert right(columns, x, ZERO)
    assert right(rows, attack("art", "spatial", "spatial", 1.0, rows, x, ZERO, **parameters), ZERO)
    moved = attack("art", "spatial", "spatial", 1.0, columns, x, ZERO, **parameters)
    assert not right(columns, moved, ZERO)
    assert abs(centroid(moved)[1] - 5) == pytest.approx(2, abs=0.05), "two pixels of eleven"


@pins("art", ("spatial", "spatial"))
def test_art_spatial_ignores_the_label(attack, wrap, right):
    x = torch.zeros(1, 1, 11, 11)
    x[0, 0, 5, 5] = 1.0
    model, wrong_label = wrap(Elsewhere(1, 5.0), (1, 11, 11)), torch.tensor([1])
    assert right(model, attack("art", "spatial", "spatial", 1.0, model, x, wrong_label), wrong_label)


def test_art_spatial_has_no_defaults(libraries, cnn, batch):
    """Its own are one angle of 0 degrees and one shift of 0 pixels."""
    with pytest.raises(ConfigError, match="SpatialTransformation has no defaults of its own"):
        libraries["art"].run(make_spec(FAMILY["spatial"], "spatial", 1.0, defaults=True), cnn, *batch)


# --- pixel ---


@pytest.mark.parametrize("eps", [1.0, 5.0])
def test_art_pixel_changes_as_many_values_as_it_may(eps, attack, cnn, batch, right):
    x, y = batch[0][:6], batch[1][:6]
    examples = attack("art", "pixel", "l0", eps, cnn, x, y, steps=3)
    assert distance(x, examples, "l0").max() <= eps
    assert right(cnn, x, y).all()
    assert right(cnn, examples, y).sum() <= (5 if eps == 1 else 1)


def test_art_pixel_reaches_targets(attack, cnn, batch):
    x, wanted = batch[0][:4], (batch[1][:4] + 1) % 10
    examples = attack("art", "pixel", "l0", 20.0, cnn, x, wanted, steps=5, target="next")
    assert (cnn.predict(examples).argmax(1) == wanted).sum() >= 2


def test_art_pixel_counts_the_values_of_a_color(attack, linear, right):
    """One bright pixel fools this model."""
    weight = torch.tensor([0.0, 1.0, 0.0]).view(3, 1).expand(3, 3 * 36)
    model = linear(weight, bias=[1.2, -53.5, -100.0], image_shape=(3, 6, 6))
    x, y = torch.full((3, 3, 6, 6), 0.5), torch.zeros(3, dtype=torch.int64)
    for eps in (3, 5, 6):
        examples = attack("art", "pixel", "l0", eps, model, x, y, steps=1)
        assert not right(model, examples, y).any()
        assert ((examples - x).abs() > 1e-6).any(1).flatten(1).sum(1).max() == eps // 3
    with pytest.raises(ConfigError, match="a pixel of 3 channels is 3 values"):
        attack("art", "pixel", "l0", 2, model, x, y)


@pins("art", ("pixel", "l0"))
def test_art_pixel_mutates_the_best(attack, linear):
    import inspect

    from art.attacks.evasion.pixel_threshold import differential_evolution

    assert inspect.signature(differential_evolution).parameters["strategy"].default == "best1bin"
    model, x = linear(torch.zeros(3, 36), bias=[9.0, 0.0, 0.0], image_shape=(1, 6, 6)), torch.full((1, 1, 6, 6), 0.5)
    costs = [spent(model, lambda: attack("art", "pixel", "l0", 2, model, x, ZERO, steps=n)) for n in (1, 3)]  # noqa: B023
    assert costs[1] - costs[0] == 2 * (396 + 1), "400 rounded to candidates of six numbers, and one that is judged"


@pins("art", ("pixel", "l0"), caveat=True)
def test_art_pixel_refuses_two_classes(attack, linear):
    model, x = linear(torch.zeros(2, 36), image_shape=(1, 6, 6)), torch.full((1, 1, 6, 6), 0.5)
    with pytest.raises(ValueError, match="not yet been tested for binary classification"):
        attack("art", "pixel", "l0", 1, model, x, ZERO)
