"""The sparse coding front end, with and without dropout."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from frontdef import FrontEnd
from frontdef.bpda import Surrogate, replace_gradient
from frontdef_sparsecode import figures
from frontdef_sparsecode.config import FilledConfig, FixedSparseCodeConfig, SparseCodeConfig
from frontdef_sparsecode.decoder import Decoder
from frontdef_sparsecode.dictionary import check_dictionary, learn_dictionary
from frontdef_sparsecode.encoder import activate, largest, project, soft_activate
from frontdef_sparsecode.surrogates import AUTOENCODER, BACKWARD, SURROGATES

ConfigT = TypeVar("ConfigT", bound=FixedSparseCodeConfig)


class SparseCoding(FrontEnd[ConfigT]):
    """Sparse code of overlapping patches, decoded to an image (dissertation, section 4.2; appendix B).

    ``decoder(activation(dropout(top-T(D^T · patches))))``. The dictionary D comes from `fit`; the decoder's weights are
    trained along with the classifier.

    Args:
        config: See the configuration's fields.
        image_shape: ``(C,H,W)`` of the images.
        surrogate: How activation and selection are differentiated; `SURROGATES`.

    Raises:
        ConfigError: No image shape, T > atoms, patches larger than the images.
        UnknownNameError: Another surrogate.
    """

    surrogates: ClassVar[tuple[Surrogate, ...]] = SURROGATES
    needs_image_shape: ClassVar[bool] = True
    learns: ClassVar[bool] = True
    pairs_lone_images: ClassVar[bool] = True

    atoms: Tensor

    def __init__(
        self,
        config: ConfigT,
        *,
        image_shape: Sequence[int] | None = None,
        surrogate: str | Surrogate | None = None,
    ) -> None:
        super().__init__(config, image_shape=image_shape, surrogate=surrogate)
        assert self.image_shape is not None
        self.settings: FilledConfig = config.settings(self.image_shape)
        self.threshold: float = config.beta * self.settings.eps
        side = self.settings.patch
        drawn = torch.randn(self.settings.atoms, self.image_shape[0], side, side)
        self.register_buffer("atoms", drawn / drawn.flatten(1).norm(dim=1)[:, None, None, None])
        self.decoder = Decoder(self.settings, self.image_shape)

    def forward(self, x: Tensor) -> Tensor:
        """Encode and decode.

        Args:
            x: float32 ``(N,C,H,W)`` in [0,1].

        Returns:
            ``(N,C,H,W)`` in [0,1].
        """
        if self.surrogate.name != AUTOENCODER.name:
            decoded: Tensor = self.decoder(self.encode(x))
            return decoded
        with torch.no_grad():
            code = self.encode(x)
        # The decoder's weights still get their gradient, so this surrogate can stand in a training, too.
        straight: Tensor = self.decoder(code) + (x - x.detach())
        return straight

    def encode(self, x: Tensor) -> Tensor:
        """The sparse code.

        Args:
            x: float32 ``(N,C,H,W)`` in [0,1].

        Returns:
            ``(N,L,h,w)``, values in {−‖d‖₁, 0, ‖d‖₁}.
        """
        projections = project(x, self.atoms, self.settings.stride)
        backward = BACKWARD.get(self.surrogate.name)
        chosen = largest(projections, self._reach(backward.reach if backward and projections.requires_grad else 1))
        values = projections.gather(-1, chosen)
        norms = self.norms[chosen]
        kept = self.drop(torch.ones_like(values))
        soft = soft_activate(values, norms, self.threshold, self.config.signed, self.surrogate.steepness)
        exact = activate(values.detach(), norms, self.threshold, self.config.signed)
        exact[..., self.settings.top :] = 0.0
        selected = replace_gradient(exact * kept, soft * kept)
        return self.on_grid(torch.zeros_like(projections).scatter(-1, chosen, selected))

    @property
    def norms(self) -> Tensor:
        """‖d‖₁ of the atoms, float32 ``(L,)``."""
        return self.atoms.double().flatten(1).abs().sum(1).float()

    @property
    def grid(self) -> tuple[int, int]:
        """Number of patches, down and across."""
        assert self.image_shape is not None
        height, width = ((side - self.settings.patch) // self.settings.stride + 1 for side in self.image_shape[1:])
        return height, width

    def on_grid(self, coefficients: Tensor) -> Tensor:
        """``(N,P,L)`` → ``(N,L,h,w)``."""
        maps: Tensor = coefficients.mT.unflatten(-1, self.grid)
        return maps

    def fit(self, images: Tensor) -> None:
        """Learn the dictionary, from the front end's seed.

        It depends on nothing else than seed, images and the dictionary's configuration: a front end with another
        decoder, fitted to the same images from the same seed, encodes in the same way.

        Args:
            images: Training images, float32 ``(N,C,H,W)`` in [0,1].

        Raises:
            ConfigError: Images without content.
        """
        self.use_dictionary(learn_dictionary(images, self.settings, self._seed))

    def use_dictionary(self, atoms: Tensor) -> None:
        """Take a dictionary that was learned elsewhere.

        Args:
            atoms: ``(L,C,n,n)``, each of unit ℓ2 norm.

        Raises:
            ConfigError: Made for other patches, another number of atoms, or not of unit norm.
        """
        self.atoms.copy_(check_dictionary(atoms, tuple(self.atoms.shape)))

    def penalties(self) -> Mapping[str, Callable[[Tensor, nn.Module], Tensor]]:
        """``reconstruction``: mean squared difference of output and image, what an unsupervised decoder minimizes."""
        return {"reconstruction": lambda images, _: F.mse_loss(self(images), images)}

    def figures(self, images: Tensor) -> Mapping[str, Tensor]:
        """The dictionary, the coefficients after each operation, their histogram, and the output.

        Args:
            images: float32 ``(N,C,H,W)`` in [0,1].
        """
        with torch.no_grad():
            shown = figures.draw(images, self.atoms, self.operations(images), self.settings.stride)
            return {**shown, "after the front end": self(images)}

    def operations(self, images: Tensor) -> dict[str, Tensor]:
        """Coefficients over ‖d‖₁ after each operation of the encoder, ``(N,P,L)`` in [−1,1] each."""
        projections, top = project(images, self.atoms, self.settings.stride), self.settings.top
        chosen = largest(projections, top)
        values, norms = projections.gather(-1, chosen), self.norms[chosen]
        kept = self.drop(torch.ones_like(values))
        active = activate(values, norms, self.threshold, self.config.signed)
        steps = {
            f"{top} largest": values / norms,
            "after dropout": values / norms * kept,
            "after activation": active / norms * kept,
        }
        if not self.randomized:
            del steps["after dropout"]
        empty = torch.zeros_like(projections)
        scattered = {name: empty.scatter(-1, chosen, selected) for name, selected in steps.items()}
        return {"projections": projections / self.norms, **scattered}

    def extra_repr(self) -> str:
        """The configuration, for ``print``."""
        return str(self.settings)

    def _reach(self, reach: int | None) -> int:
        return min(self.settings.atoms, self.settings.top * (reach or self.settings.atoms))

    def drop(self, kept: Tensor) -> Tensor:
        """Dropout of selected coefficients ``(N,P,U)``, the T largest first; here none."""
        return kept


class FixedSparseCode(SparseCoding[FixedSparseCodeConfig]):
    """The encoder without randomization (4.2.2.3, appendix B)."""


class SparseCode(SparseCoding[SparseCodeConfig]):
    """The encoder with dropout in training and at test time (4.2.2.2)."""

    randomized: ClassVar[bool] = True

    def drop(self, kept: Tensor) -> Tensor:
        """Dropout of selected coefficients, with draws from the front end's own generator (eq. 4.5)."""
        # The kept ones draw first: what a seed gives does not depend on how far the gradient reaches.
        generator, top = self.generator(kept.device), self.settings.top
        parts = [
            torch.rand(group.shape, generator=generator, device=kept.device)
            for group in (kept[..., :top], kept[..., top:])
        ]
        return kept * (torch.cat(parts, -1) >= self.config.dropout)
