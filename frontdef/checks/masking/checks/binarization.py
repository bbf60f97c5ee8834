"""The binarization test: can the attack find an adversarial example that is known to exist?

Zimmermann et al. 2022 (NeurIPS, openreview NkK4i91VWp). Of each sample the features of points inside the ball and of
one point on its surface are computed, and a linear readout is fitted that tells them apart. With this readout the
surface point is an adversarial example of the sample, and any attack worth its name must find one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from frontdef.attacks.native.geometry import PROJECTIONS, random_perturbation
from frontdef.attacks.native.pgd import pgd
from frontdef.checks.kit import not_applicable
from frontdef.checks.masking.evidence import STRIDE, Evidence
from frontdef.checks.masking.questions import Answer, Shares, asks
from frontdef.checks.masking.statistics import share
from frontdef.checks.masking.wrappers import Answering, Recorder
from frontdef.threat import ThreatModel, distance

GAP = 0.95
"""Radius of the inner points over ε (1 minus their ``relative_inner_boundary_gap``)."""

PASS = 0.95
"""Success rate that an attack needs."""

RANDOM = 50
"""Draws by which the hardness of the task is judged."""

ITERATIONS = 300


class Readout(nn.Module):
    """A binary classifier of each sample's own: the model's features under a linear readout.

    Args:
        features: ``(N,D)`` of images.
        weight: ``(N,D)``, one row a sample.
        bias: ``(N,)``.
    """

    def __init__(self, features: nn.Module, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.features = features
        self.weight, self.bias = weight, bias

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(N,2)``: of the inner points and of the surface."""
        score = (self.features(x) * self.weight).sum(dim=1) + self.bias
        return torch.stack([-score, score], dim=1)


class Features(nn.Module):
    """What the last linear layer of a model reads, ``(N,D)``.

    Args:
        model: The model.
        last: Its last linear layer.
    """

    def __init__(self, model: nn.Module, last: nn.Linear) -> None:
        super().__init__()
        self.model = model
        self.last = last

    def forward(self, x: Tensor) -> Tensor:
        """Run the model and keep what its last layer reads."""
        kept: list[Tensor] = []
        handle = self.last.register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0]))
        try:
            self.model(x)
        finally:
            handle.remove()
        return kept[-1].flatten(1)


@dataclass(frozen=True)
class ReadoutResults:
    """Of each readout that tells its points apart: whether the attack and random draws broke it, bool ``(M,)``."""

    fitted: Tensor
    attacked: Tensor
    random: Tensor


@asks("binarization test", strength="hint", reference="Zimmermann et al. 2022 (NeurIPS, openreview NkK4i91VWp)")
def binarization_test(evidence: Evidence) -> Answer:
    """The attack misses adversarial examples that were planted in a copy of the model."""
    last = [module for module in evidence.model.classifier.modules() if isinstance(module, nn.Linear)][-1:]
    if not last or evidence.randomized:
        return not_applicable("randomized: features vary" if last else "no linear layer to replace")
    if evidence.white_box.error:
        return not_applicable("there is no gradient at all")
    features = Features(Answering(evidence.model), last[0])
    readouts = evidence.once("binarized copies", lambda: _binarize(evidence, features))
    n, tried = len(readouts.attacked), len(readouts.fitted)
    if 2 * n < tried:
        return not_applicable(f"only {n} of {tried} readouts tell their points apart")
    after = f" planted examples (random draws: {share(readouts.random):.0%})"
    return Shares(readouts.attacked, "finds", limit=PASS, most=False, after=after)


def _binarize(evidence: Evidence, features: Features) -> ReadoutResults:
    x, threat, budget = evidence.x[: evidence.budget.binarized], evidence.threat, evidence.budget
    points = torch.stack([planted(image[None], threat, budget.inner) for image in x])
    with torch.no_grad():
        seen = torch.stack([features(each) for each in points])
    weight, bias, fitted = separate(seen)
    x, model = x[fitted], Readout(features, weight[fitted], bias[fitted])
    inside = torch.zeros(len(x), dtype=torch.long, device=x.device)
    if not len(x):
        return ReadoutResults(fitted, inside.bool(), inside.bool())
    # The whole batch in every call, because each sample has a readout of its own.
    recorder = Recorder(model, inside)
    step_size = threat.eps * STRIDE / budget.steps
    last = pgd(recorder, x, inside, threat=threat, steps=budget.steps, step_size=step_size, mode="matched")
    broken = inside.bool()
    with torch.no_grad():
        recorder(last)
        for _ in range(RANDOM):
            broken = broken | (model(random_perturbation(x, threat.norm, threat.eps)).argmax(dim=1) == 1)
        finite = recorder.best.flatten(1).isfinite().all(dim=1)
        attacked = finite & (model(recorder.best.nan_to_num()).argmax(dim=1) == 1)
    return ReadoutResults(fitted, attacked, broken)


def planted(image: Tensor, threat: ThreatModel, inner: int) -> Tensor:
    """The points of one sample: itself, inner points, and last one at a distance of ε.

    Args:
        image: ``(1,C,H,W)`` in [0,1].
        threat: The ball.
        inner: Inner points.

    Returns:
        ``(inner+2,C,H,W)`` in [0,1].
    """
    many = image.expand(inner, -1, -1, -1)
    surface = random_perturbation(image, threat.norm, threat.eps)
    for _ in range(10):
        # Cutting off at the box shortens the perturbation, and stretching it leaves the box: a few rounds settle it.
        delta = (surface - image).flatten(1)
        stretch = (threat.eps / distance(image, surface, threat.norm).clamp_min(1e-12)).to(delta.dtype)
        delta = PROJECTIONS[threat.norm](delta * stretch[:, None], threat.eps)
        surface = (image + delta.view_as(image)).clamp(0, 1)
    return torch.cat([image, random_perturbation(many, threat.norm, GAP * threat.eps), surface])


def separate(features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Fit a logistic regression, without a penalty, that tells the last point of each sample from the others.

    Args:
        features: ``(N,P,D)``.

    Returns:
        Weights ``(N,D)`` and biases ``(N,)``, scaled so that the logits span a range of 1, and which of them tell all
        points apart, bool ``(N,)``.
    """
    data = features.double()
    center = data.mean(dim=1, keepdim=True)
    spread = (data - center).square().mean(dim=(1, 2), keepdim=True).sqrt().clamp_min(1e-12)
    scaled = (data - center) / spread
    side = torch.full(scaled.shape[:2], -1.0, dtype=data.dtype, device=data.device)
    side[:, -1] = 1.0
    weight = torch.zeros_like(center.squeeze(1), requires_grad=True)
    bias = torch.zeros_like(side[:, 0], requires_grad=True)

    def scores() -> Tensor:
        return torch.einsum("npd,nd->np", scaled, weight) + bias[:, None]

    fit = torch.optim.LBFGS([weight, bias], max_iter=ITERATIONS, line_search_fn="strong_wolfe", tolerance_grad=1e-9)

    def loss() -> Tensor:
        fit.zero_grad()
        total = F.softplus(-side * scores()).mean(dim=1).sum()
        total.backward()
        return total

    with torch.enable_grad():
        fit.step(loss)
    with torch.no_grad():
        score = scores()
        span = 2 * score.abs().amax(dim=1).clamp_min(1e-12)
        plain = weight / spread.squeeze(1)
        offset = bias - (plain * center.squeeze(1)).sum(dim=1)
        apart = ((score * side) > 0).all(dim=1)
        return (plain / span[:, None]).to(features.dtype), (offset / span).to(features.dtype), apart
