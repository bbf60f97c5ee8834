"""Hashes of what a live module is: its tensors, the code of its classes, what it answers."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterable, Mapping
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel
from torch import Tensor, nn

_PLAIN = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.Size)
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def state_digest(module: nn.Module) -> str:
    """Hash of all parameters and buffers, those that no ``state_dict`` has included.

    Args:
        module: On any device.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted({**module.state_dict(), **dict(module.named_buffers())}.items()):
        digest.update(f"{name}\0".encode())
        digest.update(tensor_bytes(tensor) if isinstance(tensor, Tensor) else repr(tensor).encode())
    return digest.hexdigest()[:32]


def tensor_bytes(tensor: Tensor) -> bytes:
    """Type, shape and values of a tensor."""
    values = tensor.detach().cpu().contiguous()
    header = f"{values.dtype}{tuple(values.shape)}".encode()
    return header + values.reshape(-1).view(torch.uint8).numpy().tobytes() if values.numel() else header


def code_digest(subject: Any) -> str:
    """Hash of the code behind a module or a function as it is in memory, which files may no longer say.

    Of a module, the methods of its own and its children's classes up to torch's, its hooks, and plain attributes
    (numbers, strings, tensors) count; of a function, its byte code, constants, defaults, and what it closes over.
    What neither shows, a pass over fixed inputs does.

    Args:
        subject: An ``nn.Module``, a function, a method or an object that can be called.
    """
    digest = hashlib.sha256()
    for piece in _pieces(subject, seen=set()):
        digest.update(piece + b"\0")
    return digest.hexdigest()[:32]


def answers_digest(predict: Any, inputs: Tensor) -> str:
    """Hash of what a model answers to fixed inputs, four at a time on one thread, so that it repeats to the bit.

    Args:
        predict: Images ``(N,C,H,W)`` → tensor.
        inputs: The inputs.
    """
    digest, threads = hashlib.sha256(), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            for batch in inputs.split(4):
                digest.update(tensor_bytes(predict(batch)))
    finally:
        torch.set_num_threads(threads)
    return digest.hexdigest()[:32]


def _pieces(subject: Any, seen: set[int]) -> Iterable[bytes]:
    if id(subject) in seen:
        return
    seen.add(id(subject))
    if isinstance(subject, nn.Module):
        for name, module in subject.named_modules():
            yield f"{name}:{type(module).__module__}.{type(module).__qualname__}".encode()
            yield from _of_class(type(module), seen)
            yield from _of_attributes(module, seen)
    elif isinstance(subject, MethodType):
        yield from _pieces(subject.__func__, seen)
        yield from _of_value(subject.__self__, seen)
    elif isinstance(subject, FunctionType):
        yield from _of_code(subject.__code__)
        yield from _of_value(subject.__defaults__, seen)
        for cell in subject.__closure__ or ():
            try:
                yield from _of_value(cell.cell_contents, seen)
            except ValueError:  # an empty cell
                continue
        for name in subject.__code__.co_names:
            if name in subject.__globals__ and not inspect.ismodule(subject.__globals__[name]):
                yield name.encode()
                yield from _of_value(subject.__globals__[name], seen)
    elif callable(subject) and not isinstance(subject, type):
        yield from _of_class(type(subject), seen)
        yield from _of_attributes(subject, seen)


def _of_class(cls: type, seen: set[int]) -> Iterable[bytes]:
    for base in cls.__mro__:
        if base.__module__.partition(".")[0] in {"torch", "builtins"} or id(base) in seen:
            continue
        seen.add(id(base))
        for name, value in sorted(vars(base).items()):
            function = getattr(value, "__func__", getattr(value, "fget", value))
            if isinstance(function, FunctionType):
                yield name.encode()
                yield from _of_code(function.__code__)
            elif _is_plain(value) and not name.startswith("__"):
                yield f"{name}={_stable(value)}".encode()


def _of_attributes(holder: Any, seen: set[int]) -> Iterable[bytes]:
    for name, value in sorted(getattr(holder, "__dict__", {}).items()):
        if name in _HOOKS:
            for hook in value.values():
                yield from _pieces(hook, seen)
        elif not name.startswith("_") and name != "training":
            yield name.encode()
            yield from _of_value(value, seen)


def _of_value(value: Any, seen: set[int]) -> Iterable[bytes]:
    if _is_plain(value):
        yield _stable(value).encode()
    elif isinstance(value, BaseModel):
        yield value.model_dump_json().encode()
    elif isinstance(value, Tensor):
        yield tensor_bytes(value)
    elif isinstance(value, np.ndarray):
        yield f"{value.dtype}{value.shape}".encode() + value.tobytes()
    elif isinstance(value, nn.Module):
        yield state_digest(value).encode()
        yield from _pieces(value, seen)
    elif isinstance(value, Mapping | list | tuple):
        for item in value.items() if isinstance(value, Mapping) else value:
            yield from _of_value(item, seen)
    elif isinstance(value, FunctionType | MethodType):
        yield from _pieces(value, seen)


def _of_code(code: CodeType) -> Iterable[bytes]:
    yield code.co_code
    yield repr(code.co_names).encode()
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _of_code(constant)
        else:
            yield _stable(constant).encode()


def _stable(value: Any) -> str:
    """A text that is the same in every process: sets have no order of their own."""
    if isinstance(value, set | frozenset):
        return f"set({sorted(map(_stable, value))})"
    return f"({','.join(map(_stable, value))})" if isinstance(value, tuple | list) else repr(value)


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple | list | frozenset | set):
        return all(_is_plain(item) for item in value)
    return isinstance(value, _PLAIN)
