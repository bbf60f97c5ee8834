"""From a sparse code back to an image: three transposed convolutions."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from frontdef_sparsecode.config import FilledConfig


class Decoder(nn.Module):
    """Restores the size of the image; whether it also restores the image is a matter of its training (4.2.2.4).

    The widths, the crop and the clamp are those of the authors' code; the clamp to [0,1] contains the ReLU that the
    paper puts behind the last layer. For 32×32 images and 4×4 patches at stride 2 the sides are 15 → 32 → 34 → 36,
    cropped to 32; for 160×160, with interpolation, 39 → 41 → 162 → 164 → 166, cropped to 160.

    Args:
        settings: Atoms, patch, stride, widths and upsampling.
        image_shape: ``(C,H,W)``.
    """

    def __init__(self, settings: FilledConfig, image_shape: Sequence[int]) -> None:
        super().__init__()
        channels, height, width = image_shape
        wide, narrow = settings.widths
        self.size = (height, width)
        self.interpolated = settings.upsampling == "bicubic"
        kernel, stride = (3, 1) if self.interpolated else (settings.patch, settings.stride)
        self.first = nn.ConvTranspose2d(settings.atoms, wide, kernel, stride)
        self.second = nn.ConvTranspose2d(wide, narrow, 3)
        self.third = nn.ConvTranspose2d(narrow, channels, 3)
        # In the middle of the clamp's range: where it clamps, nothing would ever be learned.
        nn.init.constant_(self.third.bias, 0.5)  # type: ignore[arg-type]

    def forward(self, code: Tensor) -> Tensor:
        """Decode.

        Args:
            code: ``(N,L,h,w)``.

        Returns:
            ``(N,C,H,W)`` in [0,1].
        """
        # oneDNN chooses its kernel, and with it the rounding, by memory layout.
        features = self.first(code.contiguous()).relu()
        if self.interpolated:
            features = F.interpolate(features, [side + 2 for side in self.size], mode="bicubic")
        return self.finish(self.third(self.second(features).relu()))

    def finish(self, image: Tensor) -> Tensor:
        """The crop and the clamp of the last layer's output ``(N,C,≥H,≥W)``."""
        top, left = ((have - want) // 2 for have, want in zip(image.shape[2:], self.size, strict=True))
        return image[:, :, top : top + self.size[0], left : left + self.size[1]].clamp(0, 1)
