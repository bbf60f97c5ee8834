"""Zoos of models by name as a frontdef plugin; this module imports no ML library."""

from __future__ import annotations

from collections.abc import Iterable

import frontdef


@frontdef.hookimpl
def frontdef_models() -> Iterable[frontdef.Zoo]:
    """Offer the zoos ``torchvision``, ``timm`` and ``robustbench``."""
    yield frontdef.Zoo(
        "torchvision",
        load="frontdef_zoo.torchvision:load",
        names="frontdef_zoo.torchvision:names",
        summary="image classifiers of torchvision; weights by their name there, IMAGENET1K_V1",
        citation="TorchVision maintainers and contributors, 2016, github.com/pytorch/vision",
    )
    yield frontdef.Zoo(
        "timm",
        load="frontdef_zoo.timm:load",
        names="frontdef_zoo.timm:names",
        summary="PyTorch Image Models; weights by their tag there, a1_in1k",
        citation="Wightman 2019, doi:10.5281/zenodo.4414861",
    )
    yield frontdef.Zoo(
        "robustbench",
        load="frontdef_zoo.robustbench:load",
        names="frontdef_zoo.robustbench:names",
        summary="robust models of the RobustBench leaderboard, from checkpoints on disk",
        pattern="DATASET/THREAT/NAME",
        citation="Croce et al. 2021, arXiv:2010.09670",
    )
