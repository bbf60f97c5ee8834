"""The perturbation-to-signal ratio: how large a perturbation is, layer by layer, against what it perturbs.

C. Bakiskan, *Structural Defense Techniques in Adversarial Machine Learning*, chapter 3, equation 3.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from frontdef.analysis.layers import Layer, outputs_recorded, seen
from frontdef.errors import ConfigError, ImageError
from frontdef.frontend import FrontEnd
from frontdef.memory import at_once


def perturbation_ratio(signal: Tensor, perturbed: Tensor, p: float = 2.0) -> Tensor:
    """Equation 3.1 for each sample: ``‖f(x) − f(x + e)‖_p / ‖f(x)‖_p``, over all values of the sample.

    It does not change when both are multiplied by one number, so layers of different scales and sizes compare.

    Args:
        signal: ``f(x)``, ``(N,…)``.
        perturbed: ``f(x + e)``, of the same shape.
        p: Of the norm, positive; ``inf`` for the maximum.

    Returns:
        float64 ``(N,)``; ``inf`` where only the signal is zero, ``nan`` where the perturbation is zero as well.

    Raises:
        ConfigError: ``p`` is not positive.
        ImageError: The shapes differ.
    """
    if not p > 0:
        raise ConfigError(
            f"p of the norm is a positive number or inf, got {p!r}: 2 is the paper's, 1 and inf are usual"
        )
    if signal.shape != perturbed.shape:
        raise ImageError(
            f"signal and perturbed signal have one shape, got {tuple(signal.shape)}, {tuple(perturbed.shape)}"
        )
    clean, moved = signal.double().flatten(1), perturbed.double().flatten(1)
    perturbation, size = (torch.linalg.vector_norm(vectors, ord=p, dim=1) for vectors in (moved - clean, clean))
    ratio: Tensor = perturbation / size
    return ratio


def decibels(ratio: Tensor | float) -> float:
    """``20·log10`` of the mean of the ratios that are finite; ``nan`` where there is none."""
    ratios = torch.as_tensor(ratio, dtype=torch.float64).flatten()
    finite = ratios[ratios.isfinite()]
    return float(20 * finite.mean().log10()) if len(finite) else float("nan")


def layer_ratios(
    model: nn.Module,
    images: Tensor,
    perturbed: Tensor,
    *,
    p: Sequence[float] = (2.0,),
    batch_size: int | None = None,
    seed: int = 0,
) -> Mapping[float, Mapping[int, Tensor]]:
    """Ratios at the input (layer 0) and at the outputs of a front end, and of every convolution and linear layer.

    The outputs are those of the layer itself, before batch norm and activation. Where a layer is called several times
    in one pass, all it puts out counts as one signal. A randomized front end makes the same draws in both passes.

    Args:
        model: Any classifier, in eval mode.
        images: float32 ``(N,C,H,W)`` in [0,1].
        perturbed: The same images, attacked.
        p: The norms.
        batch_size: Images a pass; by their size if absent.
        seed: Of the draws of randomized front ends.

    Returns:
        p → number of the layer → float64 ``(N,)``. A layer that the forward pass never calls has no entry.

    Raises:
        ConfigError: No such layer, or one whose output does not have the samples as its first dimension.
        ImageError: Images and attacked images do not pair.
    """
    if images.shape != perturbed.shape:
        raise ImageError(f"images {tuple(images.shape)} and attacked images {tuple(perturbed.shape)} do not pair")
    layers = seen(model)
    size = batch_size or at_once(images.shape[1:])
    ratios: dict[float, dict[int, list[Tensor]]] = {order: {} for order in p}
    for clean, moved in zip(images.split(size), perturbed.split(size), strict=True):
        signals, others = (_signals(model, layers, batch, seed) for batch in (clean, moved))
        for order, into in ratios.items():
            for number, signal in signals.items():
                into.setdefault(number, []).append(perturbation_ratio(signal, others[number], order).cpu())
    return {order: {number: torch.cat(parts) for number, parts in into.items()} for order, into in ratios.items()}


def _signals(model: nn.Module, layers: tuple[Layer, ...], batch: Tensor, seed: int) -> dict[int, Tensor]:
    """What the layers put out, ``(N,…)`` each; the batch itself as layer 0."""
    for module in model.modules():
        if isinstance(module, FrontEnd):
            module.reseed(seed)
    with torch.no_grad(), outputs_recorded(layers) as recorded:
        model(batch)
    names = {layer.number: layer.name for layer in layers}
    signals = {0: batch}
    for number, outputs in recorded.items():
        for output in outputs:
            if len(output) != len(batch):
                raise ConfigError(
                    f"layer {names[number]!r} puts out {tuple(output.shape)} for {len(batch)} images: the "
                    "perturbation-to-signal ratio needs the samples in the first dimension"
                )
        if outputs:
            signals[number] = torch.cat([output.flatten(1) for output in outputs], dim=1)
    return signals
