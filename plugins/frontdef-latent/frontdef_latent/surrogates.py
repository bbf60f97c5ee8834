"""The gradients of a projection that an attacker may choose from."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from frontdef.bpda import Surrogate

UNROLLED = Surrogate("unrolled", doc="the true derivative of the projection: of all steps of the descent")
IMPLICIT = Surrogate(
    "implicit", doc="the damped pseudo-inverse of the decoder's Jacobian at the code: how the nearest code would move"
)
ENCODER = Surrogate("encoder", doc="the derivative of the encoder at the image (BPDA)")


def pseudo_inverse(decoder: nn.Module, code: Tensor, flat: Tensor, damping: float) -> Tensor:
    """(JᵀJ + δ)⁻¹ Jᵀ x with J = ∂D/∂z at the code: linear in the image, with the derivative of a Gauss–Newton step.

    At z = argmin ‖D(z) − x‖₂ the derivative is (JᵀJ + Σ_i (D_i − x_i) ∇²D_i)⁻¹ Jᵀ, by the implicit function theorem;
    this leaves out the second term, which is small where the image is near the range, and can't become singular.

    Args:
        decoder: Codes to flat images.
        code: Where to take J, ``(N,latent)``.
        flat: Images ``(N,n_values)``; only they receive a gradient.
        damping: δ. With 1/(η·T) it takes out those directions that T steps of length η do not reach.
    """
    jacobian = jacobian_of(decoder, code)
    gram = jacobian.mT @ jacobian + damping * torch.eye(code.shape[1]).to(code)
    return cast(Tensor, torch.linalg.solve(gram, jacobian.mT).detach() @ flat[..., None]).squeeze(-1)


def jacobian_of(decoder: nn.Module, code: Tensor) -> Tensor:
    """∂D/∂z at each code, ``(N,n_values,latent)``.

    Jᵀv is linear in v, so its derivative towards v is J: one pass back for each value of the code, which is short, and
    none for each pixel.

    Args:
        decoder: Codes ``(N,latent)`` to flat images ``(N,n_values)``.
        code: Where, ``(N,latent)``.
    """
    with torch.enable_grad():
        at = code.detach().requires_grad_()
        decoded = decoder(at)
        v = torch.zeros_like(decoded).requires_grad_()
        (pulled,) = torch.autograd.grad(decoded, at, v, create_graph=True)
        units = torch.eye(code.shape[1]).to(code)[:, None].expand(-1, len(code), -1)
        (columns,) = torch.autograd.grad(pulled, v, units, is_grads_batched=True)
    return columns.permute(1, 2, 0)
