"""One-change mutants of a module's functions, made from its syntax tree at run time; nothing of it is written down."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import CodeType, FunctionType

Change = tuple[str, str, Callable[[ast.AST], None]]
"""Kind, what changes in words, and what changes it in place."""

COMPARISONS: Mapping[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.GtE, ast.LtE: ast.Gt, ast.Gt: ast.LtE, ast.GtE: ast.Lt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
SIGNS: Mapping[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
}  # fmt: skip
PROJECTIONS = frozenset({"clamp", "clip", "clamp_", "clip_by_value", "project", "projection", "_projection", "renorm"})
EXTREMES = {"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum", "amin": "amax", "amax": "amin"}
EXTREMES |= {"argmin": "argmax", "argmax": "argmin", "floor": "ceil", "ceil": "floor", "ones_like": "zeros_like"}
EXTREMES |= {"zeros_like": "ones_like", "ones": "zeros", "zeros": "ones", "all": "any", "any": "all"}
COPIES = frozenset({"clone", "copy", "detach", "copy_", "sign", "abs"})


HARMLESS = frozenset({"create_graph", "device", "disable", "dtype", "retain_graph", "verbose"})
"""Keywords whose values decide no example."""


@dataclass(frozen=True)
class Mutant:
    """One change.

    Args:
        line: Where in the module.
        number: Which of the changes of the module, in the order of its tree.
        kind: comparison, sign, constant, projection, copy, index or order.
        change: In words, without the library's own text.
    """

    line: int
    number: int
    kind: str
    change: str


def mutants(source: str) -> list[Mutant]:
    """Every mutant of the bodies of a module's functions."""
    return [
        Mutant(node.lineno, number, kind, change)  # type: ignore[attr-defined]
        for number, (node, (kind, change, _)) in enumerate(_changes(ast.parse(source)))
    ]


def compiled(source: str, file: str, mutant: Mutant) -> dict[tuple[str, int], CodeType]:
    """Code of the functions of a module with one change.

    Args:
        source: Of the module.
        file: Its file.
        mutant: The change.

    Returns:
        Qualified name and first line of each function → its code.
    """
    tree = ast.parse(source)
    for number, (node, (_, _, apply)) in enumerate(_changes(tree)):
        if number == mutant.number:
            apply(node)
            break
    codes: dict[tuple[str, int], CodeType] = {}
    _collect(compile(ast.fix_missing_locations(tree), file, "exec", dont_inherit=True), codes)
    return codes


def _collect(code: CodeType, codes: dict[tuple[str, int], CodeType]) -> None:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            codes[constant.co_qualname, constant.co_firstlineno] = constant
            _collect(constant, codes)


def install(functions: Mapping[tuple[str, int], list[FunctionType]], codes: Mapping[tuple[str, int], CodeType]) -> None:
    """Give live functions the code of their mutants."""
    for place, code in codes.items():
        for function in functions.get(place, ()):
            if function.__code__.co_freevars == code.co_freevars:
                function.__code__ = code


