"""foolbox's attacks that see decisions only: where they start, what they find, and where they depart from the paper."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from frontdef.attacks.families import FAMILIES
from frontdef.attacks.spec import make_spec
from frontdef.threat import distance
from tests.attacks.pins import pins

FAMILY = {family.name: family for family in FAMILIES}
ROWS = [("hopskipjump", "l2"), ("hopskipjump", "linf"), ("boundary", "l2")]
GIVEN = {
    "hopskipjump": {"steps": 6, "init_eval": 40, "max_eval": 100},
    "boundary": {"steps": 300, "spherical_step": 0.1, "source_step": 0.1},
}


class Never(nn.Module):
    """Class 0, whatever it sees."""

    def forward(self, x):
        total = 0 * x.flatten(1).sum(1)
        return torch.stack([total + 1, total], dim=1)


@pins("foolbox", *ROWS)
@pytest.mark.parametrize(("family", "norm"), ROWS)
def test_foolbox_raises_where_one_image_has_no_start(family, norm, attack, wrap):
    import foolbox

    model = wrap(Never(), (1, 1, 4))
    x, y = torch.rand(2, 1, 1, 4), torch.tensor([1, 0])  # the first is misclassified as it is
    method = getattr(foolbox.attacks, {"hopskipjump": "HopSkipJumpAttack", "boundary": "BoundaryAttack"}[family])
    with pytest.raises(ValueError, match="init_attack failed for 1"):
        method(steps=1)(model.foolbox_model(), x, y, epsilons=None)
    assert torch.equal(attack("foolbox", family, norm, 1.0, model, x, y, **GIVEN[family]), x)


@pins("foolbox", ("hopskipjump", "l2"))
def test_foolbox_hopskipjump_divides_by_the_norm_of_the_batch():
    import eagerpy
    from foolbox.attacks import HopSkipJumpAttack

    def sizes(copies):
        points = eagerpy.astensor(torch.full((copies, 1, 4, 4), 0.5))
        decide = lambda images: images.flatten(start=1).sum(axis=1) > 8  # noqa: E731
        torch.manual_seed(0)
        estimate = HopSkipJumpAttack().approximate_gradients(decide, points, 50, eagerpy.ones(points, (copies,)) * 0.1)
        return estimate.raw.flatten(1).norm(dim=1)

    assert sizes(1).item() == pytest.approx(1.0, rel=1e-4)
    assert sizes(100).mean().item() == pytest.approx(0.1, rel=0.05)


@pins("foolbox", ("boundary", "l2"))
def test_foolbox_boundary_shares_one_direction():
    import eagerpy
    from foolbox.attacks.boundary_attack import draw_proposals

    x = torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(0)).repeat(5, 1, 1, 1) / 2 + 0.25
    originals, perturbed = eagerpy.astensor(x), eagerpy.astensor(x + 0.1)
    way = originals - perturbed
    norms = way.flatten(start=1).norms.l2(axis=-1)
    ones = eagerpy.ones(originals, (5,)) * 0.1
    _, candidates = draw_proposals(
        (0, 1), originals, perturbed, way, way / norms.reshape((5, 1, 1, 1)), norms, ones, ones
    )
    for candidate in candidates.raw:
        torch.testing.assert_close(candidate, candidates.raw[0])


@pytest.mark.parametrize(("family", "norm"), ROWS)
def test_the_cnn_is_broken_without_gradients(family, norm, attack, cnn, batch, right):
    x, y = batch[0][:12], batch[1][:12]
    standing = right(cnn, x, y)
    cnn.passes.backward = 0
    little, much = (
        attack("foolbox", family, norm, 1.0, cnn, x, y, **{**GIVEN[family], "steps": steps})
        for steps in (1, GIVEN[family]["steps"])
    )
    assert cnn.passes.backward == 0
    wrong = ~right(cnn, much, y)
    assert wrong.float().mean() >= 0.75
    assert torch.equal(much[~standing], x[~standing]), "what is misclassified already is its own closest example"
    both = wrong & standing & ~right(cnn, little, y)
    assert distance(x, much, norm)[both].median() < 0.9 * distance(x, little, norm)[both].median()


ARRIVES = {
    ("hopskipjump", "steps"): "steps",
    ("hopskipjump", "init_eval"): "initial_num_evals",
    ("hopskipjump", "max_eval"): "max_num_evals",
    ("boundary", "steps"): "steps",
    ("boundary", "spherical_step"): "spherical_step",
    ("boundary", "source_step"): "source_step",
}
"""Parameters and the attributes of foolbox's attacks that they become."""


