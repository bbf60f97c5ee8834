"""The checks: each measures one promise of a defense."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from frontdef import weights
from frontdef.art import FrontEndPreprocessor
from frontdef.attacks.guard import isolated
from frontdef.attacks.spec import make_spec
from frontdef.certificate import SMALLEST_RADIUS
from frontdef.checks.conformance.border import attack_border, find_border
from frontdef.checks.conformance.parity import FORWARD_TOLERANCE, GRADIENT_TOLERANCE, parity
from frontdef.checks.conformance.subject import Subject
from frontdef.checks.generators import global_states
from frontdef.checks.kit import Checks, Finding, not_applicable, not_tested
from frontdef.errors import MissingExtraError
from frontdef.registry import get_attack_libraries, get_family
from frontdef.threat import Norm, ThreatModel
from frontdef.verdicts.looks import ALPHA, Looks

EXACT = 1e-6
"""Largest difference between two computations of the same values in float32, relative where values exceed 1."""

RADII: dict[Norm, tuple[float, ...]] = {
    "linf": (0.2, 0.1, 0.3, 0.05),
    "l2": (2.0, 1.0, 4.0, 0.5),
    "l1": (20, 10, 40, 5),
}
"""Radii at one of which the gradient must prove useful, in [0,1] pixel values, first those where attack and noise are
furthest apart behind most defenses; a certificate is tested in these norms."""

SIGNIFICANT = ALPHA
"""Level of the one-sided test that a classifier does better than guessing."""

FIRST = 16
"""Test images of the first look at PGD beside noise; five pairs of five end it there."""


CHECKS: Checks[Subject] = Checks()
"""The promises of a defense; the meaning of each is what is promised."""


def _promise(measure: Callable[[Subject], str | Finding]) -> Callable[[Subject], Finding]:
    """Register a function that gives the figure in words, and raises AssertionError where the promise is broken."""

    @functools.wraps(measure)
    def find(subject: Subject) -> Finding:
        try:
            kept = measure(subject)
        except AssertionError as broken:
            return Finding("alarm", str(broken))
        except MissingExtraError as missing:
            return Finding("not tested", str(missing))
        return kept if isinstance(kept, Finding) else Finding("passed", kept)

    return CHECKS.register(measure.__name__.replace("_", " "))(find)


@_promise
def metadata(subject: Subject) -> str:
    """The record names its paper, a summary, and describes every configuration value."""
    defense = subject.defense
    missing = [name for name in ("summary", "paper") if not getattr(defense, name) and defense.name != "none"]
    fields = defense.config_class().model_fields
    missing += [f"description of {name}" for name, field in fields.items() if not field.description]
    assert not missing, f"missing: {', '.join(missing)}"
    declared = defense.front_end_class().randomized
    assert defense.randomized == declared, f"Defense.randomized is {defense.randomized}, the front end's is {declared}"
    return f"{len(fields)} configuration values, all described"


@_promise
def shapes(subject: Subject) -> str:
    """The output has one row a sample, the same shape for every batch size, float32, on the input's device."""
    with torch.no_grad():
        outputs = [subject.front_end(subject.few[:n]) for n in (1, 3, 8)]
    for n, output in zip((1, 3, 8), outputs, strict=True):
        assert len(output) == n, f"{n} images give {len(output)} rows"
        assert output.shape[1:] == outputs[0].shape[1:], "the shape depends on the batch size"
        assert output.dtype == torch.float32, f"dtype {output.dtype}"
        assert output.device.type == subject.device.type, f"input on {subject.device}, output on {output.device}"
    return f"{tuple(subject.image_shape)} → {tuple(outputs[0].shape[1:])}"


