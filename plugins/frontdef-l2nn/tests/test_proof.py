"""The proof of a whole network: no pair of images, found by chance or sought, is carried further apart."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from frontdef_l2nn.certificate import prove
from frontdef_l2nn.flow import Flow, LayerBound
from frontdef_l2nn.head import head

from frontdef import Protected


def widest_ratio(network, x, steps=60):
    """Largest ratio of distances that gradient ascent over pairs finds, in float64, images in [0,1]."""
    generator = torch.Generator().manual_seed(0)
    pair = torch.stack([x, (x + 0.1 * torch.randn(x.shape, generator=generator, dtype=x.dtype)).clamp(0, 1)])
    pair.requires_grad_()
    optimizer = torch.optim.Adam([pair], lr=0.02)
    best = 0.0
    for _ in range(steps):
        apart = (network(pair[0]) - network(pair[1])).flatten(1).norm(dim=1)
        ratio = apart / (pair[0] - pair[1]).flatten(1).norm(dim=1)
        best = max(best, float(ratio.detach().max()))
        optimizer.zero_grad()
        (-ratio.sum()).backward()
        optimizer.step()
        with torch.no_grad():
            pair.clamp_(0, 1)
    return best


NETWORKS = [
    {},
    {"divide_before_convolution": False},
    {"constraint": "divide"},
    {"network": "resnet", "widths": (2, 3), "blocks": 2},
    {"network": "resnet", "widths": (2, 3), "blocks": 1, "constraint": "divide"},
    {"pool": 3, "pool_stride": 2},
]


@pytest.mark.parametrize("config", NETWORKS, ids=str)
def test_no_pair_is_carried_further_apart(make, images, config):
    """Weights four times as large as at the start, so that the bound is not slack because the network is dead."""
    front_end = make((2, 12, 12), **config)
    with torch.no_grad():
        for name, parameter in front_end.body.named_parameters():
            parameter.mul_(4 if name.endswith("weight") else 1)
    bound = front_end.flow().lipschitz
    network = copy.deepcopy(front_end.body).double()
    x = images(4, 2, 12, 12, dtype=torch.float64)
    ratio = widest_ratio(network, x, steps=15)
    matrices = [torch.autograd.functional.jacobian(network, image[None]).view(48, -1) for image in x[:2]]
    local = max(float(torch.linalg.matrix_norm(matrix, 2)) for matrix in matrices)
    assert max(ratio, local) <= bound
    assert max(ratio, local) > 0.003 * bound, "the network is dead"


def test_no_pair_of_the_trained_network_is(trained):
    parts = trained.protected.front_end.body, trained.protected.classifier
    network = copy.deepcopy(torch.nn.Sequential(*parts)).double()
    assert 0.2 * trained.proof.bound < widest_ratio(network, trained.x[:4].double(), steps=40) <= trained.proof.bound


def test_layers_multiply_to_the_product(trained, make):
    proof = trained.proof
    assert math.prod(layer.bound for layer in proof.layers) == pytest.approx(proof.bound)
    assert [layer.kind for layer in proof.layers] == [
        *("convolution 5x5", "two-sided ReLU", "norm pooling") * 2,
        *("linear", "two-sided ReLU", "linear"),
    ]
    flow = make((1, 12, 12), network="resnet", widths=(2, 3), blocks=2).flow()
    outside = [layer for layer in flow.layers if not layer.inside]
    assert math.prod(layer.bound for layer in outside) == pytest.approx(flow.lipschitz)
    assert sum(layer.kind == "residual block" for layer in outside) == 4
    assert sum(layer.kind.startswith("convolution") for layer in flow.layers) == 2 + 4 * 2


@pytest.mark.slow
def test_division_makes_every_layer_nonexpansive(divided):
    assert all(layer.bound <= 1 + 1e-4 for layer in divided.proof.layers)
    assert (divided.logits.argmax(1) == divided.y).double().mean() > 0.5


def test_training_works_and_leaves_little_to_the_penalty(trained):
    assert (trained.logits.argmax(1) == trained.y).double().mean() > 0.6
    assert trained.proof.bound < 4


@pytest.mark.parametrize("config", NETWORKS, ids=str)
def test_float32_stays_within_its_errors(make, images, config):
    """On random images, bright ones, and one chosen for large errors by its norm."""
    front_end = make((2, 12, 12), **config)
    torch.manual_seed(1)
    protected = Protected(front_end, head((48,), 10), image_shape=(2, 12, 12))
    front_end.mark_trained()
    proof = prove(protected)
    x = torch.cat([images(32, 2, 12, 12), torch.ones(1, 2, 12, 12), torch.zeros(1, 2, 12, 12)])
    exact = proof.exact(x.double())
    off = (protected(x).double() - exact).abs()
    norms = x.double().flatten(1).norm(dim=1, keepdim=True)
    rows = protected.classifier.weight.double().norm(dim=1)
    body, reach = (norms * line[0] + line[1] for line in (proof.body.error, proof.body.reach))
    assert (off <= rows * body + norms * proof.rounding[:, 0] + proof.rounding[:, 1]).all()
    assert off.max() > 0
    vectors = proof.exact[0](x.double())
    assert (vectors.norm(dim=1, keepdim=True) <= reach).all()
    assert ((front_end(x).double() - vectors).norm(dim=1, keepdim=True) <= body).all()


def test_errors_by_hand():
    """A layer of gain 2 over 5 products, |W| ≤ 3, ‖b‖ = 1, after a layer that rounds nothing: γ_8·(3·‖x‖ + 1).

    Then pooling with 4 roundings: γ_4 of the computed norm, at most (2‖x‖ + 1) + γ_8·(3‖x‖ + 1). Here u = 0.01.
    """
    flow = Flow.of_images(0.01).affine(LayerBound("a", "linear", 2.0), absolute=3.0, offset=1.0, terms=5)
    g8, g4 = 0.08 / 0.92, 0.04 / 0.96
    torch.testing.assert_close(flow.reach.tolist(), [2.0, 1.0])
    torch.testing.assert_close(flow.error.tolist(), [3 * g8, g8])
    pooled = flow.homogeneous(LayerBound("b", "norm pooling", 1.0), terms=4)
    torch.testing.assert_close(pooled.error.tolist(), [3 * g8 + g4 * (2 + 3 * g8), g8 + g4 * (1 + g8)])
    assert pooled.lipschitz == 2


def test_a_residual_flow_by_hand():
    """Half of a branch of gain 3 with offset 2, and 0.8 of the shortcut: gain 2.3, reach 2.3‖x‖ + 1."""
    before = Flow.of_images(0.01)
    branch = before.affine(LayerBound("a.branch", "linear", 3.0), absolute=3.0, offset=2.0, terms=1)
    flow = before.residual(branch, "a", -0.5, 0.8)
    assert flow.lipschitz == pytest.approx(2.3)
    torch.testing.assert_close(flow.reach.tolist(), [2.3, 1.0])
    g4, g12 = 0.04 / 0.96, 0.12 / 0.88
    assert flow.error[0].item() == pytest.approx(0.5 * 3 * g4 + g12 * (2.3 + 1.5 * g4))
    assert [(layer.name, layer.inside) for layer in flow.layers] == [("a.branch", True), ("a", False)]
    nested = before.residual(flow, "b", 1.0, 1.0)
    assert nested.lipschitz == pytest.approx(3.3)


def test_nothing_is_known_near_overflow():
    huge = LayerBound("a", "linear", 1e13)
    flow = Flow.of_images().affine(huge, absolute=1e13, offset=0.0, terms=1)
    assert flow.error[1] == math.inf
    assert flow.homogeneous(LayerBound("b", "two-sided ReLU", 1.0), terms=0).error[1] == math.inf
