"""Partial adversarial training: which layers have to be trained adversarially for a network to be robust?

A network is trained as a whole, one way. Then some of its layers are kept as they are, the others are drawn anew and
trained the other way (Bakiskan, *Structural Defense Techniques in Adversarial Machine Learning*, chapter 3.1.2.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from frontdef import training
from frontdef.analysis.layers import Layer, linear_list
from frontdef.classifiers.network import seeded
from frontdef.datasets import Split
from frontdef.errors import ConfigError, UnknownNameError
from frontdef.frontend import FrontEnd
from frontdef.stage import Stage

NAMES = {"A": "adversarial", "N": "natural"}
CODES: tuple[str, ...] = tuple(
    f"{x}{i}{y}{3 - i}" for i, x, y in product((1, 2), "AN", "NA")
)  # fmt: skip
"""``A1N2``: the named layers adversarially in the first training, the others naturally in the second."""

MODES = ("block", "single")
"""What a code's first half names: all layers up to the cut, or the layer at the cut alone."""


@dataclass(frozen=True)
class Code:
    """A code, read.

    Args:
        text: As it is written, ``A1N2``.
        first: How the whole network is trained first: ``A`` or ``N``.
        second: How what is drawn anew is trained then.
        keeps_named: Whether the layers that the first half names are kept (digit 1), or drawn anew (digit 2).
    """

    text: str
    first: str
    second: str
    keeps_named: bool


def parse_code(text: str) -> Code:
    """Read a code of four characters.

    Raises:
        UnknownNameError: None of `CODES`.
    """
    if text not in CODES:
        raise UnknownNameError(
            "code of partial training",
            text,
            CODES,
            "A is adversarial, N natural, 1 trained first and kept, 2 drawn anew and trained second; "
            "the first half is about the layers up to the cut.",
        )
    named, rest = text[0], text[2]
    return Code(text, named, rest, True) if text[1] == "1" else Code(text, rest, named, False)


def find_cut(layers: Sequence[Layer], cut: int | str, mode: str = "block") -> int:
    """The number of a cut that is given by number, or by the name or label of a layer.

    Args:
        layers: The linear list.
        cut: ``block``: how many layers stand before it, 0…L, or the layer before which it is. ``single``: the layer.
        mode: ``block`` or ``single``.

    Raises:
        UnknownNameError: No such layer, or no such mode.
        ConfigError: A number out of range.
    """
    if mode not in MODES:
        raise UnknownNameError("mode of partial training", mode, MODES)
    if isinstance(cut, str):
        numbers = {name: layer.number for layer in layers for name in (layer.name, layer.label)}
        if cut not in numbers:
            raise UnknownNameError("layer", cut, [name for layer in layers for name in (layer.label, layer.name)])
        return numbers[cut] - (mode == "block")
    low = 0 if mode == "block" else 1
    if not low <= cut <= len(layers):
        what = "layers before the cut" if mode == "block" else "the layer"
        raise ConfigError(
            f"cut = {cut} is out of range: {what}, {low}…{len(layers)} in this model "
            f"({', '.join(layer.label for layer in layers)})"
        )
    return cut


def divide(
    layers: Sequence[Layer], code: Code, cut: int, mode: str = "block"
) -> tuple[tuple[Layer, ...], tuple[Layer, ...]]:
    """Which layers are kept from the first training, and which are drawn anew and trained second.

    Args:
        layers: The linear list.
        code: What happens to which part.
        cut: As `find_cut` gives it.
        mode: ``block``: the code's first half names the first ``cut`` layers. ``single``: the layer ``cut`` alone.

    Returns:
        Kept, retrained; both in the order of the list.
    """
    named = {layer.number for layer in layers if (layer.number <= cut if mode == "block" else layer.number == cut)}
    kept = tuple(layer for layer in layers if (layer.number in named) == code.keeps_named)
    return kept, tuple(layer for layer in layers if layer not in kept)


def start_over(kept: Sequence[Layer], retrained: Sequence[Layer], *, seed: int) -> None:
    """Freeze the weights that are kept, and draw the others anew.

    Only weights and biases freeze: batch norms that are kept go on tracking their mean and variance, because these
    differ between clean and attacked images. Those that are drawn anew start from mean 0 and variance 1.

    Args:
        kept: Layers whose weights no longer require a gradient, so that no weight decay reaches them either.
        retrained: Layers that are initialized as torch initializes them.
        seed: Of the initial weights; the global generator is left alone.

    Raises:
        ConfigError: A layer that can't be initialized.
    """
    for layer in retrained:
        drawn = hasattr(layer.module, "reset_parameters") and not is_parametrized(layer.module)
        if layer.parameters() and not drawn:
            raise ConfigError(
                f"layer {layer.name!r} ({type(layer.module).__name__}) has weights and no way to draw them anew: "
                "partial training needs modules with reset_parameters(), and without parametrizations"
            )
    with seeded(seed):
        for layer in retrained:
            if hasattr(layer.module, "reset_parameters"):
                layer.module.reset_parameters()  # type: ignore[operator]
    for layers, flag in ((kept, False), (retrained, True)):
        for layer in layers:
            for parameter in layer.parameters():
                parameter.requires_grad_(flag)


def retrain(
    front_end: FrontEnd[Any],
    classifier: nn.Module,
    split: Split,
    stages: Sequence[Stage],
    code: Code,
    cut: int,
    *,
    mode: str = "block",
    seed: int,
    device: Any = "cpu",
) -> tuple[tuple[Layer, ...], tuple[Layer, ...]]:
    """The second training, in place. The front end stays as it is; where nothing is left to train, so does all.

    Args:
        front_end: Of the first training.
        classifier: Of the first training; its layers are counted.
        split: Training samples.
        stages: The recipe of the second training; stages that train the front end alone are left out.
        code: Which part is kept.
        cut: As `find_cut` gives it.
        mode: ``block`` or ``single``.
        seed: Of initial weights, order of samples and attacks.
        device: Where to train.

    Returns:
        The layers that were kept, and those that were trained.

    Raises:
        ConfigError: A layer that can't be initialized, or a training that diverges.
    """
    layers = linear_list(classifier)
    kept, retrained = divide(layers, code, find_cut(layers, cut, mode), mode)
    start_over(kept, retrained, seed=seed)
    if retrained:
        front_end.requires_grad_(False)
        chosen = [stage for stage in stages if stage.trains != "front-end"]
        training.fit_classifier(front_end, classifier, split, chosen, seed=seed, device=device, thaw=False)
    return kept, retrained
