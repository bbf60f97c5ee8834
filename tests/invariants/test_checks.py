"""Each check objects to an attack that is wrong in its way, and none to one that is right."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from frontdef.attacks.families import FAMILIES
from frontdef.attacks.library import AttackLibrary, Realization
from frontdef.checks.invariants import CHECKS, examine, to_markdown
from frontdef.checks.invariants.tasks import brought, disc, linear, trained
from frontdef.checks.invariants.trial import Trial
from frontdef.errors import ConfigError
from frontdef.threat import distance

PGD = next(family for family in FAMILIES if family.name == "pgd")
MIFGSM = next(family for family in FAMILIES if family.name == "mifgsm")
APGD = next(family for family in FAMILIES if family.name == "apgd")
CHECK = {check.name: check for check in CHECKS}
ADAPTS = "pit oracle"
"""The check of steps that adapt, which PGD's do not."""


class Sample(AttackLibrary):
    """A library of one attack."""

    name, distribution = "sample", "frontdef"

    def __init__(self, run):
        self.rows = {("pgd", "linf"): Realization("Sample", run)}

    def table(self):
        return self.rows


def value(logits, y, spec):
    """What is climbed: the loss that is asked for; toward the label where it is a target."""
    label = logits.gather(1, y[:, None])[:, 0]
    if spec.parameters.loss == "cross-entropy":
        climbed = logits.logsumexp(1) - label
    else:
        top = logits.sort(dim=1, descending=True).values
        climbed = logits.scatter(1, y[:, None], -torch.inf).amax(1) - label
        climbed = climbed / (top[:, 0] - top[:, 2]) if spec.parameters.loss == "dlr" else climbed
    return -climbed if spec.targeted else climbed


def loss_gradient(model, z, y, spec):
    z = z.clone().requires_grad_()
    return torch.autograd.grad(value(model(z), y, spec).sum(), z)[0]


def uniform(x, eps):
    return torch.empty_like(x).uniform_(-eps, eps)


def pgd(spec, model, x, y, *, project=True, step=None, gradient=loss_gradient, start=uniform, keep=True, each=True):
    """PGD in ℓ∞ as it should be; each argument is one thing that can go wrong."""
    eps, best, parameters = spec.threat.eps, x, spec.parameters
    for restart in range(parameters.restarts):
        z = (x + start(x, eps)).clamp(0, 1) if parameters.random_start else x
        for _ in range(parameters.steps):
            z = z + (spec.step_size if step is None else step) * gradient(model, z, y, spec).sign()
            z = (x + (z - x).clamp(-eps, eps)).clamp(0, 1) if project else z
        if restart == 0 or not keep:
            best = z
        else:
            with torch.no_grad():
                stands = (model(best).argmax(1) == y) != spec.targeted
            best = torch.where(stands.view(-1, 1, 1, 1), z, best)
        with torch.no_grad():
            if not each and ((model(best).argmax(1) == y) == spec.targeted).any():
                break
    return best


def leaves_the_ball(spec, model, x, y):
    return pgd(spec, model, x, y, project=False)


def moves_without_a_radius(spec, model, x, y):
    return (pgd(spec, model, x, y) + 1e-4).clamp(0, 1)


def changes_its_input(spec, model, x, y):
    examples = pgd(spec, model, x, y)
    x.copy_(examples)
    return examples


def trains_the_model(spec, model, x, y):
    model.train()
    return pgd(spec, model, x, y)


def reseeds_torch(spec, model, x, y):
    torch.manual_seed(0)
    return pgd(spec, model, x, y)


def reseeds_numpy(spec, model, x, y):
    np.random.seed(0)
    return pgd(spec, model, x, y)


def cannot_be_repeated(spec, model, x, y):
    draw = torch.rand(x.shape, generator=torch.Generator().manual_seed(torch.seed() % 2**31))
    return (pgd(spec, model, x, y) - 1e-3 * draw).clamp(0, 1)


