"""Bounds of classifiers: worked out by hand, tight where they should be, and sound for what float32 computes."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from frontdef import bounds
from frontdef.classifiers.network import Network
from frontdef.errors import ConfigError
from frontdef.registry import get_classifier, get_dataset

CLOSE = {"rtol": 0, "atol": 1e-5}


def linear(weight, bias=None):
    weight = torch.tensor(weight)
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    layer.weight.data = weight
    if bias is not None:
        layer.bias.data = torch.tensor(bias)
    return layer


def inside(value, box):
    return bool(((box.low <= value) & (value <= box.high)).all())


def everything():
    """A network with every module that has a rule, in eval mode, its batch statistics not trivial."""
    torch.manual_seed(3)
    network = nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1, stride=2, groups=2),
        nn.BatchNorm2d(6),
        nn.ReLU(inplace=True),
        nn.Dropout2d(0.5),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.Conv2d(6, 8, 2, bias=False),
        nn.BatchNorm2d(8, affine=False),
        nn.LeakyReLU(0.1),
        nn.AvgPool2d(2, stride=1, padding=1),
        nn.Sequential(nn.Identity(), nn.AdaptiveAvgPool2d(2)),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(32, 16),
        nn.BatchNorm1d(16),
        nn.LeakyReLU(0.2),
        nn.Linear(16, 5, bias=False),
    )
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.3, 3)
            if module.affine:
                nn.init.normal_(module.weight)  # of both signs
                nn.init.normal_(module.bias)
    return Network("everything", network, (2, 9, 9), 5, mean=[0.3, -0.2], std=[0.5, 2.0]).eval().requires_grad_(False)


def test_a_linear_layer_by_hand():
    box = bounds.propagate(linear([[1.0, -2.0]], [3.0]), torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 2.0]]))
    torch.testing.assert_close(box.low, torch.tensor([[-1.0]]).double(), **CLOSE)
    torch.testing.assert_close(box.high, torch.tensor([[2.0]]).double(), **CLOSE)
    assert box.low < -1  # outward
    assert box.high > 2


def test_a_small_network_by_hand():
    """a = x₁ − x₂ in [−2, 1], relu(a) in [0, 1]; b = −x₁ in [−1, 1], leaky (slope ½) in [−½, 1]; the sum in [−½, 2]."""
    low, high = torch.tensor([[-1.0, 0.0]]), torch.tensor([[1.0, 1.0]])
    first = bounds.propagate(nn.Sequential(linear([[1.0, -1.0]]), nn.ReLU()), low, high)
    second = bounds.propagate(nn.Sequential(linear([[-1.0, 0.0]]), nn.LeakyReLU(0.5)), low, high)
    ends = [first.low.item(), first.high.item(), second.low.item(), second.high.item()]
    assert ends == pytest.approx([0, 1, -0.5, 1], abs=1e-5)


def test_a_convolution_by_hand():
    """Row (1, −1) over a padded row of pixels in [0,1], [2,3]: 0−a, a−b, b−0."""
    layer = nn.Conv2d(1, 1, (1, 2), padding=(0, 1), bias=False)
    layer.weight.data = torch.tensor([[[[1.0, -1.0]]]])
    box = bounds.propagate(layer, torch.tensor([[[[0.0, 2.0]]]]), torch.tensor([[[[1.0, 3.0]]]]))
    torch.testing.assert_close(box.low.flatten(), torch.tensor([-1.0, -3.0, 2.0]).double(), **CLOSE)
    torch.testing.assert_close(box.high.flatten(), torch.tensor([0.0, -1.0, 3.0]).double(), **CLOSE)


def test_normalization_and_pooling_by_hand():
    network = Network("net", nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Identity()), (1, 2, 2), 2, 0.5, 0.25)
    low = torch.tensor([[[[0.0, 0.5], [0.5, 1.0]]]])
    box = bounds.propagate(network, low, low + 0.25)
    assert [box.low.item(), box.high.item()] == pytest.approx([0, 1], abs=1e-5)
    box = bounds.propagate(nn.MaxPool2d(2), low, low + 0.25)
    assert [box.low.item(), box.high.item()] == [1, 1.25]


def test_batch_normalization_by_hand():
    """(x − 1)/√(3.99 + 0.01)·(−2) + 5 for x in [0, 4] is 6 … 2."""
    layer = nn.BatchNorm2d(1, eps=0.01).eval()
    layer.running_mean.fill_(1)
    layer.running_var.fill_(3.99)
    layer.weight.data.fill_(-2)
    layer.bias.data.fill_(5)
    box = bounds.propagate(layer, torch.zeros(1, 1, 1, 1), torch.full((1, 1, 1, 1), 4.0))
    assert [box.low.item(), box.high.item()] == pytest.approx([2, 6], abs=1e-4)


@pytest.mark.parametrize("layer", [nn.Linear(4, 3), nn.Conv2d(1, 2, 2)], ids=["linear", "convolution"])
def test_bounds_of_an_affine_layer_are_attained(layer):
    torch.manual_seed(0)
    shape = (4,) if isinstance(layer, nn.Linear) else (1, 2, 2)
    low = torch.randn(3, *shape)
    high = low + torch.rand(3, *shape)
    box = bounds.propagate(layer, low, high)
    corners = torch.tensor(list(itertools.product([0.0, 1.0], repeat=4))).view(16, 1, *shape)
    with torch.no_grad():
        outputs = layer((low + corners * (high - low)).flatten(0, 1)).unflatten(0, (16, 3))
    torch.testing.assert_close(outputs.amin(0).double(), box.low, **CLOSE)
    torch.testing.assert_close(outputs.amax(0).double(), box.high, **CLOSE)


@pytest.mark.parametrize("width", [0.0, 1e-6, 0.05, 1.0])
def test_no_output_leaves_the_bounds(width):
    network = everything()
    generator = torch.Generator().manual_seed(1)
    low = torch.rand(20, 2, 9, 9, generator=generator)
    high = low + width * torch.rand(low.shape, generator=generator)
    box = bounds.propagate(network, low, high)
    assert width == 0 or (box.high > box.low).all()
    for draw in range(60):
        part = torch.rand(low.shape, generator=generator)
        part = part.round() if draw % 2 else part  # corners as well
        x = torch.minimum(torch.maximum(low + part * (high - low), low), high)
        output = network(x)
        assert inside(output, box)
        assert inside(torch.cat([network(x[:1]), network(x[1:3]), network(x[3:])]), box)  # other batches, other sums


def test_every_order_of_summation_stays_within_the_bounds_of_a_point():
    """A sum of 4096 products that nearly cancel, in many orders: float32 gives many results, all of them bounded."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 4096, generator=generator)
    layer = nn.Linear(4096, 1, bias=False).requires_grad_(False)
    layer.weight.copy_(torch.randn(1, 4096, generator=generator))
    box = bounds.propagate(layer, x, x)
    results = []
    for _ in range(200):
        order = torch.randperm(4096, generator=generator)
        products = x[0, order] * layer.weight[0, order]
        results += [products.sum().item(), products.numpy().cumsum()[-1].item()]
    sums = torch.tensor(results, dtype=torch.float64)
    assert len(sums.unique()) > 20
    assert inside(sums, box)
    exact = (x.double() * layer.weight.double()).sum()
    assert (sums - exact).abs().max() > 1e-7, "the rounding is too small to test anything"
    assert (box.high - box.low) < 0.1 * exact.abs() + 4, "and the bounds are not idle"


