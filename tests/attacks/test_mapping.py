"""Every row of every table: what is asked for arrives, and nothing but the examples is left behind."""

from __future__ import annotations

import pytest
import torch

from frontdef.attacks.families import FAMILIES
from frontdef.attacks.spec import make_spec
from frontdef.errors import ConfigError
from frontdef.threat import distance

EPS = {"linf": 0.15, "l2": 1.0, "l1": 6.0, "l0": 5.0, "spatial": 1.0}
NOISE = {"linf": 0.5, "l2": 6.0}
"""Large enough for noise to fool the CNN: foolbox returns the clean image where no draw does."""

FEW = {
    "steps": 3,
    "draws": 3,
    "queries": 20,
    "init_eval": 5,
    "max_eval": 10,
    "population": 5,
    "neighbors": 2,
    "rotations": 3,
    "translations": 2,
    "parallel": 16,
    "classes": 2,
}
FAMILY = {family.name: family for family in FAMILIES}


def radius(family: str, norm: str) -> float:
    return (NOISE if family == "noise" else EPS)[norm]


ONLY = {("art", "pixel"): {"population": 400}}
"""Where a library has one value alone."""


def few(library: str, family: str, **parameters):
    """Parameters for a quick run."""
    known = FAMILY[family].parameters.model_fields
    return {
        **{name: value for name, value in FEW.items() if name in known},
        **ONLY.get((library, family), {}),
        **parameters,
    }


@pytest.mark.parametrize("name", ["native", "art", "foolbox", "torchattacks"])
def test_what_is_not_offered_is_refused(name, libraries, cnn, batch):
    library = libraries[name]
    rows = [(family, norm) for family in FAMILIES for norm in family.norms]
    absent = [(family, norm) for family, norm in rows if library.offers(family.name, norm) is None]
    assert 0 < len(absent) < len(rows)
    for family, norm in absent:
        with pytest.raises(ConfigError, match=f"{name} does not offer {family.name} in {norm}"):
            library.run(make_spec(family, norm, 1.0), cnn, *batch)


def test_restarts_need_a_random_start():
    with pytest.raises(ConfigError, match="set random_start=true"):
        make_spec(FAMILY["pgd"], "linf", 0.1, {"restarts": 2})


def test_art_attacks_with_its_torch_implementation(cnn):
    from art.attacks.evasion import ProjectedGradientDescent
    from art.attacks.evasion.projected_gradient_descent.projected_gradient_descent_pytorch import (
        ProjectedGradientDescentPyTorch,
    )

    classifier = cnn.art_classifier()
    assert classifier.all_framework_preprocessing
    assert isinstance(ProjectedGradientDescent(classifier, verbose=False)._attack, ProjectedGradientDescentPyTorch)


def offering(*families: str):
    """All rows of some families, to parametrize with."""
    from frontdef.attacks import art, foolbox, torchattacks
    from frontdef.attacks.native import library as native

    tables = {
        "native": native.TABLE, "art": art.TABLE, "foolbox": foolbox.TABLE, "torchattacks": torchattacks.TABLE,
    }  # fmt: skip
    rows = [(name, *key) for name, table in tables.items() for key in table if key[0] in families]
    absent = set(families) - {family for _, family, _ in rows}
    assert not absent, f"no library offers {absent}: a test of no row would pass"
    return pytest.mark.parametrize("row", rows, ids="-".join)


@offering("pgd", "noise")
def test_another_seed_gives_other_examples(row, attack, cnn, batch):
    library, family, norm = row
    x, y = batch[0][:10], batch[1][:10]
    random = {"random_start": True} if family == "pgd" else {}
    first, second = (
        attack(library, family, norm, radius(family, norm), cnn, x, y, seed=seed, **few(library, family, **random))
        for seed in (1, 2)
    )
    assert not torch.equal(first.nan_to_num(-1.0), second.nan_to_num(-1.0))


