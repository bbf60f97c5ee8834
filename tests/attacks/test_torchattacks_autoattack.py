"""torchattacks' APGD, FAB, Square and AutoAttack: what they do, what they cost and where they differ."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from frontdef.attacks.spec import make_spec
from frontdef.errors import ConfigError
from frontdef.threat import distance
from tests.attacks.conftest import protect
from tests.attacks.pins import pins


@pytest.fixture(scope="module")
def large(cnn):
    """The CNN on images of twice the side."""
    return protect(nn.Sequential(nn.AvgPool2d(2), cnn.classifier), (1, 28, 28))


@pytest.fixture(scope="module")
def standing(cnn, batch, right):
    """The first 40 digits that the CNN classifies right."""
    keep = right(cnn, *batch)
    return batch[0][keep][:40], batch[1][keep][:40]


@pytest.fixture(scope="module")
def enlarged(standing):
    return standing[0].repeat_interleave(2, dim=2).repeat_interleave(2, dim=3), standing[1]


def spent(model, run, n):
    model.passes.forward = model.passes.backward = 0
    run()
    return model.passes.forward / n, model.passes.backward / n


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("loss", ["cross-entropy", "dlr"])
def test_apgd_is_as_strong_as_pgd(loss, norm, attack, cnn, standing, right):
    eps = {"linf": 0.03, "l2": 0.25}[norm]
    pgd = right(cnn, attack("native", "pgd", norm, eps, cnn, *standing, steps=20), standing[1]).sum()
    examples = attack("torchattacks", "apgd", norm, eps, cnn, *standing, steps=20, loss=loss)
    assert right(cnn, examples, standing[1]).sum() <= pgd + 1
    assert 0 < pgd < len(standing[0])


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_apgdt_finds_what_apgd_finds(norm, attack, cnn, standing, right):
    eps = {"linf": 0.03, "l2": 0.25}[norm]
    left = [
        int(right(cnn, attack("torchattacks", family, norm, eps, cnn, *standing, steps=10), standing[1]).sum())
        for family in ("apgd", "apgdt")
    ]
    assert left[1] <= left[0]


def test_apgd_parameters_arrive(attack, cnn, standing):
    """Where nothing falls: the clean image and the start are looked at once, every step of every run once."""
    x, y = standing[0][:10], standing[1][:10]
    run = lambda family, **parameters: spent(  # noqa: E731
        cnn, lambda: attack("torchattacks", family, "linf", 1e-6, cnn, x, y, **parameters), len(x)
    )
    assert run("apgd", steps=5) == (7, 6)
    assert run("apgd", steps=5, restarts=3) == (1 + 3 * 6, 3 * 6)
    assert run("apgdt", steps=5, classes=4) == (1 + 4 * 7, 4 * 6)
    assert run("apgdt", steps=5, classes=40, restarts=2) == (1 + 2 * 9 * 7, 2 * 9 * 6)


def test_apgd_rho_arrives(attack, cnn, standing):
    """Seen in the steps, as the examples are the clean images where nothing falls."""
    seen = {}
    for rho in (0.01, 0.99):
        seen[rho] = []
        hook = cnn.register_forward_pre_hook(lambda _, inputs, rho=rho: seen[rho].append(inputs[0].detach().clone()))
        attack("torchattacks", "apgd", "l2", 0.1, cnn, standing[0][:5], standing[1][:5], steps=20, rho=rho)
        hook.remove()
    assert not torch.equal(seen[0.01][-1], seen[0.99][-1])


@pytest.mark.parametrize("family", ["apgd", "square"])
def test_the_seed_is_handed_over(family, attack, cnn, standing):
    """torchattacks would start from seed 0 whatever torch's generator says."""
    parameters = {"apgd": {"steps": 1}, "square": {"queries": 2}}[family]
    first, second = (
        attack("torchattacks", family, "linf", 0.2, cnn, *standing, seed=seed, **parameters) for seed in (1, 2)
    )
    assert not torch.equal(first, second)


def few_classes(linear, classes):
    torch.manual_seed(0)
    model = linear(torch.randn(classes, 784), image_shape=(1, 28, 28))
    x = torch.rand(4, 1, 28, 28)
    return model, x, model.predict(x).argmax(1)


@pins("torchattacks", ("apgdt", "linf"), ("apgdt", "l2"), ("autoattack", "linf"), ("autoattack", "l2"), caveat=True)
@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("family", ["apgdt", "autoattack"])
def test_torchattacks_apgdt_needs_four_classes(family, norm, attack, linear):
    with pytest.raises(IndexError):
        attack("torchattacks", family, norm, 1e-6, *few_classes(linear, 3), steps=2)
    attack("torchattacks", "apgdt", norm, 1e-6, *few_classes(linear, 4), steps=2)