def asks_behind_the_counter(spec, model, x, y):
    model.classifier(x)
    return pgd(spec, model, x, y)


def weakens_with_the_radius(spec, model, x, y):
    examples = pgd(spec, model, x, y)
    return examples if spec.threat.eps < 0.2 else x


def weakens_with_the_steps(spec, model, x, y):
    return pgd(spec, model, x, y, step=spec.threat.eps) if spec.parameters.steps < 5 else x


def forgets_what_it_saw(spec, model, x, y):
    examples = pgd(spec, model, x, y)
    return torch.where((model(examples).argmax(1) == y).view(-1, 1, 1, 1), examples, x)


def reads_negative_logits_as_zero(spec, model, x, y):
    def gradient(model, z, y, _):
        z = z.clone().requires_grad_()
        logits = model(z).clamp(min=0)
        return torch.autograd.grad(F.cross_entropy(logits, y, reduction="sum"), z)[0]

    return pgd(spec, model, x, y, gradient=gradient)


def guards_its_division(spec, model, x, y):
    def gradient(model, z, y, spec):
        raw = loss_gradient(model, z, y, spec)
        return torch.where(raw.abs() > 1e-3, raw, 0)

    return pgd(spec, model, x, y, gradient=gradient)


def prefers_low_classes(spec, model, x, y):
    def gradient(model, z, y, _):
        z = z.clone().requires_grad_()
        return torch.autograd.grad(model(z)[:, 0].sum(), z)[0]

    return pgd(spec, model, x, y, gradient=gradient)


