"""Wrong implementations of PGD, each with one real mistake, as a plugin: what agreement has to find."""

from __future__ import annotations

import torch

import frontdef
from frontdef.attacks.library import AttackLibrary, Realization
from frontdef.attacks.native.losses import cross_entropy
from frontdef.frontend import FrontEnd


def climb(spec, protected, x, y, *, eps=None, step=None, start=True, sign=torch.sign, project=True, before=None):
    """PGD in ℓ∞ as it should be; each argument is one thing that can go wrong."""
    eps, step = eps or spec.threat.eps, step or spec.step_size
    best = x.clone()
    for _ in range(spec.parameters.restarts):
        random = spec.parameters.random_start and start
        adv = (x + torch.empty_like(x).uniform_(-eps, eps)).clamp(0, 1) if random else x.clone()
        for _ in range(spec.parameters.steps):
            if before and before(protected, adv, y):
                break
            adv = adv.detach().requires_grad_()
            gradient = torch.autograd.grad(total(protected(adv), y), adv)[0]
            adv = adv.detach() + step * sign(gradient)
            adv = (x + (adv - x).clamp(-eps, eps)).clamp(0, 1) if project else adv.clamp(0, 1)
        with torch.no_grad():
            standing = protected(best).argmax(1) == y
        best[standing] = adv.detach()[standing]
    return best


def total(logits, y):
    return cross_entropy(logits, y).sum()


def right(spec, protected, x, y):
    return climb(spec, protected, x, y)


def never_projects(spec, protected, x, y):
    return climb(spec, protected, x, y, project=False)


def descends(spec, protected, x, y):
    return climb(spec, protected, x, y, sign=lambda gradient: -gradient.sign())


def thinks_in_bytes(spec, protected, x, y):
    """ε is taken for gray levels although images are in [0,1]."""
    return climb(spec, protected, x, y, eps=spec.threat.eps / 255, step=spec.step_size / 255)


def multiplies_by_255(spec, protected, x, y):
    return climb(spec, protected, x, y, eps=spec.threat.eps * 255, step=spec.step_size * 255)


def tiny_steps(spec, protected, x, y):
    return climb(spec, protected, x, y, step=spec.threat.eps / 200)


def starts_at_the_image(spec, protected, x, y):
    """Declared with a random start, and with none."""
    return climb(spec, protected, x, y, start=False)


def forgets_eval(spec, protected, x, y):
    protected.train()
    return climb(spec, protected, x, y)


def never_normalizes(spec, protected, x, y):
    """Steps along the mean loss's raw gradient: the larger the batch and the surer the model, the smaller the step."""
    return climb(spec, protected, x, y, sign=lambda gradient: gradient / len(gradient))


def stops_early(spec, protected, x, y):
    """Ends for the whole batch once one sample of it is misclassified."""
    return climb(spec, protected, x, y, before=lambda model, adv, y: bool((model(adv).argmax(1) != y).any()))


def forgets_the_box(spec, protected, x, y):
    eps, adv = spec.threat.eps, x.clone()
    for _ in range(spec.parameters.steps):
        adv = adv.detach().requires_grad_()
        gradient = torch.autograd.grad(total(protected(adv), y), adv)[0]
        adv = x + (adv.detach() + spec.step_size * gradient.sign() - x).clamp(-eps, eps)
    return adv


def averages_the_batch(spec, protected, x, y):
    """One perturbation for all: the gradient is averaged over the batch."""
    eps, delta = spec.threat.eps, torch.zeros_like(x[:1])
    for _ in range(spec.parameters.steps):
        adv = (x + delta).clamp(0, 1).detach().requires_grad_()
        gradient = torch.autograd.grad(total(protected(adv), y), adv)[0].mean(0, keepdim=True)
        delta = (delta + spec.step_size * gradient.sign()).clamp(-eps, eps)
    return (x + delta).clamp(0, 1)


WEAKER = (
    *(descends, thinks_in_bytes, tiny_steps, starts_at_the_image, never_normalizes, stops_early, averages_the_batch),
)
INVALID = (never_projects, multiplies_by_255, forgets_eval, forgets_the_box)


class Broken(AttackLibrary):
    """One of them as a library of its own."""

    distribution = "frontdef"

    def __init__(self, run):
        self.name = run.__name__.replace("_", "-")
        self.row = Realization(run.__name__, run)

    def table(self):
        """PGD in ℓ∞."""
        return {("pgd", "linf"): self.row}


class Saturating(FrontEnd[frontdef.Config]):
    """Cuts off what is darker than 0.02 or brighter than 0.3: most pixels of a digit have no gradient."""

    def forward(self, x):
        """Stretch what is left."""
        return (x.clamp(0.02, 0.3) - 0.02) / 0.28


@frontdef.hookimpl
def frontdef_attacks():
    """All of them, and one that is right."""
    yield from map(Broken, (right, *WEAKER, *INVALID))


@frontdef.hookimpl
def frontdef_defenses():
    """The model on which a random start matters."""
    yield frontdef.Defense("saturating", Saturating)