@pins("torchattacks", ("apgdt", "l2"), ("autoattack", "l2"))
def test_torchattacks_apgdt_steps_depend_on_the_first_image(attack, cnn, standing):
    """The same image behind two different ones: alike in ℓ∞, not in ℓ2."""
    import torchattacks

    x, y = standing

    def last_iterate(norm, first):
        method = torchattacks.APGDT(cnn, norm=norm, eps={"Linf": 0.02, "L2": 0.5}[norm], steps=20)
        method.target_class = 2
        pair, labels = torch.stack([x[first], x[5]]), torch.stack([y[first], y[5]])
        torch.manual_seed(0)
        return method.attack_single_run(pair, labels)[0][1]

    moved = {
        norm: max(float((last_iterate(norm, 0) - last_iterate(norm, index)).abs().max()) for index in range(1, 5))
        for norm in ("Linf", "L2")
    }
    assert moved["Linf"] < 1e-4 < 1e-3 < moved["L2"]


@pytest.mark.parametrize("norm", ["Linf", "L2"])
def test_torchattacks_autoattack_runs_ten_steps(norm, cnn):
    """What its defaults are; with matched parameters its parts get the paper's budgets."""
    import torchattacks

    standard = torchattacks.AutoAttack(cnn, norm=norm)._autoattack.attacks
    assert [type(method).__name__ for method in standard] == ["APGD", "APGDT", "FAB", "Square"]
    assert [method.steps for method in standard[:3]] == [10, 10, 10]
    assert standard[3].rescale_schedule
    assert [method.steps for method in torchattacks.AutoAttack(cnn, norm=norm, version="rand")._autoattack.attacks] == [
        10
    ] * 2


def test_autoattack_parameters_arrive(attack, cnn, standing):
    """Where nothing falls: each part's own budget, and a look at the labels before and after it."""
    x, y = standing[0][:3], standing[1][:3]
    run = lambda **parameters: attack("torchattacks", "autoattack", "linf", 1e-6, cnn, x, y, **parameters)  # noqa: E731
    forward, backward = spent(cnn, lambda: run(version="rand", steps=10), len(x))
    assert backward == 2 * 11 * 20
    assert forward == backward + 2 * 2
    forward, backward = spent(cnn, lambda: run(steps=2, queries=30), len(x))
    longer = spent(cnn, lambda: run(steps=3, queries=30), len(x))
    assert spent(cnn, lambda: run(steps=2, queries=50), len(x)) == (forward + 20, backward)
    assert longer[1] == backward + 1 + 9 + 9, "one step more of APGD, and for nine classes of APGDT and of FAB"
    run = lambda: attack("torchattacks", "autoattack", "linf", 0.05, cnn, x, y, steps=2, queries=10)  # noqa: E731
    assert torch.equal(run(), run())


def test_autoattack_is_no_weaker_than_its_parts(attack, cnn, standing, right):
    x, y = standing[0][:12], standing[1][:12]
    eps = 0.04
    parameters = {"steps": 10, "queries": 500}
    whole = right(cnn, attack("torchattacks", "autoattack", "linf", eps, cnn, x, y, **parameters), y)
    part = right(cnn, attack("torchattacks", "apgd", "linf", eps, cnn, x, y, steps=10), y)
    assert not (whole & ~part).any()
    assert not whole.all()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_square_breaks_the_model(norm, attack, large, enlarged, right):
    x, y = enlarged
    eps = {"linf": 0.1, "l2": 3.0}[norm]
    left = [right(large, attack("torchattacks", "square", norm, eps, large, x, y, queries=n), y) for n in (1, 150)]
    assert left[1].float().mean() < 0.3 < left[0].float().mean()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_square_queries_arrive(norm, attack, large, enlarged):
    """Where nothing falls: the budget, and the labels of the clean images and of the examples."""
    x, y = enlarged[0][:5], enlarged[1][:5]
    for queries in (1, 2, 30):
        run = lambda: attack("torchattacks", "square", norm, 1e-6, large, x, y, queries=queries)  # noqa: B023, E731
        assert spent(large, run, len(x)) == (queries + 2, 0)
    run = lambda: attack("torchattacks", "square", norm, 1e-6, large, x, y, queries=10, restarts=3)  # noqa: E731
    assert spent(large, run, len(x)) == (1 + 3 * 11, 0)