@pytest.mark.parametrize(("family", "parameter"), ARRIVES, ids="-".join)
def test_every_parameter_arrives(family, parameter, monkeypatch, attack, cnn, batch):
    import foolbox

    method = getattr(foolbox.attacks, {"hopskipjump": "HopSkipJumpAttack", "boundary": "BoundaryAttack"}[family])
    seen = []
    monkeypatch.setattr(method, "run", lambda self, *inputs, **_: seen.append(vars(self)) or inputs[1])
    x, y = batch[0][:4], batch[1][:4]
    attack("foolbox", family, "l2", 1.0, cnn, x, y, **{parameter: 3})
    assert seen[0][ARRIVES[family, parameter]] == 3
    if family == "hopskipjump":
        attack("foolbox", family, "linf", 1.0, cnn, x, y)
        assert [attributes["constraint"] for attributes in seen] == ["l2", "linf"]


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_defaults_minimize_the_norm_that_was_asked_for(norm, monkeypatch, libraries, cnn, batch):
    import foolbox

    made = []

    class Recorded(foolbox.attacks.HopSkipJumpAttack):
        def __init__(self, **arguments):
            made.append(arguments)
            super().__init__(**arguments, steps=1)

    monkeypatch.setattr(foolbox.attacks, "HopSkipJumpAttack", Recorded)
    spec = make_spec(FAMILY["hopskipjump"], norm, 1.0, defaults=True)
    libraries["foolbox"].run(spec, cnn, batch[0][:1], batch[1][:1])
    assert made[0].get("constraint", "l2") == norm


# --- rotations and translations ---


def spot(height, width, row, column):
    image = torch.zeros(1, 1, height, width)
    image[0, 0, row, column] = 1
    return image


def place(image):
    """Where the brightness is, in pixels: row, column."""
    weights = image[0, 0] / image[0, 0].sum()
    rows, columns = (torch.arange(size, dtype=torch.float32) for size in weights.shape)
    return float((weights.sum(1) * rows).sum()), float((weights.sum(0) * columns).sum())


@pins("foolbox", ("spatial", "spatial"))
def test_foolbox_spatial_moves_in_relative_coordinates():
    import eagerpy
    from foolbox.attacks.spatial_attack_transformations import rotate_and_shift

    moved = lambda image, **how: place(rotate_and_shift(eagerpy.astensor(image), **how).raw)  # noqa: E731
    square, oblong = spot(5, 5, 2, 2), spot(5, 9, 2, 4)
    assert moved(square, translation=(1.25, 0.0)) == pytest.approx((2, 1), abs=1e-4), "5/4 pixels asked, 1 made"
    assert moved(oblong, translation=(1.25, 0.0)) == pytest.approx((2, 2), abs=1e-4), "the same along 9 pixels: 2"
    row, column = moved(spot(5, 9, 2, 8), rotation=90.0)  # 4 pixels from the middle of a side of 9
    assert (abs(row - 2), column) == pytest.approx((2, 4), abs=1e-4), "2 pixels from the middle of a side of 5"


def test_the_spatial_grid_arrives(attack, wrap):
    """Every candidate is tried on a model that never errs: its own prediction, the grid, the final check."""
    seen = []

    class Recording(Never):
        def forward(self, x):
            seen.append(x.clone())
            return super().forward(x)

    model = wrap(Recording(), (1, 5, 5))
    parameters = {"max_rotation": 0.0, "rotations": 3, "translations": 2, "max_translation": 0.25}
    x, y = spot(5, 5, 2, 2), torch.tensor([0])
    assert torch.equal(attack("foolbox", "spatial", "spatial", 1.0, model, x, y, **parameters), x)
    assert len(seen) == 1 + 3 * 2 * 2 + 1
    places = {tuple(round(value, 3) for value in place(image)) for image in seen[1:-1]}
    assert places == {(1.0, 1.0), (1.0, 3.0), (3.0, 1.0), (3.0, 3.0)}, "a quarter of five pixels, less one part in five"

    seen.clear()
    turned = {**parameters, "max_rotation": 90.0, "max_translation": 0.0}
    attack("foolbox", "spatial", "spatial", 1.0, model, spot(5, 5, 2, 4), y, **turned)
    places = {tuple(round(value, 3) for value in place(image)) for image in seen[1:-1]}
    assert places == {(0.0, 2.0), (2.0, 4.0), (4.0, 2.0)}


def test_turning_and_shifting_fools_the_cnn(attack, cnn, batch, right):
    x, y = batch
    examples = attack("foolbox", "spatial", "spatial", 1.0, cnn, x, y)
    assert right(cnn, examples, y).float().mean() < right(cnn, x, y).float().mean() - 0.4
    still = right(cnn, examples, y)
    assert torch.equal(examples[still], x[still])