@pytest.mark.parametrize("name", ["small-cnn", "cnn4", "fc2"])
def test_the_built_in_classifiers_are_supported(name):
    classifier = get_classifier(name).build((1, 14, 14), 10, mean=0.2, std=0.7, seed=0).eval()
    x = torch.rand(4, 1, 14, 14, generator=torch.Generator().manual_seed(0))
    assert bounds.supports(classifier)
    box = bounds.propagate(classifier, x, x)
    with torch.no_grad():
        logits = classifier(x)
    assert inside(logits, box)


def test_rounding_costs_a_trained_classifier_no_certified_point():
    """Worst-case rounding through four layers is far below the margins that training leaves."""
    digits = get_dataset("digits").load("train").take(600, 0)
    images = nn.functional.avg_pool2d(digits.images, 2)
    classifier = get_classifier("small-cnn").build((1, 14, 14), 10, mean=0.3, std=0.4, seed=0)
    optimizer = torch.optim.Adam(classifier.parameters(), 2e-3)
    for rows in torch.arange(600).repeat(4).split(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(classifier(images[rows]), digits.labels[rows]).backward()
        optimizer.step()
    x, labels = images[:200], digits.labels[:200]
    with torch.no_grad():
        right = classifier.eval()(x).argmax(1) == labels
    proved = bounds.certified(classifier, x, x, labels)
    assert right.sum() > 150
    assert not (proved & ~right).any()
    assert (proved & right).sum() >= 0.98 * right.sum()


def test_the_last_layer_is_folded_into_differences():
    """Logits h + 1 and h for h in [0, 10]: the intervals overlap, the difference is 1 everywhere."""
    network = nn.Sequential(nn.Identity(), linear([[1.0], [1.0]], [1.0, 0.0]), nn.Dropout(0.5).eval())
    low, high = torch.tensor([[0.0]]), torch.tensor([[10.0]])
    box = bounds.propagate(network, low, high)
    assert (box.low[0, 0] - box.high[0, 1]).item() == pytest.approx(-9, abs=1e-4)
    assert bounds.margins(network, low, high, torch.tensor([0])).item() == pytest.approx(1, abs=1e-4)
    assert bounds.certified(network, low, high, torch.tensor([0])).tolist() == [True]
    assert bounds.margins(network, low, high, torch.tensor([1])).item() == pytest.approx(-1, abs=1e-4)
    assert bounds.certified(network, low, high, torch.tensor([1])).tolist() == [False]


def test_margins_of_a_linear_classifier_are_exact():
    torch.manual_seed(1)
    layer = nn.Linear(5, 4)
    low = torch.randn(6, 5)
    high = low + torch.rand(6, 5)
    labels = torch.tensor([0, 3, 1, 1, 2, 0])
    corners = torch.tensor(list(itertools.product([0.0, 1.0], repeat=5)))[:, None]
    with torch.no_grad():
        logits = layer(low + corners * (high - low))  # (32,6,4)
    own = logits.gather(2, labels.expand(32, 6)[..., None])
    others = logits.scatter(2, labels.expand(32, 6)[..., None], -torch.inf).amax(2, keepdim=True)
    expected = (own - others).squeeze(2).amin(0)
    torch.testing.assert_close(bounds.margins(layer, low, high, labels), expected.double(), **CLOSE)


def test_without_a_last_linear_layer_margins_are_those_of_the_intervals():
    network = nn.Sequential(linear([[1.0], [1.0]], [3.0, 0.0]), nn.ReLU())
    low, high = torch.tensor([[0.0]]), torch.tensor([[1.0]])
    assert bounds.margins(network, low, high, torch.tensor([0])).item() == pytest.approx(2, abs=1e-4)


def test_the_rounding_of_the_last_layer_counts():
    """Two logits that are exactly equal, summed in two orders: float32 makes either the larger one."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(50, 4096, generator=generator)
    layer = nn.Linear(4096, 2, bias=False).requires_grad_(False)
    layer.weight.copy_(torch.randn(1, 4096, generator=generator).expand(2, 4096))
    products = (x * layer.weight[0]).numpy()
    # numpy accumulates in float32, one after the other; torch's cumsum does not.
    difference = torch.from_numpy(products.cumsum(1)[:, -1] - products[:, ::-1].cumsum(1)[:, -1])
    assert (difference != 0).any()
    margins = bounds.margins(layer, x, x, torch.zeros(50, dtype=torch.int64))
    assert (margins <= -difference.abs()).all()


def test_equal_logits_are_not_certified():
    layer = linear([[1.0], [1.0]], [0.0, 0.0])
    x = torch.tensor([[2.0]])
    assert not bounds.certified(layer, x, x, torch.tensor([0])).item()


def test_certified_samples_withstand_gradient_ascent():
    network = everything()
    generator = torch.Generator().manual_seed(5)
    low = torch.rand(200, 2, 9, 9, generator=generator)
    labels = network(low + 2e-3).argmax(1)
    high = low + 4e-3
    proved = bounds.certified(network, low, high, labels)
    assert 20 < proved.sum() < 200
    x = (low + high) / 2
    for _ in range(20):
        x.requires_grad_()
        logits = network(x)
        own = logits.gather(1, labels[:, None])
        rival = logits.scatter(1, labels[:, None], -torch.inf).amax(1, keepdim=True)
        (gradient,) = torch.autograd.grad((rival - own).sum(), x)
        x = torch.minimum(torch.maximum(x.detach() + 1e-3 * gradient.sign(), low), high)
        assert (network(x).argmax(1) == labels)[proved].all()


def test_what_is_not_known_is_named():
    with pytest.raises(ConfigError, match=r"no rule bounds the output of torch\.nn.*Softmax.*Known: .*Conv2d"):
        bounds.propagate(nn.Sequential(nn.Flatten(), nn.Softmax(1)), torch.zeros(1, 2), torch.ones(1, 2))
    assert not bounds.supports(nn.Softmax(1))


def test_a_subclass_counts_where_it_computes_the_same():
    class Named(nn.Linear):
        pass

    class Doubled(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    assert bounds.supports(nn.Sequential(Named(2, 2)))
    assert not bounds.supports(nn.Sequential(Doubled(2, 2)))


def test_a_plugin_adds_a_rule():
    class Negative(nn.Module):
        def forward(self, x):
            return -x

    @bounds.rule(Negative)
    def negative(module, box):
        return bounds.Box(-box.high, -box.low)

    try:
        box = bounds.propagate(nn.Sequential(Negative(), nn.ReLU()), torch.tensor([-2.0]), torch.tensor([1.0]))
    finally:
        del bounds.RULES[Negative]
    assert (box.low.item(), box.high.item()) == (0, 2)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Dropout(0.5), "eval mode"),
        (nn.BatchNorm2d(1), "running statistics"),
        (nn.BatchNorm2d(1, track_running_stats=False).eval(), "running statistics"),
        (nn.Conv2d(1, 1, 1, padding_mode="reflect"), "padding_mode='zeros'"),
        (nn.LeakyReLU(-0.1), "slope of at least 0"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_can_not_be_bounded_is_refused(module, message):
    with pytest.raises(ConfigError, match=message):
        bounds.propagate(module, torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2))


@pytest.mark.parametrize("low", [2.0, float("nan"), -float("inf")])
def test_bounds_out_of_order_or_not_finite_are_refused(low):
    with pytest.raises(ConfigError, match="never exceeds"):
        bounds.propagate(nn.ReLU(), torch.tensor([[low]]), torch.tensor([[1.0]]))
