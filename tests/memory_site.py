"""Data sets of large images, and models that need much memory, as a plugin that real processes find."""

from __future__ import annotations

import re
from pathlib import Path

from tests.plugins.conftest import Site

PLUGIN = """
    import torch
    import frontdef
    from frontdef.classifiers import Classifier
    from frontdef.classifiers.network import Network
    from frontdef.datasets import Dataset, Split
    from frontdef.frontend import Identity

    class Broad(Identity):
        '''Holds 64 kB a pixel for the backward pass, and puts out what it gets.'''

        def forward(self, x):
            wide = x.unsqueeze(-1) * torch.ones(16384)
            return (wide.asin().sin() / 1).mean(-1).clamp(0, 1)

    def random_images(side, channels, count):
        def load(split, *, root, download):
            draws = torch.Generator().manual_seed(side)
            images = torch.rand((count, channels, side, side), generator=draws)
            return Split(images, torch.arange(count) % 10, torch.arange(count))

        return load

    def resnet18(in_shape, n_classes):
        from torchvision.models import resnet18

        return Network("tv-resnet18", resnet18(num_classes=n_classes), in_shape, n_classes)

    @frontdef.hookimpl
    def frontdef_defenses():
        yield frontdef.Defense("broad", Broad)

    @frontdef.hookimpl
    def frontdef_datasets():
        for side, count in ((8, 400), (32, 400), (224, 160)):
            channels = 1 if side == 8 else 3
            yield Dataset(f"random-{side}", random_images(side, channels, count), (channels, side, side), 10,
                          n_train=count, n_test=count)

    @frontdef.hookimpl
    def frontdef_classifiers():
        yield Classifier("tv-resnet18", resnet18)
"""

MATRIX = """
name = "memory"
datasets = ["{dataset}"]
classifiers = ["{classifier}"]
samples = {samples}
batch_size = {batch_size}
train_samples = 8
libraries = ["{library}"]
recipe = [{{ epochs = 1, lr = 0.001, batch_size = 4 }}]
[[defense]]
name = "{defense}"
[[attack]]
family = "pgd"
eps = [0.03]
parameters = {{ steps = {steps} }}
"""


def install(folder: Path) -> None:
    """Install the plugin into a site folder."""
    Site(folder).install("frontdef-memory", PLUGIN)


def matrix(
    *,
    dataset: str,
    samples: int,
    batch_size: int = 256,
    classifier: str = "fc2",
    defense: str = "none",
    library: str = "native",
    steps: int = 2,
) -> str:
    """A matrix of one cell."""
    return MATRIX.format(
        dataset=dataset, classifier=classifier, samples=samples, batch_size=batch_size, defense=defense,
        library=library, steps=steps,
    )  # fmt: skip


def held(name: str = "VmRSS") -> int:
    """Bytes that this process holds; ``VmHWM`` for the most since `forget_peak`."""
    return int(re.search(rf"{name}:\s+(\d+)", Path("/proc/self/status").read_text())[1]) * 1024


def forget_peak() -> None:
    """Let ``VmHWM`` begin at what is held now."""
    Path("/proc/self/clear_refs").write_text("5")