@_promise
def range_kept(subject: Subject) -> str:
    """The output is finite, and in [0,1] where the front end says that it keeps the range."""
    corners = torch.cat([subject.few, torch.zeros_like(subject.few[:1]), torch.ones_like(subject.few[:1])])
    with torch.no_grad():
        output = subject.front_end(corners)
    assert output.isfinite().all(), "NaN or infinite values"
    low, high = output.min().item(), output.max().item()
    if subject.front_end.keeps_range:
        assert -EXACT <= low <= high <= 1 + EXACT, f"values in [{low:.4g}, {high:.4g}]; declare keeps_range = False"
    return f"[{low:.4g}, {high:.4g}]"


@_promise
def batch_invariance(subject: Subject) -> str | Finding:
    """A sample's output does not depend on its batch: f(x)[i] = f(x[i:i+1])."""
    if subject.front_end.randomized:
        return not_applicable("randomized")
    with torch.no_grad():
        together = subject.front_end(subject.few)
        alone = torch.cat([subject.front_end(subject.few[i : i + 1]) for i in range(len(subject.few))])
        backwards = subject.front_end(subject.few.flip(0)).flip(0)
        if not torch.equal(together, subject.front_end(subject.few)):
            return not_applicable("two calls with the same images differ: determinism says what to do")
    apart = max((together - alone).abs().max().item(), (together - backwards).abs().max().item())
    scale = max(1.0, together.abs().max().item())
    assert apart <= EXACT * scale, f"outputs differ by {apart:.2g} between batches"
    return f"largest difference {apart:.2g}"


@_promise
def purity(subject: Subject) -> str:
    """Neither the images nor the front end's state are changed by a forward and a backward pass."""
    before, state = subject.few.clone(), {k: v.clone() for k, v in subject.front_end.state_dict().items()}
    x = subject.few.clone().requires_grad_()
    subject.front_end(x).sum().backward()
    assert torch.equal(x.detach(), before), "the images were changed"
    changed = [name for name, value in subject.front_end.state_dict().items() if not torch.equal(value, state[name])]
    assert not changed, f"state changed: {', '.join(changed)}"
    return f"{len(state)} tensors of state"


@_promise
def determinism(subject: Subject) -> str:
    """The same seed gives the same output; without one, only a front end declared as randomized varies."""
    front_end = subject.front_end
    with torch.no_grad():
        front_end.reseed(1)
        first, second = front_end(subject.few), front_end(subject.few)
        front_end.reseed(1)
        again = front_end(subject.few)
    looks_randomized = "this looks randomized, two calls with the same images differ: declare it with randomized = True"
    assert front_end.randomized or (torch.equal(first, second) and torch.equal(first, again)), (
        f"{looks_randomized}, and draw from self.generator(x.device), so that reseed(seed) repeats it"
    )
    assert torch.equal(first, again), (
        "reseed(1) twice gives two outputs: draw from self.generator(x.device), which reseed starts again"
    )
    if front_end.randomized:
        assert not torch.equal(first, second), "declared as randomized, but two calls agree"
        return "randomized, reproducible by seed"
    return "deterministic"


@_promise
def global_randomness(subject: Subject) -> str:
    """The global random states of Python, numpy and torch are left alone."""
    before = global_states()
    subject.front_end(subject.few.clone().requires_grad_()).sum().backward()
    after = global_states()
    drifted = [name for name, state in before.items() if state != after[name]]
    assert not drifted, f"drawn from the global generator of {', '.join(drifted)}; use self.generator(x.device)"
    return "untouched"


@_promise
def accuracy(subject: Subject) -> str:
    """A classifier trained behind it is right more often than one that names the commonest class."""
    told = f"{_share(subject.right)} of {len(subject.right)} test images are right"
    assert not _guesses(subject), (
        f"{told}, no more than by naming the commonest class: what leaves the front end says too little of an image, "
        "or its recipe does not train"
    )
    return told


def _guesses(subject: Subject) -> bool:
    commonest = subject.test.labels.bincount().max().item() / len(subject.test)
    return _more_than(int(subject.right.sum()), len(subject.right), commonest) >= SIGNIFICANT


