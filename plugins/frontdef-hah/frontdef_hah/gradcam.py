"""Grad-CAM by captum: which places of a layer speak for a class (Figure 5.9)."""

from __future__ import annotations

import difflib

from torch import Tensor, nn
from torch.nn import functional as F

from frontdef import Protected
from frontdef.errors import ConfigError, FrontdefError


def grad_cam(protected: Protected, x: Tensor, layer: str = "", y: Tensor | None = None) -> Tensor:
    """Grad-CAM heat maps (Selvaraju et al. 2017, arXiv:1610.02391, equations 1 and 2).

    Args:
        protected: The network.
        x: Images, float32 ``(N,C,H,W)`` in [0,1].
        layer: Path of the module whose output is explained, as in ``dict(protected.named_modules())``; the first
            convolution if absent.
        y: Classes to explain, int64 ``(N,)``; the predicted ones if absent.

    Returns:
        Heat ``(N,1,H,W)`` in [0,1], each map scaled to its maximum; all 0 where nothing speaks for the class.

    Raises:
        ConfigError: No such module, or one whose output is no ``(N,C,H,W)``.
        FrontdefError: captum is not installed.
    """
    try:
        from captum.attr import LayerGradCam
    except ImportError:
        raise FrontdefError(
            'grad_cam needs captum, which is not installed. Mend: pip install "frontdef-hah[gradcam]"'
        ) from None
    module = _module(protected, layer)
    target = protected.predict(x).argmax(1) if y is None else y
    images = x.detach().to(protected.device).requires_grad_()
    counted = (protected.passes.forward, protected.passes.backward)
    heat: Tensor = LayerGradCam(protected, module).attribute(
        images, target.to(protected.device), relu_attributions=True
    )
    protected.passes.forward, protected.passes.backward = counted
    if heat.ndim != 4:
        raise ConfigError(
            f"layer {layer!r} puts out vectors, Grad-CAM needs (N,C,H,W): choose a convolution or a block"
        )
    heat = F.interpolate(heat.detach(), size=x.shape[2:], mode="bilinear", align_corners=False)
    peak = heat.amax(dim=(2, 3), keepdim=True)
    return (heat / peak.where(peak > 0, 1.0)).to(x.device)


def _module(protected: Protected, layer: str) -> nn.Module:
    modules: dict[str, nn.Module] = {path: module for path, module in protected.named_modules() if path}
    if not layer:
        layer = next((path for path, module in modules.items() if isinstance(module, nn.Conv2d)), "")
    if layer not in modules:
        near = difflib.get_close_matches(layer, modules, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"the model has no layer {layer!r}.{hint} Known: {', '.join(modules)}")
    return modules[layer]