def spent(protected, run):
    """Forward and backward passes of a run."""
    protected.passes.forward = protected.passes.backward = 0
    run()
    return protected.passes.forward, protected.passes.backward


@offering("bim", "pgd", "mifgsm")
def test_the_number_of_steps_arrives(row, attack, cnn, batch):
    for steps in (1, 4):
        _, backward = spent(cnn, lambda: attack(*row, EPS[row[2]], cnn, *batch, steps=steps))  # noqa: B023
        assert backward == steps * len(batch[0])


@offering("fgsm", "bim", "pgd", "mifgsm")
def test_the_step_size_arrives(row, attack, linear):
    """One step from the middle of the box on a linear model: exactly as long as it was asked to be."""
    library, family, norm = row
    torch.manual_seed(0)
    model = linear(torch.randn(2, 16), image_shape=(1, 4, 4))
    x = torch.full((5, 1, 4, 4), 0.5)
    y = torch.zeros(5, dtype=torch.int64)
    for relative in (0.25, 0.5):
        parameters = {} if family == "fgsm" else {"steps": 1, "relative_step": relative}
        examples = attack(library, family, norm, 0.2, model, x, y, **parameters)
        expected = 0.2 * (1 if family == "fgsm" else relative)
        torch.testing.assert_close(distance(x, examples, norm), torch.full((5,), expected, dtype=torch.float64))


@offering("pgd")
def test_a_random_start_arrives(row, attack, cnn, digits):
    """A vanishing step leaves the start: many distinct points, almost on the boundary in 196 dimensions."""
    library, _, norm = row
    x, y = torch.full((100, 1, 14, 14), 0.5), digits[1][:100]
    starts = attack(library, "pgd", norm, 0.5, cnn, x, y, steps=1, relative_step=1e-6, random_start=True)
    assert len(starts.unique(dim=0)) == len(x)
    radii = distance(x, starts, norm) / 0.5
    if (library, norm) != ("torchattacks", "l2"):  # its radius is uniform: pinned in test_differences.py
        assert radii.mean() > 0.98


@offering("pgd")
def test_restarts_arrive_and_never_help_the_defender(row, attack, cnn, batch, right):
    library, _, norm = row
    x, y = batch
    standing = right(cnn, x, y)
    x, y = x[standing], y[standing]
    eps = {"linf": 0.03, "l2": 0.2, "l1": 2.0}[norm]

    def run(n, eps=eps):
        parameters = {"steps": 3, "relative_step": 0.4, "random_start": True, "restarts": n}
        return attack(library, "pgd", norm, eps, cnn, x, y, **parameters)

    once, backward_once = run(1), spent(cnn, lambda: run(1))[1]
    often, backward_often = run(4), spent(cnn, lambda: run(4))[1]
    assert backward_once == 3 * len(x)
    assert spent(cnn, lambda: run(4, eps=1e-6))[1] == 4 * 3 * len(x), "where nothing falls, every restart is made"
    assert backward_once < backward_often <= 4 * backward_once
    fell, fell_often = ~right(cnn, once, y), ~right(cnn, often, y)
    assert fell.any()
    assert not (fell & ~fell_often).any(), "a sample that fell in the first run stands after four"


@offering("mifgsm")
def test_decay_arrives(row, attack, cnn, batch):
    """Without memory the momentum method is the basic iterative method."""
    library, _, norm = row
    run = lambda family, **more: attack(library, family, norm, 0.1, cnn, *batch, steps=5, **more)  # noqa: E731
    torch.testing.assert_close(run("mifgsm", decay=0.0), run("bim"), atol=1e-6, rtol=0)
    assert not torch.allclose(run("mifgsm", decay=1.0), run("bim"), atol=1e-3)


