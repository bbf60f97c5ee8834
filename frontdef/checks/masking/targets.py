"""PGD at each wrong class: the loss that leaves the right class may lead where no adversarial example is."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from frontdef.attacks.native.pgd import Mode, pgd
from frontdef.threat import ThreatModel

DUAL: dict[str, float] = {"linf": 1.0, "l2": 2.0, "l1": float("inf")}
"""Order of the norm in which a gradient is measured, by the norm of the perturbation."""

SHORTLIST = 3
"""Classes whose gradients are looked at, for each that is aimed at: those with the smallest gaps."""


def pgd_at_each(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    threat: ThreatModel,
    steps: int,
    step_size: float,
    targets: int,
    mode: Mode,
) -> Tensor:
    """Aim at wrong classes one after the other, the nearest first, each on the samples that still stand.

    After the multi-targeted attack (Gowal et al. 2019, arXiv:1910.09338), with plain PGD from the image.

    Args:
        model: Logits ``(N,K)`` of images; in eval mode.
        x: Images, float32 ``(N,C,H,W)`` in [0,1].
        y: Labels, int64 ``(N,)``.
        threat: ``linf``, ``l2`` or ``l1``, and the radius in [0,1] pixel values.
        steps: Gradient steps at each class.
        step_size: Length of a step in the norm of ``threat``, in [0,1] pixel values.
        targets: Classes, at most; fewer where there are fewer wrong ones.
        mode: As for `frontdef.attacks.native.pgd.pgd`.

    Returns:
        Of each sample the example of the first class at which it was misclassified, else of the last that was tried,
        float32 ``(N,C,H,W)``.
    """
    ranked = nearest(model, x, y, threat, targets)
    result, left = x.clone(), torch.arange(len(x), device=x.device)
    for wanted in ranked.T:
        if not len(left):
            break
        examples = pgd(
            model, x[left], wanted[left],
            threat=threat, steps=steps, step_size=step_size, targeted=True, mode=mode,
        )  # fmt: skip
        result[left] = examples
        with torch.no_grad():
            left = left[model(examples).argmax(dim=1) == y[left]]
    return result


def nearest(model: nn.Module, x: Tensor, y: Tensor, threat: ThreatModel, targets: int) -> Tensor:
    """The wrong classes that are nearest, int64 ``(N,T)``.

    Where there are more classes than targets, by the gap between the logits over the norm of its gradient, which is the
    distance in a linear model (Melamed et al. 2024, arXiv:2407.02240, section 4), of a shortlist by the gap alone; with
    as many targets as classes, where the order only decides what is tried first, by the gap.

    Args:
        model: As in `pgd_at_each`.
        x: As there.
        y: As there.
        threat: As there.
        targets: T, at most the number of wrong classes.
    """
    with torch.no_grad():
        logits = model(x).scatter(1, y[:, None], -torch.inf)
    wrong = logits.shape[1] - 1
    if targets >= wrong:
        ranked: Tensor = logits.topk(wrong, dim=1).indices
        return ranked
    shortlist: Tensor = logits.topk(min(wrong, SHORTLIST * targets), dim=1).indices
    distances = torch.stack([_distance(model, x, y, wanted, threat) for wanted in shortlist.T], dim=1)
    return shortlist.gather(1, distances.topk(targets, dim=1, largest=False).indices)


def _distance(model: nn.Module, x: Tensor, y: Tensor, wanted: Tensor, threat: ThreatModel) -> Tensor:
    """Gap between the logits of the label and of another class over the dual norm of its gradient, ``(N,)``."""
    with torch.enable_grad():
        points = x.detach().requires_grad_()
        logits = model(points)
        gap = logits.gather(1, y[:, None])[:, 0] - logits.gather(1, wanted[:, None])[:, 0]
        (gradient,) = torch.autograd.grad(gap.sum(), points)
    length = torch.linalg.vector_norm(gradient.flatten(1), DUAL[threat.norm], dim=1)
    return torch.where((length > 0) & length.isfinite(), gap.detach() / length, torch.inf)