@_promise
def gradients(subject: Subject) -> str:
    """Every surrogate gives a finite gradient, and a non-zero one where it is declared informative."""
    summaries = []
    for surrogate in subject.front_end.surrogates:
        gradient = _gradient(subject, surrogate.name)
        assert gradient.isfinite().all(), f"surrogate {surrogate.name!r}: NaN or infinite gradient"
        share = (gradient.flatten(1) != 0).any(1).double().mean().item()
        if surrogate.informative:
            assert share == 1, f"surrogate {surrogate.name!r}: the gradient is zero on {1 - share:.0%} of the images"
        summaries.append(f"{surrogate.name} {(gradient != 0).double().mean().item():.0%}")
    return "non-zero values: " + ", ".join(summaries)


def _gradient(subject: Subject, surrogate: str) -> Tensor:
    with subject.protected.surrogate(surrogate):
        x = subject.few.clone().requires_grad_()
        loss = F.cross_entropy(subject.protected(x), subject.few_labels)
        return torch.autograd.grad(loss, x)[0]


@_promise
def gradient_parity(subject: Subject) -> str:
    """ART, foolbox and autograd see the same outputs (1e-6) and the same gradients (1e-5 relative)."""
    differences = parity(subject.protected, subject.few, subject.few_labels)
    for name, apart in differences.forward.items():
        assert apart <= FORWARD_TOLERANCE, f"{name}: outputs differ by {apart:.2g}"
    for name, apart in differences.gradient.items():
        assert apart <= GRADIENT_TOLERANCE, f"{name}: gradients differ by {apart:.2g} relative"
    return (
        f"forward {max(differences.forward.values()):.1g}, gradient {max(differences.gradient.values()):.1g} relative"
    )


@_promise
def estimate_gradient(subject: Subject) -> str:
    """ART's estimate_gradient pulls loss and class gradients back, whatever the output's shape."""
    preprocessor = FrontEndPreprocessor(subject.front_end)
    x = subject.few.cpu().numpy()
    subject.front_end.reseed(0)
    with torch.no_grad():
        output = subject.front_end(subject.few)
    upstream = torch.randn(3, *output.shape, generator=torch.Generator().manual_seed(0)).numpy()
    pulled = []
    for gradient in upstream:
        subject.front_end.reseed(0)
        pulled.append(preprocessor.estimate_gradient(x, gradient))
    subject.front_end.reseed(0)
    together = preprocessor.estimate_gradient(x, upstream.swapaxes(0, 1).copy())
    assert pulled[0].shape == x.shape, f"a loss gradient comes back as {pulled[0].shape}"
    apart = np.abs(together - np.stack(pulled, 1)).max() / max(np.abs(together).max(), 1e-12)
    assert apart <= GRADIENT_TOLERANCE, f"class and loss gradients differ by {apart:.2g} relative"
    return f"{tuple(output.shape[1:])} → {x.shape[1:]}"


