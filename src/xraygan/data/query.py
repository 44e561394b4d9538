"""`--where`: a question to each row, in a safe part of Python's expressions; nothing is run."""

import ast
import operator
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from xraygan.data.tables import nearest
from xraygan.errors import XrayganError

Values = Mapping[str, Any]
_Rule = Callable[[Values], Any]

_LONGEST = 2000
_MOST_NODES = 200
_ORDER: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def as_name(column: str) -> str:
    """How a column is called in a question: "View Position" becomes View_Position."""
    return re.sub(r"\W", "_", column.strip())


def compile_where(text: str, names: Collection[str]) -> Callable[[Values], bool]:
    """Turn a question into a function of one row.

    Comparisons, `and`, `or`, `not`, `in`, numbers, strings, lists and names of columns. A text
    that is compared with a number counts as the number it spells. A comparison with a value
    that is missing or of another kind is false, except `!=` and `not in`.

    Args:
        text: such as 'view == "PA" and age >= 18'.
        names: the names that a row has.

    Raises:
        XrayganError: another construct (it is named), or a name that no column has.
    """
    if len(text) > _LONGEST:
        raise XrayganError(f"--where is longer than {_LONGEST} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval")
        if sum(1 for _ in ast.walk(tree)) > _MOST_NODES:
            raise XrayganError(f"--where has more than {_MOST_NODES} parts; ask in shorter steps")
        rule = _compile(tree.body, frozenset(names))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise XrayganError(
            f"--where {text!r} is not an expression; write for instance "
            "'view == \"PA\" and age >= 18'"
        ) from None
    return lambda values: bool(rule(values))


def _compile(node: ast.expr, names: frozenset[str]) -> _Rule:
    match node:
        case ast.BoolOp(op=op, values=operands):
            rules = [_compile(operand, names) for operand in operands]
            every = all if isinstance(op, ast.And) else any
            return lambda values: every(rule(values) for rule in rules)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            rule = _compile(operand, names)
            return lambda values: not rule(values)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return _constant(-number)
        case ast.Constant(value=str() | int() | float() as value):
            return _constant(value)
        case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
            rules = [_compile(element, names) for element in elements]
            return lambda values: tuple(rule(values) for rule in rules)
        case ast.Name(id=name):
            if name not in names:
                raise XrayganError(f"--where: there is no column '{name}'{nearest(name, names)}")
            return lambda values: values.get(name)
        case ast.Compare(left=left, ops=operations, comparators=others):
            sides = [_compile(side, names) for side in (left, *others)]
            return lambda values: all(
                _compare(operation, sides[i](values), sides[i + 1](values))
                for i, operation in enumerate(operations)
            )
    raise XrayganError(
        f"--where: {type(node).__name__} is not allowed; use comparisons, and, or, not, in"
    )


def _constant(value: Any) -> _Rule:
    return lambda _values: value


def _compare(operation: ast.cmpop, left: Any, right: Any) -> bool:
    if isinstance(operation, ast.In | ast.NotIn):
        return _contains(right, left) != isinstance(operation, ast.NotIn)
    if type(operation) not in _ORDER:
        raise XrayganError("--where: 'is' is not allowed; use == or !=")
    if left is None or right is None:
        return isinstance(operation, ast.NotEq) and left is not right
    left, right = _alike(left, right)
    try:
        return bool(_ORDER[type(operation)](left, right))
    except TypeError:
        return False


def _contains(group: Any, value: Any) -> bool:
    if isinstance(group, str):
        return isinstance(value, str) and value in group
    if not isinstance(group, tuple):
        return False
    return any(left == right for left, right in (_alike(value, other) for other in group))


def _alike(left: Any, right: Any) -> tuple[Any, Any]:
    """A text beside a number as the number it spells."""
    if isinstance(left, str) and isinstance(right, int | float):
        return _number(left), right
    if isinstance(right, str) and isinstance(left, int | float):
        return left, _number(right)
    return left, right


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
