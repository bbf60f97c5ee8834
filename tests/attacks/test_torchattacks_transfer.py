"""torchattacks' transferable family and EOT-PGD: equal to simpler attacks, or to ten lines of the paper."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.attacks.pins import pins

COSTS = {
    "difgsm": ({}, 1),
    "tifgsm": ({"kernel": 5}, 1),
    "nifgsm": ({}, 1),
    "sinifgsm": ({"scales": 3}, 3),
    "vmifgsm": ({"neighbors": 2}, 3),
    "vnifgsm": ({"neighbors": 2}, 3),
    "eotpgd": ({"draws": 3}, 3),
}
"""Parameters, and forward and backward passes a step."""

MOMENTUM = tuple(family for family in COSTS if family != "eotpgd")
MOMENTUM_ROWS = [
    ("difgsm", "linf"),
    ("tifgsm", "linf"),
    ("nifgsm", "linf"),
    ("sinifgsm", "linf"),
    ("vmifgsm", "linf"),
    ("vnifgsm", "linf"),
]

REDUCED = (
    ("eotpgd", {"draws": 3}, "pgd", {}),
    ("difgsm", {"probability": 0.0, "decay": 0.7}, "mifgsm", {"decay": 0.7}),
    ("tifgsm", {"probability": 0.0, "kernel": 1, "decay": 0.7}, "mifgsm", {"decay": 0.7}),
    ("nifgsm", {"decay": 0.0}, "mifgsm", {"decay": 0.0}),
    ("sinifgsm", {"scales": 1, "decay": 0.7}, "nifgsm", {"decay": 0.7}),
    ("vmifgsm", {"beta": 1e-9, "decay": 0.7}, "mifgsm", {"decay": 0.7}),
    ("vnifgsm", {"beta": 1e-9, "decay": 0.0}, "vmifgsm", {"beta": 1e-9, "decay": 0.0}),
)


def run(attack, family, model, x, y, eps=0.1, **parameters):
    return attack("torchattacks", family, "linf", eps, model, x, y, **parameters)


@pytest.mark.parametrize("family", COSTS)
def test_the_model_is_broken(family, attack, cnn, batch, right):
    left = right(cnn, run(attack, family, cnn, *batch, eps=0.15, steps=10, **COSTS[family][0]), batch[1])
    assert left.float().mean() < 0.15


@pytest.mark.parametrize("family", COSTS)
def test_passes(family, attack, cnn, batch):
    x, y = batch[0][:5], batch[1][:5]
    parameters, per_step = COSTS[family]
    cnn.passes.forward = cnn.passes.backward = 0
    run(attack, family, cnn, x, y, steps=4, **parameters)
    assert (cnn.passes.forward, cnn.passes.backward) == (5 * 4 * per_step,) * 2


@pytest.mark.parametrize(("family", "parameters", "simpler", "equal"), REDUCED, ids=[row[0] for row in REDUCED])
def test_without_its_idea_it_is_a_simpler_attack(family, parameters, simpler, equal, attack, cnn, batch):
    first = run(attack, family, cnn, *batch, steps=6, **parameters)
    second = run(attack, simpler, cnn, *batch, steps=6, **equal)
    assert ((first - second).abs().flatten(1).amax(1) <= 1e-4).float().mean() >= 0.95


def momentum_loop(model, x, y, gradient, eps=0.1, steps=5, decay=0.9, relative_step=0.2):
    """The iteration that the momentum attacks share; ``gradient(z, momentum)`` is theirs."""
    z, momentum, step = x.clone(), torch.zeros_like(x), relative_step * eps
    for _ in range(steps):
        slope = gradient(z, decay * step * momentum)
        momentum = decay * momentum + slope / slope.abs().mean(dim=(1, 2, 3), keepdim=True)
        z = (x + (z + step * momentum.sign() - x).clamp(-eps, eps)).clamp(0, 1)
    return z


def loss_gradient(model, z, y):
    z = z.clone().requires_grad_()
    return torch.autograd.grad(F.cross_entropy(model(z), y, reduction="sum"), z)[0]


def nesterov(model, y):
    return lambda z, ahead: loss_gradient(model, z + ahead, y)


def scaled_copies(model, y):
    return lambda z, ahead: sum(loss_gradient(model, (z + ahead) / 2**i, y) / 2**i for i in range(3)) / 3


def smoothed(model, y, side=5, extent=2.0):
    line = torch.exp(-0.5 * torch.linspace(-extent, extent, side) ** 2)
    kernel = torch.outer(line, line) / torch.outer(line, line).sum()

    def gradient(z, _):
        channels = z.shape[1]
        weight = kernel.expand(channels, 1, side, side)
        return F.conv2d(loss_gradient(model, z, y), weight, padding="same", groups=channels)

    return gradient


@pytest.fixture(scope="module")
def color(wrap):
    torch.manual_seed(0)
    model = wrap(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Tanh(), nn.Flatten(), nn.Linear(8 * 36, 5)), (3, 8, 8))
    x = torch.rand(20, 3, 8, 8)
    return model, x, model.predict(x).argmax(1)


@pytest.mark.parametrize("colors", ["gray", "color"])
@pytest.mark.parametrize(
    ("family", "parameters", "gradient"),
    [
        ("nifgsm", {}, nesterov),
        ("sinifgsm", {"scales": 3}, scaled_copies),
        ("tifgsm", {"probability": 0.0, "kernel": 5, "sigma": 2.0}, smoothed),
    ],
    ids=["nifgsm", "sinifgsm", "tifgsm"],
)
def test_the_papers_iteration(family, parameters, gradient, colors, attack, cnn, batch, color):
    model, x, y = (cnn, *batch) if colors == "gray" else color
    examples = run(attack, family, model, x, y, steps=5, decay=0.9, relative_step=0.2, **parameters)
    expected = momentum_loop(model, x, y, gradient(model, y))
    assert ((examples - expected).abs().flatten(1).amax(1) <= 1e-4).float().mean() >= 0.95


@pins("torchattacks", ("vnifgsm", "linf"))
def test_torchattacks_vnifgsm_variance_does_not_vanish_with_the_neighborhood(attack, cnn, batch):
    """Gradients that are all taken at one point have no variance: what is left is NI-FGSM."""
    examples = run(attack, "vnifgsm", cnn, *batch, steps=6, beta=1e-9)
    nesterov_alone = run(attack, "nifgsm", cnn, *batch, steps=6)
    assert ((examples - nesterov_alone).abs().flatten(1).amax(1) > 1e-2).float().mean() > 0.9


@pytest.mark.parametrize("family", ["difgsm", "tifgsm"])
def test_the_resizing_arrives(family, attack, cnn, batch):
    """What the model sees first: the image itself, or a smaller copy between black borders."""

    def first_seen(**parameters):
        seen = []
        hook = cnn.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().clone()))
        run(attack, family, cnn, torch.full((1, 1, 14, 14), 0.5), batch[1][:1], steps=1, **parameters)
        hook.remove()
        return int((seen[0] > 0).any(2).sum())

    assert first_seen(probability=0.0) == 14
    assert {first_seen(probability=1.0, resize_rate=0.5, seed=seed) for seed in range(8)} <= set(range(7, 14))
    assert first_seen(probability=1.0, resize_rate=0.95) == 13


def test_the_kernel_arrives(attack, cnn, batch, right):
    """One as large as the digit blurs the gradient to nothing."""
    left = [
        int(right(cnn, run(attack, "tifgsm", cnn, *batch, eps=0.15, steps=10, kernel=side), batch[1]).sum())
        for side in (5, 15)
    ]
    print("TI-FGSM, ε = 0.15, of 100 digits still classified right with kernels of 5 and 15 pixels:", *left)
    assert left[0] + 20 < left[1]


@pytest.mark.parametrize("family", ["vmifgsm", "vnifgsm"])
def test_the_neighborhood_arrives(family, attack, cnn, batch):
    def spread(beta):
        seen = []
        hook = cnn.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().clone()))
        run(attack, family, cnn, *batch, steps=1, neighbors=1, beta=beta)
        hook.remove()
        return float((seen[1] - seen[0]).abs().max())

    assert spread(0.5) == pytest.approx(0.05, rel=1e-2)
    assert spread(1.5) == pytest.approx(0.15, rel=1e-2)


def test_eotpgd_starts_where_it_is_asked_to(attack, cnn, batch):
    still = {"steps": 1, "relative_step": 1e-6, "draws": 1}
    assert (run(attack, "eotpgd", cnn, *batch, **still) - batch[0]).abs().max() < 1e-5
    assert (run(attack, "eotpgd", cnn, *batch, random_start=True, **still) - batch[0]).abs().max() > 0.09


class Silent(nn.Module):
    """A classifier whose first answers have no gradient."""

    def __init__(self, silent):
        super().__init__()
        self.silent, self.calls = silent, 0

    def forward(self, x):
        self.calls += 1
        score = x.flatten(1).sum(1) * (self.calls > self.silent)
        return torch.stack([2 + 0 * score, score], dim=1)


@pins("torchattacks", *MOMENTUM_ROWS, caveat=True)
@pytest.mark.parametrize("family", MOMENTUM)
def test_torchattacks_momentum_never_recovers_from_a_zero_gradient(family, attack, wrap):
    """Every pass of the first step is silent, and of the variance-tuned ones the first neighborhood."""
    parameters, per_step = COSTS[family]
    model = wrap(Silent(per_step), (1, 2, 2))
    x = torch.tensor([0.2, 0.3, 0.4, 0.5]).view(1, 1, 2, 2)
    examples = run(attack, family, model, x, torch.tensor([0]), steps=5, **parameters)
    assert torch.equal(examples, x)
    model = wrap(Silent(0), (1, 2, 2))
    moved = run(attack, family, model, x, torch.tensor([0]), steps=5, **parameters)
    assert (moved - x).abs().max() > 0.01


@pins("torchattacks", ("difgsm", "linf"), ("tifgsm", "linf"), caveat=True)
@pytest.mark.parametrize("family", ["difgsm", "tifgsm"])
def test_torchattacks_resized_copies_are_square(family, attack, linear):
    model = linear(torch.eye(2, 14 * 10), image_shape=(1, 14, 10))
    x, y = torch.rand(2, 1, 14, 10), torch.tensor([0, 1])
    with pytest.raises(Exception, match="14"):
        run(attack, family, model, x, y, steps=2, probability=1.0)
    run(attack, family, model, x, y, steps=2, probability=0.0)


@pins("torchattacks", ("tifgsm", "linf"), caveat=True)
def test_torchattacks_tifgsm_takes_three_channels(attack, cnn, batch):
    """That the answer is right on gray images nevertheless: `test_the_papers_iteration`."""
    import torchattacks

    with pytest.raises(RuntimeError, match="to have 3 channels"):
        torchattacks.TIFGSM(cnn)(*batch)
    assert run(attack, "tifgsm", cnn, *batch, steps=2).shape == batch[0].shape


def test_eotpgd_averages_over_draws(attack, wrap):
    """A gradient that is right on average only: its sign a draw is a coin that is wrong one time in three."""

    class Noisy(nn.Module):
        def forward(self, x):
            coin = torch.where(torch.rand(x.shape) < 0.4, -1.0, 1.0)
            score = (x + (coin - 1) * (x - x.detach())).flatten(1).mean(1)
            return torch.stack([0.5 + 0 * score, score], dim=1)

    model, x, y = wrap(Noisy(), (1, 10, 10)), torch.full((4, 1, 10, 10), 0.4), torch.zeros(4, dtype=torch.int64)
    rises = [float((run(attack, "eotpgd", model, x, y, steps=5, draws=n) - x).mean()) for n in (1, 50)]
    assert rises[1] > 0.04 > rises[0]