def attacks_the_first_half(spec, model, x, y):
    examples = pgd(spec, model, x, y)
    return torch.cat([examples[: len(x) // 2], x[len(x) // 2 :]])


def stops_when_one_falls(spec, model, x, y):
    z, eps = x, spec.threat.eps
    for _ in range(spec.parameters.steps):
        if bool((model(z).argmax(1) != y).any()):
            break
        z = (x + (z + spec.step_size * loss_gradient(model, z, y, spec).sign() - x).clamp(-eps, eps)).clamp(0, 1)
    return z


def divides_by_the_norm(spec, model, x, y):
    gradient = loss_gradient(model, x, y, spec)
    return (x + spec.threat.eps * gradient / gradient.flatten(1).abs().amax(1).view(-1, 1, 1, 1)).clamp(0, 1)


def raises_without_a_gradient(spec, model, x, y):
    if not loss_gradient(model, x, y, spec).any():
        raise ArithmeticError("no gradient")
    return pgd(spec, model, x, y)


def steps_too_small(spec, model, x, y):
    return pgd(spec, model, x, y, step=1e-4)


def goes_down(spec, model, x, y):
    return pgd(spec, model, x, y, step=-spec.step_size)


def does_nothing(spec, model, x, y):
    return x.clone()


def takes_a_tenth(spec, model, x, y):
    return x + 0.1 * (pgd(spec, model, x, y) - x)


def trains_while_it_attacks(spec, model, x, y):
    model.train()
    examples = pgd(spec, model, x, y)
    model.eval()
    return examples


def never_moves_black_and_white(spec, model, x, y):
    return torch.where((x > 0) & (x < 1), pgd(spec, model, x, y), x)


def guards_with_a_small_number(spec, model, x, y):
    def gradient(model, z, y, spec):
        raw = loss_gradient(model, z, y, spec)
        return torch.where(raw.abs() > 1e-12, raw, 0)

    return pgd(spec, model, x, y, gradient=gradient)


def forgets_a_faint_gradient(spec, model, x, y):
    def gradient(model, z, y, spec):
        return loss_gradient(model, z, y, spec) + 1e-3

    return pgd(spec, model, x, y, gradient=gradient)


def moves_what_is_not_read(spec, model, x, y):
    def gradient(model, z, y, spec):
        raw = loss_gradient(model, z, y, spec)
        return torch.where(raw == 0, torch.ones_like(raw), raw)

    return pgd(spec, model, x, y, gradient=gradient)


def starts_near_the_middle(spec, model, x, y):
    """At a depth that is uniform, not at a point that is."""
    depth = torch.rand(len(x), 1, 1, 1)
    return pgd(
        spec, model, x, y, start=lambda x, eps: depth * eps * F.normalize(uniform(x, eps), float("inf"), (1, 2, 3))
    )


def draws_where_nothing_is_drawn(spec, model, x, y):
    return (x + (pgd(spec, model, x, y) - x) * torch.empty_like(x).uniform_(0.99, 1)).clamp(0, 1)


def starts_on_one_side(spec, model, x, y):
    return pgd(spec, model, x, y, start=lambda x, eps: uniform(x, eps).abs())


def starts_all_images_alike(spec, model, x, y):
    return pgd(spec, model, x, y, start=lambda x, eps: uniform(x[:1], eps))


def starts_every_restart_alike(spec, model, x, y):
    drawn = uniform(x, spec.threat.eps)
    return pgd(spec, model, x, y, start=lambda x, eps: drawn)


def keeps_the_last_restart(spec, model, x, y):
    return pgd(spec, model, x, y, keep=False)


def restarts_until_one_falls(spec, model, x, y):
    return pgd(spec, model, x, y, each=False)


def leaves_its_target(spec, model, x, y):
    def gradient(model, z, y, spec):
        return loss_gradient(model, z, y, spec) * (-1 if spec.targeted else 1)

    return pgd(spec, model, x, y, gradient=gradient)


def goes_down_with_dlr(spec, model, x, y):
    def gradient(model, z, y, spec):
        return loss_gradient(model, z, y, spec) * (-1 if spec.parameters.loss == "dlr" else 1)

    return pgd(spec, model, x, y, gradient=gradient)


def resets_the_batch_that_fell(spec, model, x, y):
    """Steps of which the length depends on how many others there are: the outcome is the same, the distance is not."""
    examples = pgd(spec, model, x, y)
    return x + (examples - x) * (1 - 0.2 / len(x))


def projects_a_step_too_late(spec, model, x, y):
    return pgd(spec, model, x, y, start=lambda x, eps: 3 * uniform(x, eps))


BROKEN = {
    projects_a_step_too_late: "asks inside",
    does_nothing: "grows with ε",
    takes_a_tenth: "one step",
    trains_while_it_attacks: "mode during the attack",
    never_moves_black_and_white: "corner oracle",
    guards_with_a_small_number: "confident oracle",
    forgets_a_faint_gradient: "faint oracle",
    moves_what_is_not_read: "ignored pixels",
    draws_where_nothing_is_drawn: "another seed",
    starts_near_the_middle: "start law",
    starts_on_one_side: "random start",
    starts_all_images_alike: "random start",
    starts_every_restart_alike: "restarts",
    keeps_the_last_restart: "restarts",
    restarts_until_one_falls: "restarts",
    leaves_its_target: "targets",
    goes_down_with_dlr: "losses",
    resets_the_batch_that_fell: "batch size",
    leaves_the_ball: "norm and box",
    moves_without_a_radius: "ε = 0",
    changes_its_input: "model and input untouched",
    trains_the_model: "model and input untouched",
    reseeds_torch: "generators not reseeded",
    reseeds_numpy: "generators not reseeded",
    cannot_be_repeated: "same seed, same result",
    asks_behind_the_counter: "queries counted",
    weakens_with_the_radius: "grows with ε",
    weakens_with_the_steps: "grows with effort",
    forgets_what_it_saw: "seen, so returned",
    reads_negative_logits_as_zero: "logit shift",
    guards_its_division: "logit scale",
    prefers_low_classes: "class order",
    attacks_the_first_half: "sample order",
    stops_when_one_falls: "batch size",
    divides_by_the_norm: "zero gradient",
    raises_without_a_gradient: "constant model",
    steps_too_small: "linear oracle",
    goes_down: "disc oracle",
}


def result(run, check):
    return CHECK[check].attempt(Trial(Sample(run), PGD, "linf"))


def test_a_right_attack_violates_nothing():
    report = examine(Sample(pgd), PGD, "linf")
    assert not report.violations
    assert {finding.status for finding in report.findings if finding.name != ADAPTS} == {"passed", "reported"}


def test_a_right_attack_with_momentum_violates_nothing():
    """It returns its last iterate, as its paper says, and now and then loses what an earlier one had reached."""

    def mifgsm(spec, model, x, y):
        z, momentum, eps = x, torch.zeros_like(x), spec.threat.eps
        for _ in range(spec.parameters.steps):
            z = z.clone().requires_grad_()
            loss = F.cross_entropy(model(z), y, reduction="sum") * (-1 if spec.targeted else 1)
            raw = torch.autograd.grad(loss, z)[0]
            norm = raw.abs().sum((1, 2, 3), keepdim=True)
            momentum = spec.parameters.decay * momentum + torch.where(norm > 0, raw / norm, 0)
            z = (x + (z.detach() + spec.step_size * momentum.sign() - x).clamp(-eps, eps)).clamp(0, 1)
        return z

    library = Sample(mifgsm)
    library.rows = {("mifgsm", "linf"): library.rows["pgd", "linf"]}
    report = examine(library, MIFGSM, "linf")
    assert not report.violations
    assert next(finding for finding in report.findings if finding.name == "seen, so returned").figure > 0


@pytest.mark.parametrize("run", BROKEN, ids=lambda run: run.__name__)
def test_a_wrong_attack_is_found(run):
    assert result(run, BROKEN[run]).alarm


def test_every_check_has_found_something():
    judged = {check.name for check in CHECKS} - {"8 bits", "input units", ADAPTS}
    assert judged == set(BROKEN.values())


@pytest.mark.parametrize(("halvings", "found"), [(0.5, False), (4, True), (0, True)], ids=["right", "soon", "never"])
def test_steps_that_do_not_adapt_are_found(halvings, found):
    """Those that are halved too soon end on the way, and those that never are step over the pit."""

    plain = SimpleNamespace(parameters=SimpleNamespace(loss="cross-entropy"), targeted=False)

    def halving(spec, model, x, y):
        z, eps, best, highest = x, spec.threat.eps, x, torch.full((len(x),), -torch.inf)
        for step in range(spec.parameters.steps):
            with torch.no_grad():
                climbed = value(model(z), y, plain)
            higher = climbed > highest
            best, highest = torch.where(higher.view(-1, 1, 1, 1), z, best), highest.maximum(climbed)
            raw = loss_gradient(model, z, y, plain)
            length = 2 * eps / 2 ** (step * halvings)
            z = (x + (z + length * raw.sign() - x).clamp(-eps, eps)).clamp(0, 1)
        return best

    library = Sample(halving)
    library.rows = {("apgd", "linf"): library.rows["pgd", "linf"]}
    assert CHECK[ADAPTS].attempt(Trial(library, APGD, "linf")).alarm == found


def test_a_number_of_steps_that_can_not_be_asked_for_is_no_alarm():
    library = Sample(pgd)
    library.rows = {("pgd", "linf"): Realization("Sample", pgd, unsupported={"steps": 10})}
    finding = CHECK["grows with effort"].attempt(Trial(library, PGD, "linf"))
    assert (finding.status, finding.measured) == ("not applicable", "takes 10 steps and no others")


def test_units_are_found():
    def fails_on_grey_levels(spec, model, x, y):
        gray = getattr(model.classifier.net, "unit", 1.0) != 1
        return x if gray else pgd(spec, model, x, y)

    report = examine(Sample(fails_on_grey_levels), PGD, "linf")
    assert {violation.name for violation in report.violations} == {"input units"}


# --- A model that somebody brings ---


def mine(factor=1.0, n=64):
    """Of color images and four classes; what it says is right."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, 4))
        images = torch.rand(n, 3, 6, 6)
    with torch.no_grad():
        net[3].weight.mul_(10 * factor)
        net[3].bias.mul_(10 * factor)
        labels = net(images).argmax(1)
    return brought("mine", net.eval().requires_grad_(False), images, labels)


def test_a_right_attack_violates_nothing_on_a_model_that_is_brought():
    report = examine(Sample(pgd), PGD, "linf", mine(), 0.02)
    assert not report.violations, report.violations
    assert (report.model, report.eps, mine().classes, len(mine().x)) == ("mine", 0.02, 4, 24)
    assert "on mine at ε = 0.02" in to_markdown(report)


@pytest.mark.parametrize(
    "run",
    [leaves_the_ball, moves_without_a_radius, changes_its_input, cannot_be_repeated, attacks_the_first_half],
)
def test_a_wrong_attack_is_found_on_a_model_that_is_brought(run):
    trial = Trial(Sample(run), PGD, "linf", mine(), 0.02)
    assert CHECK[BROKEN[run]].attempt(trial).alarm


def test_where_float32_has_no_gradient_at_ten_times_its_margins_the_scale_is_not_asked():
    measured = CHECK["logit scale"].attempt(Trial(Sample(pgd), PGD, "linf", mine(factor=20), 0.02))
    assert (measured.status, "float32" in measured.measured) == ("not applicable", True)


def test_a_model_that_is_mostly_wrong_is_refused():
    task = mine()
    with pytest.raises(ConfigError, match="0 of 24 images right"):
        brought("mine", task.model.observed.net, task.x, (task.y + 1) % 4)


# --- The models ---


def test_about_half_of_the_images_fall():
    """A task that nothing breaks, or anything, would let every attack pass."""
    measured = result(pgd, "grows with ε").measured
    half, full, twice = (int(word) for word in measured.partition(" of")[0].split(", "))
    assert half < full < twice
    assert 6 <= full <= 18


def test_the_images_are_classified_right():
    for task in (trained(24), linear(), disc()):
        assert (task.model.predict(task.x).argmax(1) == task.y).all()
        assert ((task.x >= 0) & (task.x <= 1)).all()


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize("task", [linear, disc], ids=["linear", "disc"])
def test_the_known_distances_are_those_of_a_search(task, norm):
    """PGD breaks everything a little beyond, and nothing can be broken a little below."""
    from frontdef.attacks.native.pgd import pgd as native_pgd
    from frontdef.threat import ThreatModel

    problem = task()
    for number in range(0, len(problem.x), 4):
        x, y = problem.x[number : number + 1], problem.y[number : number + 1]
        exact = float(problem.distance[norm][number])
        for factor, falls in ((1.02, True), (0.98, False)):
            eps = exact * factor
            examples = native_pgd(
                problem.model, x, y, threat=ThreatModel(norm, eps), steps=60, step_size=0.3 * eps, loss="margin"
            )
            assert bool((problem.model.predict(examples).argmax(1) != y).item()) == falls
            assert (distance(x, examples, norm) <= eps + 1e-6).all()


def test_the_known_number_of_values_is_enough_and_less_is_not():
    task = linear()
    weight = task.model.observed.net.net[1].weight.diff(dim=0)[0]
    for number in range(len(task.x)):
        count = int(task.distance["l0"][number])
        best = torch.where(weight > 0, 1.0, 0.0)
        gain = ((best - task.x[number].flatten()) * weight).argsort(descending=True)
        fell = []
        for values in (count, count - 1):
            z = task.x[number].flatten().clone()
            z[gain[:values]] = best[gain[:values]]
            fell.append(int(task.model.predict(z.view(1, 1, 8, 8)).argmax()) == 1)
        assert fell == [True, False]
