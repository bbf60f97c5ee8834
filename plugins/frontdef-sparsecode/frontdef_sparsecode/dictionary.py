"""The patch dictionary: sparse coding of random patches (eq. 4.4)."""

from __future__ import annotations

import torch
from sklearn.decomposition import MiniBatchDictionaryLearning
from torch import Tensor

from frontdef.errors import ConfigError
from frontdef_sparsecode.config import FilledConfig

ROUNDS = 64
"""How often patches are drawn before too few with enough content is an error."""

UNIT = 1e-4
"""How far the ℓ2 norm of a given atom may be from 1."""


def learn_dictionary(images: Tensor, settings: FilledConfig, seed: int) -> Tensor:
    """Learn atoms of unit ℓ2 norm by scikit-learn's mini-batch dictionary learning (Mairal et al. 2009).

    Every step sees fresh patches, ``iterations · batch_size`` in all. Patches are values in [0,1], neither centered nor
    whitened. A patch whose ℓ2 norm is at most λ has the sparse code 0 whatever the dictionary (‖Dᵀx‖∞ ≤ ‖x‖₂ ≤ λ), so
    it adds a constant to eq. 4.4; such patches, the blank background of digits, are not drawn.

    Args:
        images: Training images, float32 ``(N,C,H,W)`` in [0,1].
        settings: Patch, stride, atoms, λ, iterations and batch size; nothing else of it matters.
        seed: Of the patches and of the learning.

    Returns:
        float32 ``(L,C,n,n)``, the same for the same images, settings and seed.

    Raises:
        ConfigError: Next to no patch of these images has an ℓ2 norm above λ.
    """
    patches = draw_patches(images, settings, settings.iterations * settings.batch_size, seed)
    learning = MiniBatchDictionaryLearning(
        n_components=settings.atoms,
        alpha=settings.lam,
        max_iter=1,  # one pass over the patches: iterations mini-batches
        batch_size=settings.batch_size,
        fit_algorithm="lars",
        tol=0.0,
        max_no_improvement=None,
        random_state=seed % 2**32,
    )
    atoms = torch.from_numpy(learning.fit(patches.flatten(1).double().numpy()).components_)
    # scikit-learn keeps ‖d‖₂ ≤ 1, eq. 4.4 asks for = 1.
    unit = atoms / atoms.norm(dim=1, keepdim=True).clamp_min(1e-12)
    dictionary: Tensor = unit.float().view(settings.atoms, *patches.shape[1:])
    return dictionary


def draw_patches(images: Tensor, settings: FilledConfig, count: int, seed: int) -> Tensor:
    """Random patches on the grid of the encoder with an ℓ2 norm above λ, with replacement; ``(count,C,n,n)``."""
    generator = torch.Generator().manual_seed(seed)
    images, patches = images.cpu(), []
    for _ in range(ROUNDS):
        drawn = _random_patches(images, settings, count, generator)
        patches.append(drawn[drawn.flatten(1).norm(dim=1) > settings.lam])
        if sum(map(len, patches)) >= count:
            return torch.cat(patches)[:count]
    raise ConfigError(
        f"of {ROUNDS * count} patches {settings.patch}x{settings.patch} only {sum(map(len, patches))} have an ℓ2 norm "
        f"above lam = {settings.lam:g}, and no other can teach the dictionary anything: lower lam, or check that the "
        "images are in [0,1] and not blank"
    )


def _random_patches(images: Tensor, settings: FilledConfig, count: int, generator: torch.Generator) -> Tensor:
    sides = [(side - settings.patch) // settings.stride + 1 for side in images.shape[2:]]
    which, row, column = (torch.randint(high, (count,), generator=generator) for high in (len(images), *sides))
    within = torch.arange(settings.patch)
    rows = (row * settings.stride)[:, None] + within
    columns = (column * settings.stride)[:, None] + within
    return images[which[:, None, None], :, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)


def check_dictionary(atoms: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return a given dictionary as float32, or say why it cannot serve.

    Args:
        atoms: ``(L,C,n,n)``.
        shape: The shape that is expected.

    Raises:
        ConfigError: Made for other patches, another number of atoms, or atoms that are not finite or of unit ℓ2 norm.
    """
    if tuple(atoms.shape) != shape:
        n_atoms, channels, side, _ = shape
        raise ConfigError(
            f"the dictionary is {tuple(atoms.shape)}, a front end of {n_atoms} atoms for {channels}-channel patches of "
            f"{side}x{side} needs {shape}: set patch and atoms to the dictionary's, or fit one to your images"
        )
    norms = atoms.detach().double().flatten(1).norm(dim=1)
    if not bool(((norms - 1).abs() <= UNIT).all()):
        raise ConfigError(
            f"atoms have the ℓ2 norm 1 (eq. 4.4), these {norms.min():.4g}…{norms.max():.4g}: divide each by its norm"
        )
    return atoms.detach().float()