def test_square_parameters_arrive(attack, linear):
    """Sides of the squares on a model that nothing improves, so that each query differs from the stripes by its own."""
    model = linear(torch.zeros(2, 196), bias=[1.0, 0.0], image_shape=(1, 14, 14))
    x, y = torch.full((1, 1, 14, 14), 0.5), torch.tensor([0])

    def sides(**parameters):
        seen = []
        hook = model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
        attack("torchattacks", "square", "linf", 0.1, model, x, y, queries=60, **parameters)
        hook.remove()
        return [int((query - seen[1] != 0).any(2).sum()) for query in seen[2:-1]]

    assert len(sides()) == 59
    assert max(sides(p_init=0.05, rescale_schedule=False)[:10]) == 3
    assert 5 <= max(sides(p_init=0.8)[:10]) <= 13
    assert max(sides(p_init=0.8)[30:]) == 1
    assert max(sides(p_init=0.8, rescale_schedule=False)[30:]) > 3


@pins("torchattacks", ("square", "l2"), caveat=True)
def test_torchattacks_square_cannot_tile_some_sides(attack, linear):
    import torchattacks

    crashes = []
    for side in (*range(1, 30), 32):
        model = linear(torch.eye(2, side * side), image_shape=(1, side, side))
        x, y = torch.full((1, 1, side, side), 0.5), torch.tensor([0])
        try:
            torchattacks.Square(model, norm="L2", eps=1e-3, n_queries=1)(x, y)
        except (RuntimeError, ZeroDivisionError):
            crashes.append(side)
            with pytest.raises(ConfigError, match=f"{side} × {side} pixels"):
                attack("torchattacks", "square", "l2", 1e-3, model, x, y, queries=1)
        else:
            attack("torchattacks", "square", "l2", 1e-3, model, x, y, queries=1)
    assert crashes == [1, 2, 3, 4, 12, 14, 18, 19, 24]


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_torchattacks_fab_makes_no_final_search(norm, attack, linear, right):
    """A point of the segment back to the image, nearer by the overshoot, is misclassified as well."""
    model = linear([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
    x, y = torch.tensor([0.7, 0.5, 0.5, 0.5]).view(1, 1, 1, 4), torch.tensor([0])
    exact = {"linf": 0.1, "l2": 0.1 * 2**0.5}[norm]
    examples = attack("torchattacks", "fab", norm, 1.0, model, x, y, steps=20)
    far = distance(x, examples, norm).item()
    assert not right(model, examples, y)
    assert 1.002 * exact < far < 1.06 * exact
    nearer = x + (examples - x) * (1.001 * exact / far)
    assert not right(model, nearer, y)


def test_torchattacks_fab_cannot_run_in_l1(cnn, standing):
    """Not offered: ``FAB.perturb`` measures the result in ℓ∞ and ℓ2 only."""
    import torchattacks

    with pytest.raises(UnboundLocalError):
        torchattacks.FAB(cnn, norm="L1", eps=10.0, steps=2)(*standing)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_fab_parameters_arrive(norm, attack, cnn, standing):
    x, y = standing[0][:8], standing[1][:8]
    eps = {"linf": 1.0, "l2": 1e6}[norm]
    run = lambda **parameters: attack("torchattacks", "fab", norm, eps, cnn, x, y, **{"steps": 5, **parameters})  # noqa: E731
    reference = run()
    assert spent(cnn, lambda: run(steps=4), len(x)) == (3 + 4 * 2, 4 * 10)
    for changed in ({"alpha_max": 0.5}, {"eta": 1.3}, {"beta": 0.5}):
        assert not torch.equal(run(**changed), reference)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_fab_is_near_the_closest_that_pgd_finds(norm, attack, cnn, standing, right):
    x, y = standing
    examples = attack("torchattacks", "fab", norm, {"linf": 1.0, "l2": 1e6}[norm], cnn, x, y, steps=20)
    assert not right(cnn, examples, y).any()
    radius = float(distance(x, examples, norm).median())
    left = right(cnn, attack("native", "pgd", norm, radius, cnn, x, y, steps=40), y).double().mean()
    assert 0.4 <= left <= 0.6


def test_targets_are_refused(libraries, cnn, standing):
    from frontdef.attacks.families import FAMILIES

    apgd = next(family for family in FAMILIES if family.name == "apgd")
    with pytest.raises(ConfigError, match="APGD has target='none' only"):
        libraries["torchattacks"].run(make_spec(apgd, "linf", 0.1, {"target": "next"}), cnn, *standing)
