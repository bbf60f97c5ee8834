"""Classifiers that stand behind a front end. Importing this module imports no ML library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from frontdef.errors import ConfigError
from frontdef.lazy import resolve

if TYPE_CHECKING:
    from torch import nn

    Builder = Callable[[tuple[int, ...], int], nn.Module]

__all__ = ["CLASSIFIERS", "Classifier"]


@dataclass(frozen=True)
class Classifier:
    """A classifier that a matrix can name.

    Args:
        name: Its id.
        builder: A function ``(in_shape, n_classes) -> nn.Module`` whose module turns ``(N,*in_shape)`` into logits
            ``(N,n_classes)``, or a reference ``"package.module:function"``. It raises `ConfigError` for shapes that it
            can't read; normalization is not its business.
        summary: One line for ``frontdef ls classifiers``.
        paper: Where it comes from.
    """

    name: str
    builder: str | Builder
    summary: str = ""
    paper: str = ""

    def build(
        self,
        in_shape: Sequence[int],
        n_classes: int,
        *,
        mean: float | Sequence[float] | None = None,
        std: float | Sequence[float] | None = None,
        seed: int = 0,
    ) -> nn.Module:
        """Make an untrained classifier; the same weights for the same seed.

        Its first layer subtracts ``mean`` and divides by ``std``, so whatever stands before it works in [0,1].

        Args:
            in_shape: What it reads: ``(C,H,W)``, or ``(D,)`` for classifiers of vectors.
            n_classes: Number of logits.
            mean: Mean of its training input, one number or one a channel; 0 if absent.
            std: Standard deviation of its training input, likewise; 1 if absent.
            seed: Of the initial weights; the global generator is left alone.

        Raises:
            ConfigError: A shape that it can't read, fewer than two classes, or a mean or std that does not fit.
        """
        from frontdef.classifiers.network import Network, seeded

        with seeded(seed):
            body = cast("Builder", resolve(self.builder))(tuple(in_shape), n_classes)
        return Network(self.name, body, tuple(in_shape), n_classes, mean, std)

    def without_last(self, in_shape: Sequence[int]) -> nn.Sequential:
        """Its layers but the last, untrained: the body of a front end that is all of a network but its last layer.

        The weights are drawn by the global generator.

        Args:
            in_shape: ``(C,H,W)`` or ``(D,)``.

        Raises:
            ConfigError: It is no sequence of layers with a linear one at its end, or can't read this shape.
        """
        from torch import nn

        # How many classes there are is the last layer's business.
        whole = cast("Builder", resolve(self.builder))(tuple(in_shape), 2)
        if not isinstance(whole, nn.Sequential) or not isinstance(whole[-1], nn.Linear):
            raise ConfigError(
                f"classifier {self.name!r} is a {type(whole).__name__} that does not end in a linear layer, so it "
                "can't be divided into a front end and its last layer: name one that is an nn.Sequential with "
                "nn.Linear at its end, such as fc2, cnn4 or small-cnn"
            )
        return whole[:-1]


SPARSIFICATION = "Gopalakrishnan et al., Toward Robust Neural Networks via Sparsification (2018), section 5"

RESNET = "He et al. 2015, arXiv:1512.03385"
VGG = "Simonyan and Zisserman 2015, arXiv:1409.1556, with the batch norm of Ioffe and Szegedy 2015, arXiv:1502.03167"

CLASSIFIERS: tuple[Classifier, ...] = (
    Classifier(
        "small-cnn",
        "frontdef.classifiers.cnn:small_cnn",
        summary="two 5x5 convolutions (32, 64), each with max-pooling, and a hidden layer of 1024",
        paper="Madry et al. 2018, arXiv:1706.06083",
    ),
    Classifier(
        "cnn4",
        "frontdef.classifiers.cnn:cnn4",
        summary="two 5x5 convolutions (20, 40), each with max-pooling, and two hidden layers of 1000 with dropout",
        paper=SPARSIFICATION,
    ),
    Classifier(
        "fc2",
        "frontdef.classifiers.dense:fc2",
        summary="one hidden layer of 10; reads vectors as well",
        paper=SPARSIFICATION,
    ),
    Classifier(
        "linear",
        "frontdef.classifiers.dense:linear",
        summary="one linear layer; what stands behind a front end that is all of a network but its last layer",
    ),
    Classifier(
        "resnet32",
        "frontdef.classifiers.resnet:resnet32",
        summary="15 pre-activation residual units (16, 32, 64 channels)",
        paper="He et al. 2016, arXiv:1603.05027, as in Madry et al. 2018",
    ),
    Classifier(
        "resnet18",
        "frontdef.classifiers.residual:resnet18",
        summary="eight residual blocks (64, 128, 256, 512 channels) with batch norm, a 3x3 stem",
        paper=RESNET,
    ),
    Classifier(
        "resnet18-narrow",
        "frontdef.classifiers.residual:resnet18_narrow",
        summary="the same with an eighth of the channels, for machines without an accelerator",
        paper=RESNET,
    ),
    Classifier(
        "vgg16-bn",
        "frontdef.classifiers.vgg:vgg16_bn",
        summary="thirteen 3x3 convolutions with batch norm and one linear layer, for images of 32x32 and more",
        paper=VGG,
    ),
    Classifier(
        "vgg16-bn-narrow",
        "frontdef.classifiers.vgg:vgg16_bn_narrow",
        summary="the same with an eighth of the channels, for machines without an accelerator",
        paper=VGG,
    ),
)
