"""Projection onto a decoder's range by descent, for a whole batch at once, and its exact derivative.

``z_T`` of ``z_{t+1} = z_t − η ∇_z ½‖D(z_t) − x‖₂²`` is a function of the image ``x``. Its derivative is that of all T
steps in turn. Keeping the graph of 500 steps takes gigabytes; so only the codes are kept, and the backward pass goes
through the steps from the last to the first, each computed anew. Losses are summed over the batch, so that every row
descends as it would alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from frontdef_latent.config import DescentConfig

BETA1, BETA2 = 0.9, 0.999
"""Adam's moments (Kingma, Ba 2015, arXiv:1412.6980)."""

TINY = 1e-16
"""Added to Adam's second moment under the root, where a zero would have no derivative: its ε of 1e-8, squared."""

State = tuple[Tensor, ...]
"""The code ``(N,latent)``, and the optimizer's moments where it has any."""


def gradient_step(state: State, gradient: Tensor, t: int, lr: float) -> State:
    """Plain descent."""
    return (state[0] - lr * gradient,)


def adam_step(state: State, gradient: Tensor, t: int, lr: float) -> State:
    """Adam; ``t`` counts from 0."""
    code, first, second = state
    first = BETA1 * first + (1 - BETA1) * gradient
    second = BETA2 * second + (1 - BETA2) * gradient.square()
    root = (second / (1 - BETA2 ** (t + 1)) + TINY).sqrt()
    return code - lr * (first / (1 - BETA1 ** (t + 1))) / root, first, second


STEPS: dict[str, tuple[int, Callable[[State, Tensor, int, float], State]]] = {
    "gradient": (0, gradient_step),
    "adam": (2, adam_step),
}
"""Optimizer → how many moments it keeps, and its step."""


@dataclass(frozen=True)
class Descent:
    """A descent towards the code whose decoded image is nearest to an image.

    Args:
        decoder: Codes ``(N,latent)`` to flat images ``(N,n_values)``.
        config: Number and length of steps, optimizer.
    """

    decoder: nn.Module
    config: DescentConfig

    def run(self, flat: Tensor, start: Tensor) -> Tensor:
        """The code after the last step, with the derivative of all steps.

        Args:
            flat: Images ``(N,n_values)``.
            start: Codes ``(N,latent)`` to start from.

        Returns:
            Codes ``(N,latent)`` of the type of ``flat``, computed in float64.
        """
        result: Tensor = _Unrolled.apply(self, flat, start, *self.decoder.parameters())
        return result

    def initial(self, start: Tensor) -> State:
        """The state before the first step: all moments zero."""
        return (start, *[torch.zeros_like(start)] * STEPS[self.config.optimizer][0])

    def step(self, state: State, flat: Tensor, parameters: State, t: int, *, differentiable: bool) -> State:
        """One step for all rows.

        Args:
            state: The state before it.
            flat: Images ``(N,n_values)``.
            parameters: Of the decoder, in its own order.
            t: Number of the step, from 0.
            differentiable: Whether the step itself will be differentiated.
        """
        names = (name for name, _ in self.decoder.named_parameters())
        with torch.enable_grad():
            code = state[0] if differentiable else state[0].detach().requires_grad_()
            decoded = torch.func.functional_call(self.decoder, dict(zip(names, parameters, strict=True)), (code,))
            # The residual is the derivative of half its square: no graph of that square is needed.
            residual = decoded - flat
            (gradient,) = torch.autograd.grad(decoded, code, residual, create_graph=differentiable)
        with torch.set_grad_enabled(differentiable):
            return STEPS[self.config.optimizer][1](state, gradient, t, self.config.lr)


class _Unrolled(torch.autograd.Function):
    """All steps of a descent; see `Descent.run`."""

    @staticmethod
    def forward(ctx: Any, descent: Descent, flat: Tensor, start: Tensor, *parameters: Tensor) -> Tensor:
        # In float64: rounding, which differs between batch sizes, would otherwise grow over the steps, and the tails of
        # the sigmoid would be denormal numbers, which processors are slow at.
        wide_flat, wide_start, *wide = [tensor.double() for tensor in (flat, start, *parameters)]
        state = descent.initial(wide_start)
        keep = any(ctx.needs_input_grad)
        ctx.descent, ctx.states = descent, []
        for t in range(descent.config.steps):
            if keep:
                ctx.states.append([tensor.detach() for tensor in state])
            state = descent.step(state, wide_flat, tuple(wide), t, differentiable=False)
        ctx.save_for_backward(flat, *parameters)
        return state[0].to(flat.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        fixed = [tensor.detach().double() for tensor in ctx.saved_tensors]
        needs = [ctx.needs_input_grad[1], *ctx.needs_input_grad[3:]]
        differentiated = [tensor.requires_grad_() for tensor, need in zip(fixed, needs, strict=True) if need]
        totals = [torch.zeros_like(tensor) for tensor in differentiated]
        pulled: Sequence[Tensor] = ctx.descent.initial(upstream.double())
        for t in reversed(range(ctx.descent.config.steps)):
            state = tuple(tensor.requires_grad_() for tensor in ctx.states[t])
            after = ctx.descent.step(state, fixed[0], tuple(fixed[1:]), t, differentiable=True)
            pulled = torch.autograd.grad(after, [*state, *differentiated], pulled)
            pulled, shares = pulled[: len(state)], pulled[len(state) :]
            totals = [total + share for total, share in zip(totals, shares, strict=True)]
        gradients = iter(totals)
        flat_gradient, *rest = [next(gradients).to(upstream.dtype) if need else None for need in needs]
        return None, flat_gradient, pulled[0].to(upstream.dtype), *rest
