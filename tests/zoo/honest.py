"""Models that may not be called masked."""

from __future__ import annotations

import torch

import frontdef
from frontdef import bpda
from frontdef.config import Config
from frontdef.frontend import FrontEnd, Identity
from frontdef.protected import Protected

from . import member
from .lab import LONG, SHAPE, GaussianNoise, Lab, cnn, dense, nonexpansive


class Rounding(FrontEnd[Config]):
    """Rounds to four levels."""

    surrogates = (bpda.IDENTITY, bpda.SMOOTH)

    def forward(self, x):
        return bpda.quantize(x, 4, self.surrogate)


def bare(classifier) -> Protected:
    return Protected(Identity(Config()), classifier, image_shape=SHAPE)


@member("undefended CNN", "honest", seen=True)
def undefended(lab: Lab) -> Protected:
    """No defense, a small CNN."""
    return bare(lab.fit(cnn))


@member("PGD-trained CNN", "honest", seen=True)
def pgd_trained(lab: Lab) -> Protected:
    """Trained on PGD examples (Madry et al. 2018): robust, and attacks that are weaker should be."""
    return bare(lab.robust)


@member("rounding with identity surrogate", "honest", seen=True)
def rounding_identity(lab: Lab) -> Protected:
    """The same rounding as the first liar's, coarser, with a gradient that arrives."""
    return Protected(Rounding(Config()), lab.undefended, image_shape=SHAPE)


@member("Gaussian noise under EOT", "honest", seen=True)
def gaussian_noise(lab: Lab) -> Protected:
    """Randomized and declared: attacked by expectation over transformation."""
    return lab.behind(GaussianNoise(Config()))


@member("undefended dense net", "honest", seen=True)
def undefended_dense(lab: Lab) -> Protected:
    """No defense, fully connected."""
    return bare(lab.undefended)


@member("noise-trained CNN", "honest", seen=True)
def noise_trained(lab: Lab) -> Protected:
    """Trained on noisy images, evaluated without noise."""
    return bare(lab.fit(cnn, GaussianNoise(Config())))


@member("wavelet, projection gradient", "honest", seen=True)
def wavelet(lab: Lab) -> Protected:
    """The sparsifying front end of `frontdef-wavelet` with the paper's gradient."""
    front_end = frontdef.load("wavelet", keep=0.1, image_shape=SHAPE, surrogate="projection").front_end
    return lab.behind(front_end)


@member("smooth quantizer", "honest", seen=True)
def smooth_quantizer(lab: Lab) -> Protected:
    """A sum of sigmoids instead of steps: its gradient is true and small between them."""

    class Smooth(FrontEnd[Config]):
        def forward(self, x):
            thresholds = (torch.arange(3, dtype=x.dtype, device=x.device) + 0.5) / 3
            return torch.sigmoid(20 * (x.unsqueeze(-1) - thresholds)).mean(-1)

    return lab.behind(Smooth(Config()))


@member("l2-nonexpansive net", "honest", seen=True)
def l2_nonexpansive(lab: Lab) -> Protected:
    """Spectral norm 1 in every layer: small logits, small gradients, robust by construction."""
    return bare(lab.fit(nonexpansive, None, LONG))


@member("JPEG with identity surrogate", "honest", seen=True)
def jpeg(lab: Lab) -> Protected:
    """ART's JPEG compression at quality 50, of `frontdef-art`."""
    front_end = frontdef.load("art-jpeg", quality=50, image_shape=SHAPE, surrogate="identity").front_end
    return Protected(front_end, lab.undefended, image_shape=SHAPE)


@member("TRADES-trained CNN", "honest", seen=True)
def trades_trained(lab: Lab) -> Protected:
    """Trained to answer images and their PGD examples alike (Zhang et al. 2019)."""
    return bare(lab.trades)


@member("median filter, true gradient", "honest", seen=True)
def median_filter(lab: Lab) -> Protected:
    """ART's spatial smoothing: the gradient reaches one pixel of each window."""
    return lab.behind(frontdef.load("art-spatial-smoothing", image_shape=SHAPE).front_end)


@member("thermometer code", "honest", seen=True)
def thermometer(lab: Lab) -> Protected:
    """ART's thermometer encoding with the gradient of sigmoids; its output has another shape than the image."""
    return lab.behind(
        frontdef.load("art-thermometer", num_space=4, image_shape=SHAPE).front_end, lambda: dense(4 * 784)
    )


@member("dropout under EOT", "honest", seen=True)
def dropout(lab: Lab) -> Protected:
    """Drops a fifth of the pixels at test time and says so."""

    class Dropout(FrontEnd[Config]):
        randomized = True
        keeps_range = False

        def forward(self, x):
            return bpda.dropout(x, 0.2, self.generator(x.device))

    return lab.behind(Dropout(Config()))