@_promise
def save_and_load(subject: Subject) -> str:
    """Saved to safetensors and loaded into a fresh front end, it computes the same."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "front_end.safetensors"
        weights.save(subject.front_end.state_dict(), path, {"defense": subject.defense.name})
        fresh = subject.build()
        fresh.load_state_dict(weights.load(path)[0])
    subject.front_end.reseed(0)
    fresh.reseed(0)
    with torch.no_grad():
        assert torch.equal(fresh(subject.few), subject.front_end(subject.few)), (
            "the loaded front end computes otherwise"
        )
    return f"{sum(value.numel() for value in fresh.state_dict().values())} values"


@_promise
def gradient_useful(subject: Subject) -> str | Finding:
    """PGD through the gradient breaks more samples than noise of the same size, or a certificate says why not."""
    if _guesses(subject):
        return not_tested("the classifier behind the front end guesses, so no attack on it shows anything")
    norm: Norm = next((norm for norm in subject.defense.norms if norm in RADII), "linf")
    tried = []
    for eps in RADII[norm]:
        noise = _Broken(subject, "noise", "linf" if norm == "l1" else norm, eps)
        broken = torch.zeros(len(subject.test), dtype=torch.bool)
        for surrogate in subject.front_end.surrogates:
            by_pgd = _Broken(subject, "pgd", norm, eps, surrogate.name)
            looks = Looks.between(FIRST, len(subject.test))
            for n, level in zip(looks.sizes, looks.levels, strict=True):
                pgd, drawn = by_pgd.first(n), noise.first(n)
                said = f"PGD by {surrogate.name} {_share(pgd)}, noise {_share(drawn)} of {n} broken"
                if _sign_test(int((pgd & ~drawn).sum()), int((drawn & ~pgd).sum())) < level:
                    return f"ε={eps}: {said}"
            tried.append(f"ε={eps}: {said}")
            broken |= pgd | drawn
        proved = _certified(subject, ThreatModel(norm, eps))
        if proved is not None and bool((proved | broken).all()):
            return f"ε={eps}: certified"
    raise AssertionError(f"PGD never beats noise ({'; '.join(tried)}): the gradient does not reach the attacker")


@_promise
def certificate(subject: Subject) -> str | Finding:
    """No sample that the certificate proves is broken by an attack of any library, at the border of what is proved."""
    proof = subject.defense.load_certificate()
    if proof is None:
        return not_applicable("none declared")
    borders = {
        norm: find_border(subject, proof, norm)
        for norm in RADII
        if norm in proof.norms and norm in subject.defense.norms
    }
    told = [attack_border(subject, border) for border in borders.values() if border is not None]
    empty = [norm for norm, border in borders.items() if border is None]
    if not told:
        return not_tested(f"nothing is certified at ε={SMALLEST_RADIUS} or above in {', '.join(empty) or 'any norm'}")
    return "; ".join([*told, *(f"{norm}: nothing certified" for norm in empty)])


def _certified(subject: Subject, threat: ThreatModel) -> Tensor | None:
    certificate = subject.defense.load_certificate()
    if certificate is None:
        return None
    x, y = subject.test.images.to(subject.device), subject.test.labels.to(subject.device)
    return certificate.certify(subject.protected, x, y, threat).cpu()


class _Broken:
    """Which test images an attack of the native library breaks, originally wrong ones included; attacked as asked for.

    Args:
        subject: The defense.
        family: Id of the attack.
        norm: Of the perturbation.
        eps: Its radius.
        surrogate: Surrogate gradient; None takes the default.
    """

    def __init__(self, subject: Subject, family: str, norm: Norm, eps: float, surrogate: str | None = None) -> None:
        parameters = {"steps": 20, "relative_step": 0.1, "random_start": True} if family == "pgd" else {}
        self._spec = make_spec(get_family(family), norm, eps, parameters)
        self._subject, self._surrogate = subject, surrogate
        self._known = torch.zeros(0, dtype=torch.bool)

    def first(self, n: int) -> Tensor:
        """The first ``n`` test images, bool ``(n,)``."""
        if len(self._known) < n:
            self._known = torch.cat([self._known, self._attack(slice(len(self._known), n))])
        return self._known[:n]

    def _attack(self, rows: slice) -> Tensor:
        protected, device = self._subject.protected, self._subject.device
        x, y = self._subject.test.images[rows].to(device), self._subject.test.labels[rows].to(device)
        target = protected.eot(10) if protected.front_end.randomized else protected
        with protected.surrogate(self._surrogate), isolated(protected, rows.start):
            x_adv = get_attack_libraries()["native"].run(self._spec, target, x, y)
            protected.front_end.reseed(rows.start + 1)
            return target.predict(x_adv.clamp(0, 1)).argmax(1).cpu() != y.cpu()


def _share(broken: Tensor) -> str:
    return f"{broken.double().mean().item():.0%}"


def _sign_test(wins: int, losses: int) -> float:
    return _more_than(wins, wins + losses, 0.5) if wins + losses else 1.0


def _more_than(successes: int, n: int, p: float) -> float:
    """p-value of so many successes where each has probability ``p`` or less."""
    from scipy.stats import binomtest

    return float(binomtest(successes, n, p, alternative="greater").pvalue)