def _changes(tree: ast.Module) -> Iterator[tuple[ast.AST, Change]]:
    """Every node of a function's body with each change that can be made to it, always in the same order."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            nested = {
                id(inner) for node in function.body for inner in ast.walk(node) if isinstance(inner, ast.FunctionDef)
            }
            yield from _order(function)
            for statement in _without_docstring(function.body):
                if id(statement) in nested:
                    continue
                for node in _inside(statement):
                    for change in _of(node):
                        yield node, change


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0]
    text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    return body[1:] if text else body


def _inside(statement: ast.AST) -> Iterator[ast.AST]:
    """Nodes that compute something: no annotations, no messages of errors, no functions inside."""
    if isinstance(statement, ast.FunctionDef | ast.Raise | ast.Assert | ast.JoinedStr | ast.Import | ast.ImportFrom):
        return
    if isinstance(statement, ast.keyword) and statement.arg in HARMLESS:
        return
    yield statement
    for name, value in ast.iter_fields(statement):
        if name in {"annotation", "returns", "decorator_list"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _inside(child)


def _of(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
        other = COMPARISONS[type(node.ops[0])]
        yield "comparison", f"{type(node.ops[0]).__name__} becomes {other.__name__}", _set_comparison(other)
    elif isinstance(node, ast.BoolOp):
        other_op = ast.Or if isinstance(node.op, ast.And) else ast.And
        yield "comparison", f"{type(node.op).__name__} becomes {other_op.__name__}", _set("op", other_op)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.Invert):
        yield "comparison", "a negation is dropped", _become_operand
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "sign", "a minus is dropped", _become_operand
    elif isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in SIGNS:
        yield (
            "sign",
            f"{type(node.op).__name__} becomes {SIGNS[type(node.op)].__name__}",
            _set("op", SIGNS[type(node.op)]),
        )
    elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, int):
        yield "index", f"index {node.slice.value} becomes {node.slice.value + 1}", _shift_index
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float, bool):
        yield "constant", f"{node.value} becomes {_other(node.value)}", _set_value(_other(node.value))
    elif isinstance(node, ast.Call):
        yield from _of_call(node)


def _of_call(node: ast.Call) -> Iterator[Change]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name in PROJECTIONS and node.args:
        yield "projection", f"{name} is dropped", _become_first
    if name in EXTREMES:
        yield "order" if name in {"argmin", "argmax"} else "projection", f"{name} becomes {EXTREMES[name]}", _rename
    if name in COPIES and isinstance(node.func, ast.Attribute):
        yield "copy", f"{name} is dropped", _become_first
    if len(node.args) >= 2 and not any(isinstance(argument, ast.Starred) for argument in node.args):
        yield "order", "the first two arguments change places", _swap_arguments


def _order(function: ast.FunctionDef) -> Iterator[tuple[ast.AST, Change]]:
    """Neighbors in a loop's body change places."""
    for loop in ast.walk(function):
        if isinstance(loop, ast.For | ast.While):
            for number in range(len(loop.body) - 1):
                if not any(isinstance(loop.body[number + i], ast.FunctionDef) for i in (0, 1)):
                    yield loop.body[number], ("order", "a statement of a loop follows its next", _swap(loop, number))


def _other(value: float) -> float:
    if isinstance(value, bool):
        return not value
    return {0: 1, 1: 0}.get(value, 2 * value)


def _become(node: ast.AST, replacement: ast.AST) -> None:
    replacement = copy.copy(replacement)
    node.__class__ = replacement.__class__  # type: ignore[assignment]
    node.__dict__ = replacement.__dict__


def _become_operand(node: ast.AST) -> None:
    assert isinstance(node, ast.UnaryOp)
    _become(node, node.operand)


def _become_first(node: ast.AST) -> None:
    """``f(x, …)`` and ``x.f(…)`` become ``x``."""
    assert isinstance(node, ast.Call)
    owner = node.func.value if isinstance(node.func, ast.Attribute) else None
    modules = {"torch", "np", "numpy", "ep", "F", "self"}
    of_module = owner is None or (isinstance(owner, ast.Name) and owner.id in modules)
    replacement = node.args[0] if of_module else owner
    assert replacement is not None
    _become(node, replacement)


def _rename(node: ast.AST) -> None:
    assert isinstance(node, ast.Call)
    if isinstance(node.func, ast.Attribute):
        node.func.attr = EXTREMES[node.func.attr]
    elif isinstance(node.func, ast.Name):
        node.func.id = EXTREMES[node.func.id]


def _swap_arguments(node: ast.AST) -> None:
    assert isinstance(node, ast.Call)
    node.args[0], node.args[1] = node.args[1], node.args[0]


def _swap(loop: ast.For | ast.While, number: int) -> Callable[[ast.AST], None]:
    def swap(_: ast.AST) -> None:
        loop.body[number], loop.body[number + 1] = loop.body[number + 1], loop.body[number]

    return swap


def _set(name: str, kind: type[ast.AST]) -> Callable[[ast.AST], None]:
    return lambda node: setattr(node, name, kind())


def _set_comparison(kind: type[ast.cmpop]) -> Callable[[ast.AST], None]:
    def change(node: ast.AST) -> None:
        assert isinstance(node, ast.Compare)
        node.ops[0] = kind()

    return change


def _set_value(value: float) -> Callable[[ast.AST], None]:
    return lambda node: setattr(node, "value", value)


def _shift_index(node: ast.AST) -> None:
    assert isinstance(node, ast.Subscript)
    assert isinstance(node.slice, ast.Constant)
    node.slice = ast.copy_location(ast.Constant(node.slice.value + 1), node.slice)  # type: ignore[operator]
