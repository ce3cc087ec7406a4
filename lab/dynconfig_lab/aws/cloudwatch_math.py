"""Metric math for dashboards and alarms: numbers, ids, + - * /, SUM, AVG, MIN, MAX, METRICS, FILL, IF. Pure.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

import ast
import math
import operator
from collections.abc import Callable, Mapping, Sequence

from dynconfig_lab.aws.answers import AwsError

Series = dict[float, float]
Value = float | Series | list[Series]

_ARITHMETIC: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_COMPARISONS: Mapping[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_FOLDS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "SUM": sum,
    "MIN": min,
    "MAX": max,
    "AVG": lambda numbers: sum(numbers) / len(numbers),
}


def evaluate(expression: str, named: Mapping[str, Series], times: Sequence[float]) -> Series:
    """The series that an expression computes from others; FILL fills the given times. Raises AwsError."""
    refusal = AwsError("ValidationError", f"Error in expression '{expression}': it can't be parsed.")
    try:
        tree = ast.parse(expression, mode="eval").body
    # The last three are raised for null characters and for expressions that are nested too deep.
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise refusal from None
    try:
        found = _Math(named, times).value(tree)
    # Raised for numbers that are too large and for expressions that are nested too deep.
    except (OverflowError, RecursionError):
        raise refusal from None
    if isinstance(found, list):
        raise AwsError("NotEmulated", f"The lab does not emulate expressions that make several series: {expression}")
    return found if isinstance(found, dict) else dict.fromkeys(times, found)


class _Math:
    def __init__(self, named: Mapping[str, Series], times: Sequence[float]) -> None:
        self._named = named
        self._times = times

    def value(self, node: ast.AST) -> Value:
        match node:
            case ast.Constant(value=int() | float() as number):
                return float(number)
            case ast.Name(id=name):
                return self._series(name)
            case ast.List(elts=items):
                return [self._one(item) for item in items]
            case ast.Call(func=ast.Name(id=name), args=arguments):
                return self._call(name, arguments)
            case _:
                return self._calculated(node)

    def _calculated(self, node: ast.AST) -> Value:
        match node:
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return _combined(operator.sub, 0.0, self._single(inner))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                return _combined(_ARITHMETIC[type(op)], self._single(left), self._single(right))
            case ast.Compare(left=left, ops=[sign], comparators=[right]) if type(sign) in _COMPARISONS:
                return _combined(_COMPARISONS[type(sign)], self._single(left), self._single(right))
        raise AwsError("NotEmulated", f"The lab does not emulate this part of metric math: {ast.unparse(node)}")

    def _call(self, name: str, arguments: list[ast.expr]) -> Value:
        match name, arguments:
            case "METRICS", []:
                return list(self._named.values())
            case (("SUM" | "MIN" | "MAX" | "AVG"), [inner]):
                return self._folded(_FOLDS[name], self.value(inner))
            case "FILL", [inner, filler]:
                return self._filled(self._single(inner), self._single(filler))
            case "IF", [condition, then]:
                chosen = self._single(condition)
                return {at: value for at, value in self._spread(then).items() if self._at(chosen, at)}
            case "IF", [condition, then, otherwise]:
                return self._chosen(self._single(condition), self._spread(then), self._spread(otherwise))
        raise AwsError("NotEmulated", f"The lab does not emulate {name} of metric math.")

    def _folded(self, fold: Callable[[Sequence[float]], float], value: Value) -> Value:
        """A number for one series, a series for several."""
        if isinstance(value, float):
            return value
        if isinstance(value, dict):
            return fold(list(value.values())) if value else {}
        times = sorted({at for series in value for at in series})
        return {at: fold([series[at] for series in value if at in series]) for at in times}

    def _filled(self, series: float | Series, filler: float | Series) -> Series:
        description = series if isinstance(series, dict) else {}
        filling = {at: number for at in self._times if (number := self._at(filler, at)) is not None}
        return {**filling, **description}

    def _chosen(self, condition: float | Series, then: Series, otherwise: Series) -> Series:
        picked = {at: (then if self._at(condition, at) else otherwise).get(at) for at in self._times}
        return {at: value for at, value in picked.items() if value is not None}

    def _spread(self, node: ast.AST) -> Series:
        value = self._single(node)
        return value if isinstance(value, dict) else dict.fromkeys(self._times, value)

    def _at(self, value: float | Series, at: float) -> float | None:
        return value.get(at) if isinstance(value, dict) else value

    def _single(self, node: ast.AST) -> float | Series:
        value = self.value(node)
        if isinstance(value, list):
            raise AwsError(
                "NotEmulated", f"The lab does not emulate arithmetic with several series: {ast.unparse(node)}"
            )
        return value

    def _one(self, node: ast.AST) -> Series:
        value = self._single(node)
        return value if isinstance(value, dict) else dict.fromkeys(self._times, value)

    def _series(self, name: str) -> Series:
        if name not in self._named:
            raise AwsError("ValidationError", f"Invalid metric math: no metric has the id {name}.")
        return self._named[name]


def _combined(fold: Callable[[float, float], float], left: float | Series, right: float | Series) -> float | Series:
    """Combine point by point; a time without both values or without a numeric result has no point."""
    if isinstance(left, float) and isinstance(right, float):
        number = _number(fold, left, right)
        return {} if number is None else number
    times = left.keys() if isinstance(left, dict) else right.keys() if isinstance(right, dict) else ()
    found: Series = {}
    for at in times:
        one = left.get(at) if isinstance(left, dict) else left
        other = right.get(at) if isinstance(right, dict) else right
        number = None if one is None or other is None else _number(fold, one, other)
        if number is not None:
            found[at] = number
    return found


def _number(fold: Callable[[float, float], float], one: float, other: float) -> float | None:
    """None for a division by zero, an overflow or a complex result."""
    try:
        found = fold(one, other)
    except (ZeroDivisionError, OverflowError):
        return None
    return None if isinstance(found, complex) or not math.isfinite(found) else float(found)