@offering("noise")
def test_draws_arrive(row, attack, cnn, batch, right):
    library, _, norm = row
    x, y = batch
    standing = right(cnn, x, y)
    x, y = x[standing], y[standing]
    for draws in (2, 5):
        forward, backward = spent(cnn, lambda: attack(library, "noise", norm, 1e-4, cnn, x, y, draws=draws))  # noqa: B023
        assert backward == 0
        assert forward == (draws + (library == "foolbox")) * len(x)


BOUNDARY = 0.1 * 2**0.5
"""Distance of the image below from the boundary of the model below."""


@pytest.fixture
def tilted(linear):
    """Two classes, an image between them, its label, and no pixel near the box; C&W's smallest constant is 0.2."""
    return (
        linear([[1.0, 0.0], [0.0, 1.0]], bias=[5.0, 5.0]),
        torch.tensor([0.7, 0.5]).view(1, 1, 1, 2),
        torch.tensor([0]),
    )


@offering("deepfool")
def test_overshoot_arrives(row, attack, tilted):
    model, x, y = tilted
    exact = {"l2": BOUNDARY, "linf": 0.1}[row[2]] + (1e-4 if row[0] == "foolbox" else 0)
    for overshoot in (0.02, 0.5):
        length = distance(x, attack(*row, 1.0, model, x, y, overshoot=overshoot), row[2]).item()
        assert length == pytest.approx(exact * (1 + overshoot), rel=1e-4)


@offering("deepfool")
def test_deepfool_steps_arrive(row, attack, cnn, batch):
    after_one, after_five = (attack(*row, 1.0, cnn, *batch, steps=steps) for steps in (1, 5))
    assert (after_one - after_five).abs().max() > 1e-3


@offering("cw")
def test_the_constant_arrives(row, attack, tilted, right):
    model, x, y = tilted
    parameters = {"steps": 100, "lr": 0.01, "binary_search_steps": 1}
    for constant, succeeds in ((0.15, False), (0.3, True)):
        examples = attack(*row, 1.0, model, x, y, initial_const=constant, **parameters)
        failed = bool(right(model, examples, y)) or bool((examples == 0).all())
        assert failed != succeeds


@offering("cw")
def test_the_learning_rate_arrives(row, attack, tilted):
    """The first candidate is lr away in tanh space along Adam's signs, or lr times the gradient in ART."""
    model, x, y = tilted
    moves = []
    for lr in (0.02, 0.1):
        seen = []
        hook = model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().clone()))  # noqa: B023
        attack(*row, 1.0, model, x, y, lr=lr, steps=3)
        hook.remove()
        moved = next(image for image in seen if image.abs().sum() > 0 and (image - x).abs().max() > 1e-4)
        moves.append((torch.atanh(2 * moved - 1) - torch.atanh(2 * x - 1)).abs().max().item())
    assert moves[1] / moves[0] == pytest.approx(5, rel=1e-2)
    if row[0] != "art":
        assert moves == pytest.approx([0.02, 0.1], rel=1e-2)


@offering("cw")
def test_confidence_and_binary_search_arrive(row, attack, libraries, tilted, margins):
    model, x, y = tilted
    if libraries[row[0]].offers(*row[1:]).unsupported:
        pytest.skip("has neither")
    examples = attack(*row, 1.0, model, x, y, confidence=0.1, steps=50, initial_const=3.0)
    assert (examples != 0).any()
    assert margins(model, examples, y).item() >= 0.1 - 1e-5
    once, often = (
        spent(model, lambda: attack(*row, 1.0, model, x, y, steps=5, binary_search_steps=n))[1]  # noqa: B023
        for n in (1, 4)
    )
    assert often >= 3 * once


def test_listing_the_tables_imports_no_library():
    import subprocess
    import sys

    names = ["art", "foolbox", "torchattacks", "native.library"]
    lines = [f"import frontdef.attacks.{name}" for name in names]
    lines.append("import sys; print({'torch', 'art', 'foolbox', 'torchattacks', 'numpy'} & set(sys.modules))")
    process = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "set()"
