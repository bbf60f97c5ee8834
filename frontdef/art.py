"""The ART side: a front end as an ART preprocessor whose gradient reaches the attacker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from art.defences.preprocessor.preprocessor import PreprocessorPyTorch
from art.estimators.classification import PyTorchClassifier
from torch import nn

from frontdef.errors import ImageError
from frontdef.images import check_range

if TYPE_CHECKING:
    from frontdef.frontend import FrontEnd


class FrontEndPreprocessor(PreprocessorPyTorch):  # type: ignore[misc]
    """A front end inside any ART pipeline.

    ART never calls ``estimate_forward`` when all preprocessors are PyTorch ones; it differentiates `forward`. The
    surrogate gradient of a front end lives inside its forward pass, so it arrives either way.

    Args:
        front_end: The front end; put into eval mode, its parameters frozen.
        apply_fit: Whether ART applies it before training.
        apply_predict: Whether ART applies it before inference.
    """

    params: ClassVar[list[str]] = ["front_end"]

    def __init__(self, front_end: FrontEnd[Any], *, apply_fit: bool = True, apply_predict: bool = True) -> None:
        super().__init__(is_fitted=True, apply_fit=apply_fit, apply_predict=apply_predict)
        self.front_end: FrontEnd[Any] = front_end.eval().requires_grad_(False)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.front_end})"

    def forward(self, x: torch.Tensor, y: Any | None = None) -> tuple[torch.Tensor, Any | None]:
        """Apply the front end.

        Args:
            x: float32 ``(N,C,H,W)`` in [0,1].
            y: Labels, returned as they are.

        Raises:
            ImageError: Integer or wrongly shaped images, NaN, or values that no attack with ε ≤ 1 on images in [0,1]
                can produce.
            NotTrainedError: The front end learns, and was never trained.
        """
        self.front_end.require_trained()
        check_range(x, -1.0, 2.0, "images are in [0,1], so an attack with ε ≤ 1 stays in [-1,2]")
        self.front_end.to(x.device)
        return self.front_end(x), y

    def fit(self, x: np.ndarray, y: np.ndarray | None = None, **kwargs: Any) -> None:
        """Prepare the front end without labels.

        Args:
            x: Training images, float32 ``(N,C,H,W)`` in [0,1].
            y: Ignored.
            kwargs: Ignored.
        """
        self.front_end.fit(torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32)))

    def estimate_gradient(self, x: np.ndarray, grad: np.ndarray) -> np.ndarray:
        """Pull a gradient back through the front end, also where its output has another shape than its input.

        Args:
            x: Images ``(N,C,H,W)``.
            grad: A loss gradient, of the output's shape ``(N,…)``, or K class gradients a sample, ``(N,K,…)``.

        Returns:
            ``(N,C,H,W)`` for a loss gradient, ``(N,K,C,H,W)`` for class gradients.

        Raises:
            ImageError: ``grad`` has neither shape.
        """
        inputs = torch.tensor(x, device=self.device, requires_grad=True)
        output, _ = self.forward(inputs)
        upstream = torch.tensor(grad, device=self.device, dtype=output.dtype)
        if upstream.shape == output.shape:
            (pulled,) = torch.autograd.grad(output, inputs, upstream)
        elif upstream.shape[:1] + upstream.shape[2:] == output.shape:
            pulled = torch.stack(
                [
                    torch.autograd.grad(output, inputs, class_gradient, retain_graph=True)[0]
                    for class_gradient in upstream.unbind(1)
                ],
                dim=1,
            )
        else:
            shape = tuple(output.shape[1:])
            raise ImageError(f"the gradient is (N, *{shape}) or (N, K, *{shape}), got {tuple(upstream.shape)}")
        return np.asarray(pulled.cpu().numpy())


def art_classifier(
    model: nn.Module,
    image_shape: tuple[int, ...],
    n_classes: int,
    device: torch.device,
    optimizer: torch.optim.Optimizer | None = None,
) -> PyTorchClassifier:
    """Wrap a module, images in [0,1] in and logits out, as ART's classifier.

    ``preprocessing=None`` leaves out the standardisation that ART adds by default.

    Args:
        model: The module.
        image_shape: ``(C,H,W)``.
        n_classes: Number of logits.
        device: Where the module lives.
        optimizer: With which ART trains it; None for a classifier that is attacked only.
    """
    for group in optimizer.param_groups if optimizer else ():
        for parameter in group["params"]:
            parameter.requires_grad_(True)
    return PyTorchClassifier(
        model=model,
        loss=nn.CrossEntropyLoss(),
        input_shape=image_shape,
        nb_classes=n_classes,
        clip_values=(0.0, 1.0),
        preprocessing=None,
        optimizer=optimizer,
        device_type="gpu" if device.type == "cuda" else "cpu",
    )
