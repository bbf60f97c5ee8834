"""What a defense can prove about single samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

import torch

from frontdef.errors import ConfigError
from frontdef.memory import Batches, at_once
from frontdef.threat import Norm, ThreatModel, check_norm

if TYPE_CHECKING:
    from torch import Tensor, nn

    from frontdef.protected import Protected

    Proof = Callable[[Tensor, Tensor], Tensor]

LEAD = 1e-4
"""By how much, relative to 1 + the largest logit, the label must lead: more than float32's rounding can take away."""

SMALLEST_RADIUS = 1e-5
"""Where `certified_radii` begins to ask, [0,1] pixel values: ten times the tolerance on distances."""


class Certificate:
    """A proof, per sample, that no perturbation of a threat model changes the prediction.

    It must be sound: a certified sample that an attack breaks is an error of the certificate or of that library,
    and frontdef reports it as one. A subclass writes `proof`; `certify` does what all of them need.
    """

    statement: str = ""
    """The theorem: where it is stated and what it assumes, in one or two sentences."""

    norms: ClassVar[tuple[Norm, ...]] = ()
    """The norms that the theory covers; nothing is proved in another one."""

    batch_size: ClassVar[int] = 100
    """Images that are proved at once; fewer where they are large, or memory does not suffice."""

    def proof(self, protected: Protected, threat: ThreatModel) -> Proof | None:
        """What is to be proved of each image: the only thing that a subclass writes.

        It is asked once for a model and a threat model, so what depends on the weights alone is computed once. The
        model is in eval mode and no gradient is recorded.

        Args:
            protected: The defended classifier.
            threat: In one of `norms`.

        Returns:
            ``f(images (N,C,H,W), labels (N,)) -> bool (N,)``, on the model's device: True where every perturbation in
            the threat model, with frontdef's tolerance (`frontdef.threat.TOLERANCE`), leaves the label the largest
            logit as float32 computes it. A proof that knows nothing of rounding, such as one that no input of the
            classifier changes, asks `leads` as well. None for a model that the theory does not cover.
        """
        raise NotImplementedError(f"{type(self).__name__} has no proof(protected, threat)")

    def certify(self, protected: nn.Module, x: Tensor, y: Tensor, threat: ThreatModel) -> Tensor:
        """Prove what can be proved.

        Args:
            protected: The defended classifier: a `Protected`, images in, logits out; its mode is as before afterwards.
            x: Images, float32 ``(N,C,H,W)`` in [0,1], on any device.
            y: Labels, int64 ``(N,)``.
            threat: The norm and the radius.

        Returns:
            bool ``(N,)``, on the device of ``x``: True where the prediction is ``y`` for every perturbation in the
            threat model. All False for a norm that the theory does not cover.

        Raises:
            ConfigError: A proof of another shape or type than one bool a sample.
        """
        proved = torch.zeros(len(x), dtype=torch.bool, device=x.device)
        if threat.norm not in self.norms:
            return proved
        with torch.no_grad(), _evaluating(protected):
            model: Protected = protected  # type: ignore[assignment]  # what proof() is written for
            prove = self.proof(model, threat)
            if prove is None:
                return proved

            def proved_of(rows: slice) -> Tensor:
                images, labels = x[rows].to(model.device), y[rows].to(model.device)
                proven = prove(images, labels)
                if proven.shape != labels.shape or proven.dtype != torch.bool:
                    raise ConfigError(
                        f"{type(self).__name__} proves {len(labels)} images with a tensor of {proven.dtype} "
                        f"{tuple(proven.shape)}: it takes one bool a sample, ({len(labels)},)"
                    )
                return proven.cpu() & (model.predict(images).argmax(1) == labels.cpu())

            for rows, certified in Batches(min(self.batch_size, at_once(x.shape[1:]))).over(len(x), proved_of):
                proved[rows] = certified.to(x.device)
        return proved


def leads(logits: Tensor, labels: Tensor) -> Tensor:
    """Whether the label's logit is the largest by more than rounding can take away (`LEAD`), bool ``(N,)``.

    Equal inputs are classified equally, but in another batch with another rounding: a prediction that hangs on it is
    none to certify.

    Args:
        logits: ``(N,K)``.
        labels: int64 ``(N,)``.
    """
    own = logits.gather(1, labels[:, None]).squeeze(1)
    rival = logits.scatter(1, labels[:, None], -torch.inf).amax(1)
    return own - rival > LEAD * (1 + logits.abs().amax(1))


def certified_radii(
    certificate: Certificate, protected: nn.Module, x: Tensor, y: Tensor, norm: Norm, *, ratio: float = 1.1
) -> Tensor:
    """How far each sample's proof reaches: by bisection, so that each radius was proved and ``ratio`` times it was not.

    All samples share one geometric grid of radii, so those with equal radii can be attacked together at the border of
    what is proved of them.

    Args:
        certificate: Whose proofs.
        protected: The defended classifier.
        x: Images, float32 ``(N,C,H,W)`` in [0,1].
        y: Labels, int64 ``(N,)``.
        norm: ``linf``, ``l2`` or ``l1``.
        ratio: Above 1: where the bisection ends.

    Returns:
        float64 ``(N,)``, on the device of ``x``: 0 where nothing is proved even at `SMALLEST_RADIUS`; at most the
        distance of black from white.

    Raises:
        ConfigError: Another norm, or a ratio that is not above 1.
    """
    values = math.prod(x.shape[1:])
    widest: dict[Norm, float] = {"linf": 1.0, "l2": math.sqrt(values), "l1": float(values)}
    if check_norm(norm) not in widest:
        raise ConfigError(f"radii are bisected in {', '.join(widest)}; {norm!r} has no such radius")
    if not ratio > 1:
        raise ConfigError(f"ratio must be above 1, got {ratio!r}")
    radii = torch.zeros(len(x), dtype=torch.float64, device=x.device)

    def proved(rows: Tensor, eps: float) -> Tensor:
        return certificate.certify(protected, x[rows], y[rows], ThreatModel(norm, eps))

    everything = torch.arange(len(x), device=x.device)
    pending = [(everything[proved(everything, SMALLEST_RADIUS)], SMALLEST_RADIUS, widest[norm])]
    while pending:
        rows, low, high = pending.pop()
        radii[rows] = low
        if not len(rows) or high <= ratio * low:
            continue
        middle = math.sqrt(low * high)
        holds = proved(rows, middle)
        pending += [(rows[holds], middle, high), (rows[~holds], low, middle)]
    return radii


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """A model in eval mode, each of its modules as before afterwards."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
