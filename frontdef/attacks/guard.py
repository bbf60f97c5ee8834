"""What surrounds every attack: seeded global generators, and a model that comes back as it was given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch

from frontdef.attacks.conduct import OTHER_TYPE, Conduct

if TYPE_CHECKING:
    from torch import Tensor

    from frontdef.attacks.library import AttackLibrary
    from frontdef.attacks.spec import AttackSpec
    from frontdef.protected import Protected


@contextmanager
def isolated(protected: Protected, seed: int) -> Iterator[Conduct]:
    """Seed numpy's and torch's global generators, then restore them and the model: modes, flags, parameters, buffers.

    Libraries draw from the global generators, and some reseed them; ART leaves the model in eval mode, torchattacks in
    the mode that it found.

    Args:
        protected: The model under attack; its front end's own generator is reseeded, too.
        seed: For all of them.

    Yields:
        What the attack did to the model, complete once the context is left.
    """
    numpy_state = np.random.get_state()
    modes = {module: module.training for module in protected.modules()}
    flags = {parameter: parameter.requires_grad for parameter in protected.parameters()}
    values = {name: tensor.clone() for name, tensor in protected.state_dict().items()}
    conduct = Conduct()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)
        protected.front_end.reseed(seed)
        try:
            yield conduct
        finally:
            np.random.set_state(numpy_state)
            _restore(protected, modes, flags, values, conduct)


def note_model(protected: Protected) -> Callable[[], None]:
    """Note what a model's next batch begins with: its front end's draws, the passes that are counted, modes and flags.

    Args:
        protected: The model under attack.

    Returns:
        Puts all of it back, so that a batch which did not fit into memory can be tried again with fewer images.
    """
    draws = protected.front_end.note_draws()
    passes = protected.passes.forward, protected.passes.backward
    modes = {module: module.training for module in protected.modules()}
    flags = {parameter: parameter.requires_grad for parameter in protected.parameters()}

    def go_back() -> None:
        draws()
        protected.passes.forward, protected.passes.backward = passes
        for module, training in modes.items():
            module.training = training
        for parameter, flag in flags.items():
            parameter.requires_grad_(flag)
            parameter.grad = None

    return go_back


def attacked(
    library: AttackLibrary, spec: AttackSpec, protected: Protected, x: Tensor, y: Tensor, conduct: Conduct
) -> Tensor:
    """Run an attack on copies of images and labels, and look at what it did to them and what it returned.

    Args:
        library: Whose.
        spec: What to run.
        protected: The model.
        x: Images, float32 ``(N,C,H,W)`` in [0,1].
        y: Labels as `AttackLibrary.run` takes them, int64 ``(N,)``.
        conduct: Where faults are noted.

    Returns:
        The examples, float32 ``(N,C,H,W)``.

    Raises:
        ValueError: What came back is no tensor of the shape of ``x``.
    """
    images, labels = x.clone(), y.clone()
    examples = library.run(spec, protected, images, labels)
    if not torch.equal(images, x):
        conduct.note("changed the images that it was given")
    if not torch.equal(labels, y):
        conduct.note("changed the labels that it was given")
    if not isinstance(examples, torch.Tensor) or examples.shape != x.shape:
        what = tuple(examples.shape) if isinstance(examples, torch.Tensor) else type(examples).__name__
        raise ValueError(f"{library.name} returned {what}, images {tuple(x.shape)} were asked for")
    promoted = spec.precise and examples.dtype == torch.float64  # the logits' own type, which it was handed
    if examples.dtype != torch.float32 and not promoted:
        conduct.note(f"{OTHER_TYPE}: {str(examples.dtype).removeprefix('torch.')} instead of float32")
    return examples.detach().to(x)


def _restore(
    protected: Protected,
    modes: dict[torch.nn.Module, bool],
    flags: dict[torch.nn.Parameter, bool],
    values: dict[str, Tensor],
    conduct: Conduct,
) -> None:
    for module, training in modes.items():
        if module.training != training:
            conduct.note(f"left the model in {'training' if module.training else 'eval'} mode")
        module.training = training
    for parameter, flag in flags.items():
        if parameter.requires_grad != flag:
            conduct.note("changed requires_grad of parameters")
        parameter.requires_grad_(flag)
        parameter.grad = None
    changed = {name: tensor for name, tensor in protected.state_dict().items() if not torch.equal(tensor, values[name])}
    if changed:
        conduct.note("changed the model's parameters or buffers")
        with torch.no_grad():
            for name, tensor in changed.items():
                tensor.copy_(values[name])
