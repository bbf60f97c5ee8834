"""Metrics of the chapter that apply to any convolutional network: SNR (eq. 5.6) and the squared Hoyer term."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import torch
from torch import Tensor

import frontdef
from frontdef import Protected
from frontdef.memory import at_once
from frontdef_hah.recording import conv_inputs


class SnrParameters(frontdef.Config):
    """Of the signal-to-noise ratio."""

    perturbation: Literal["gaussian", "pgd"] = frontdef.field(
        "gaussian", description="i.i.d. Gaussian noise (the paper's), or ℓ∞ PGD examples"
    )
    sigma: float = frontdef.field(0.1, gt=0, description="standard deviation of the noise, in [0,1] pixel values")
    clamp: bool = frontdef.field(
        True, description="whether noisy images are clipped to [0,1], as where the authors measure accuracy"
    )
    eps: float = frontdef.field(8 / 255, gt=0, description="ℓ∞ radius of the PGD examples, in [0,1] pixel values")
    steps: int = frontdef.field(20, ge=1, description="PGD steps, each 2.5·eps/steps long, from a random start")


class HoyerParameters(frontdef.Config):
    """The squared Hoyer term has none."""


def snr(protected: Protected, x: Tensor, y: Tensor, parameters: SnrParameters, seed: int) -> Mapping[str, Tensor]:
    """Signal-to-noise ratio at the input of each convolution, in dB (eq. 5.6).

    Args:
        protected: The network.
        x: Images, float32 ``(N,C,H,W)`` in [0,1].
        y: Labels, int64 ``(N,)``.
        parameters: The perturbation.
        seed: Of noise and random starts.

    Returns:
        Convolution → one value a sample, see `in_decibels`: their mean is eq. 5.6, their spread its uncertainty.
    """
    perturbed = _PERTURBATIONS[parameters.perturbation](protected, x, y, parameters, seed)
    ratios: dict[str, list[Tensor]] = defaultdict(list)
    size = at_once(x.shape[1:])
    for clean, noisy in zip(x.split(size), perturbed.split(size), strict=True):
        signals, disturbed = (conv_inputs(protected, batch, seed) for batch in (clean, noisy))
        for name, signal in signals.items():
            ratios[name].append(power_ratio(signal, disturbed[name]).cpu())
    return {name: in_decibels(torch.cat(parts)) for name, parts in ratios.items()}


def power_ratio(signal: Tensor, disturbed: Tensor) -> Tensor:
    """``‖f(x)‖² / ‖f(x+w) − f(x)‖²`` of each sample, float64 ``(N,)``; 1e-9 keeps the divisor above 0.

    Args:
        signal: ``(N,…)``.
        disturbed: ``(N,…)``.
    """
    signal, disturbed = signal.flatten(1).double(), disturbed.flatten(1).double()
    return signal.square().sum(1) / ((disturbed - signal).square().sum(1) + 1e-9)


def in_decibels(ratios: Tensor) -> Tensor:
    """Values whose mean is ``10·log₁₀(mean ratio)``.

    Eq. 5.6 takes the logarithm of a mean, which no mean of logarithms equals. Each sample gets
    ``10·log₁₀(m) + (10/ln 10)·(ratio − m)/m``, with m the mean ratio: linearized around m, so the mean is eq. 5.6
    to the digit and an interval of that mean is the delta method's.

    Args:
        ratios: Power ratios ``(N,)``, at least 0.

    Returns:
        dB, float ``(N,)``; NaN where no sample has any signal.
    """
    mean = ratios.mean()
    values = 10 * mean.log10() + 10 / math.log(10) * (ratios - mean) / mean
    return torch.where(mean > 0, values, torch.nan).float()


def hoyer(protected: Protected, x: Tensor, y: Tensor, parameters: HoyerParameters, seed: int) -> Mapping[str, Tensor]:
    """Squared Hoyer term across channels at the input of each convolution (section 5.3, Figure 5.4).

    Args:
        protected: The network.
        x: Images, float32 ``(N,C,H,W)`` in [0,1].
        y: Not used.
        parameters: None.
        seed: Of a randomized front end.

    Returns:
        Convolution → one value a sample, see `squared_hoyer`.
    """
    terms: dict[str, list[Tensor]] = defaultdict(list)
    for batch in x.split(at_once(x.shape[1:])):
        for name, values in conv_inputs(protected, batch, seed).items():
            terms[name].append(squared_hoyer(values).cpu())
    return {name: torch.cat(parts) for name, parts in terms.items()}


def squared_hoyer(activations: Tensor) -> Tensor:
    """``(ℓ1²/ℓ2² − 1)/(C − 1)`` across the C channels of each location, averaged over an image's locations.

    0 where one channel is alone at its location, 1 where all are of equal size. Locations without any activation say
    nothing and are left out.

    Args:
        activations: ``(N,C,H,W)``.

    Returns:
        float ``(N,)`` in [0,1]; NaN where there is one channel only, or no activation at all.
    """
    n_channels = activations.shape[1]
    magnitudes = activations.double().abs()
    ratio = magnitudes.sum(1).square() / magnitudes.square().sum(1)
    # 0/0 where no channel is active, and in every location of a single channel.
    return ((ratio - 1) / (n_channels - 1)).flatten(1).nanmean(1).float()


def _gaussian(protected: Protected, x: Tensor, y: Tensor, parameters: SnrParameters, seed: int) -> Tensor:
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed)).to(x)
    noisy = x + parameters.sigma * noise
    return noisy.clamp(0, 1) if parameters.clamp else noisy


def _pgd(protected: Protected, x: Tensor, y: Tensor, parameters: SnrParameters, seed: int) -> Tensor:
    from frontdef.attacks.native.pgd import pgd

    generator = torch.Generator(protected.device).manual_seed(seed)
    size = at_once(x.shape[1:])
    parts: Iterator[Tensor] = (
        pgd(
            protected,
            images.to(protected.device),
            labels.to(protected.device),
            threat=frontdef.ThreatModel("linf", parameters.eps),
            steps=parameters.steps,
            step_size=2.5 * parameters.eps / parameters.steps,
            random_start=True,
            generator=generator,
        ).to(x)
        for images, labels in zip(x.split(size), y.split(size), strict=True)
    )
    return torch.cat(list(parts))


_PERTURBATIONS: dict[str, Callable[[Protected, Tensor, Tensor, SnrParameters, int], Tensor]] = {
    "gaussian": _gaussian,
    "pgd": _pgd,
}
