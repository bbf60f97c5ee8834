"""How many images pass through a model at once: by their size, and fewer where memory does not suffice."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from frontdef.errors import OutOfMemoryError
from frontdef.heap import give_back

Result = TypeVar("Result")
GoBack = Callable[[], None]
"""Puts something back to where it stood when it was noted."""

MOST = 256
"""Images at once, however small they are."""

VALUES = 32 * 3 * 224 * 224
"""Values of the images that pass at once, where these are large: 32 of 3×224×224."""

SAYS = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "ALLOC_FAILED",
    "bad_alloc",
    "could not create a memory object",
    "could not create a primitive",
)
"""What torch, cuBLAS and oneDNN say in a `RuntimeError` where an allocation failed."""


def at_once(image_shape: Sequence[int]) -> int:
    """How many images pass through a model at once.

    Args:
        image_shape: ``(C,H,W)``, or ``(D,C,H,W)`` where each is drawn D times.
    """
    return max(1, min(MOST, VALUES // max(1, math.prod(image_shape))))


def exhausted(error: BaseException) -> bool:
    """Whether an exception, or one that led to it, says that memory did not suffice: torch's, CUDA's or numpy's."""
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        if isinstance(at, MemoryError | torch.OutOfMemoryError):
            return True
        if isinstance(at, RuntimeError) and any(words in str(at) for words in SAYS):
            return True
        at = at.__cause__ or at.__context__
    return False


def note_generators() -> GoBack:
    """Note where torch's and numpy's global generators stand."""
    cpu, devices, numpy = torch.get_rng_state(), _cuda_states(), np.random.get_state()

    def go_back() -> None:
        torch.set_rng_state(cpu)
        for device, state in enumerate(devices):
            torch.cuda.set_rng_state(state, device)
        np.random.set_state(numpy)

    return go_back


def _cuda_states() -> list[torch.Tensor]:
    return torch.cuda.get_rng_state_all() if torch.cuda.is_available() and torch.cuda.is_initialized() else []


@dataclass
class Batches:
    """Goes through samples in batches, and halves them where one does not fit into memory.

    A batch that did not fit is tried again with fewer of the same images, from where the generators stood when it
    began; so where the first one is halved, all comes out as if the smaller size had been asked for.

    Args:
        size: Images at once; smaller afterwards where a batch was halved.
    """

    size: int

    def over(
        self, total: int, work: Callable[[slice], Result], *, note: Callable[[], GoBack] | None = None
    ) -> Iterator[tuple[slice, Result]]:
        """Do some work on all samples.

        Args:
            total: How many there are.
            work: What is done to those of a slice.
            note: Notes what else a failed try must leave as it was, and returns what puts it back.

        Yields:
            Each slice, with what the work on it gave.

        Raises:
            OutOfMemoryError: Memory does not suffice for one image.
        """
        start = 0
        while start < total:
            rows = slice(start, min(start + self.size, total))
            notes = (note_generators(), *((note(),) if note else ()))
            words = ""
            try:
                result = work(rows)
            except Exception as error:
                if not exhausted(error):
                    raise
                words = " ".join(str(error).split())[:200] or type(error).__name__
            if words:  # outside the handler: the traceback would hold the tensors of the failed try
                count = rows.stop - rows.start
                _release()
                if count == 1:
                    raise OutOfMemoryError(words)
                self.size = count // 2
                for go_back in notes:
                    go_back()
                continue
            start = rows.stop
            yield rows, result
            del result


def _release() -> None:
    """Let go of what a failed try held."""
    gc.collect()
    give_back()
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
