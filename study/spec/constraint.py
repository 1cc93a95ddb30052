"""Constraints: comparisons of metrics with numbers, such as `trainable_parameters <= 20000`.

They are parsed and evaluated here, never executed as Python, so a spec cannot run code.
"""

import ast
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from study.errors import echo, nearest
from study.spec.metrics import is_metric, metric_names, metric_of, share_hint

KNOWN_BEFORE_TRAINING: Final = frozenset(
    {"trainable_parameters", "macs", "wiring_bits", "stored_bytes"}
)

_LONGEST: Final = 300  # characters: nested less deeply than Python's stack
_LARGEST: Final = 1e38

_OPERATORS: Final[dict[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """One comparison, `<=` or `>=`, between sums, products and quotients of metrics and numbers."""

    text: str
    names: frozenset[str]

    @classmethod
    def parse(cls, text: str) -> "Constraint":
        """Parses a constraint. Raises ValueError, with the rule and the text, if it is invalid."""
        left, _, right = _sides(text)
        names = _names(left, text) | _names(right, text)
        if not names:
            raise ValueError(f"a constraint must be about a metric, got {echo(text)}")
        for name in names:
            if name.startswith("test_"):
                raise ValueError(
                    f"a test metric is only reported and never constrained, got {echo(text)}"
                )
            if not is_metric(name):
                known = nearest(name, metric_names())
                raise ValueError(f"unknown metric {echo(name)} in {echo(text)}; {known}")
        for one, other in ((left, right), (right, left)):
            if isinstance(one, ast.Name) and not _names(other, text):
                _check_bound(one.id, other, text)
        return cls(text=text, names=names)

    @property
    def known_before_training(self) -> bool:
        """Whether the constraint depends only on counts of the untrained network."""
        return self.names <= KNOWN_BEFORE_TRAINING

    @property
    def limits_size(self) -> bool:
        """Whether it is an upper bound of a count, such as `macs <= 1e6`: larger networks break it."""
        left, at_most, right = _sides(self.text)
        return (
            self.known_before_training
            and at_most
            and isinstance(left, ast.Name)
            and not _names(right, self.text)
        )

    def violation(self, metrics: Mapping[str, float]) -> float:
        """The violation relative to the larger side: 0 or less if the constraint is satisfied.

        Relative, so that parameters do not outweigh accuracies when a sampler adds violations.
        Infinity if a metric is absent or a side is not finite.
        """
        left, at_most, right = _sides(self.text)
        try:
            low, high = _value(left, metrics), _value(right, metrics)
        except (KeyError, ZeroDivisionError, OverflowError):
            return math.inf
        if not (math.isfinite(low) and math.isfinite(high)):
            return math.inf
        excess = low - high if at_most else high - low
        scale = max(abs(low), abs(high))
        return excess / scale if scale else 0.0


def violations(
    constraints: tuple[str, ...], metrics: Mapping[str, float], *, before_training: bool = False
) -> dict[str, float]:
    """The violation of each constraint by its text; with `before_training`, of those known by then."""
    parsed = [Constraint.parse(text) for text in constraints]
    return {
        one.text: one.violation(metrics)
        for one in parsed
        if one.known_before_training or not before_training
    }


def all_kept(broken: Mapping[str, float]) -> bool:
    """Whether no constraint of `violations` is violated."""
    return all(violation <= 0 for violation in broken.values())


@lru_cache(maxsize=256)  # the same few constraints apply to every trial of a study
def _sides(text: str) -> tuple[ast.expr, bool, ast.expr]:
    """The left side, whether the sign is `<=`, and the right side."""
    form = (
        "a constraint must be one comparison with <= or >= between metrics and numbers, "
        f"such as 'trainable_parameters <= 20000', got {echo(text)}"
    )
    if len(text) > _LONGEST:
        raise ValueError(f"`length of a constraint <= {_LONGEST}` must hold, got {echo(text)}")
    try:
        compared = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(form) from None
    if not isinstance(compared, ast.Compare) or len(compared.ops) != 1:
        raise ValueError(form)
    if not isinstance(compared.ops[0], ast.LtE | ast.GtE):
        raise ValueError(form)  # of the text, not of a type
    return compared.left, isinstance(compared.ops[0], ast.LtE), compared.comparators[0]


def _names(side: ast.expr, text: str) -> frozenset[str]:
    match side:
        case ast.Name(id=name):
            return frozenset({name})
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            if number <= _LARGEST:
                return frozenset()
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _names(operand, text)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            names = _names(right, text)
            if isinstance(op, ast.Div) and not names and _value(right, {}) == 0:
                raise ValueError(f"a constraint must not divide by 0, got {echo(text)}")
            return names | _names(left, text)
    raise ValueError(
        f"a side of a constraint may hold only metrics, numbers, + - * / and brackets, got {echo(text)}"
    )


def _value(side: ast.expr, metrics: Mapping[str, float]) -> float:
    match side:
        case ast.Name(id=name):
            return metrics[name]
        case ast.UnaryOp(operand=operand):
            return -_value(operand, metrics)
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATORS[type(op)](_value(left, metrics), _value(right, metrics))
        case ast.Constant(value=value):
            return float(value)  # type: ignore[arg-type]  # checked by _names
    raise AssertionError(side)


def _check_bound(name: str, side: ast.expr, text: str) -> None:
    """Raises ValueError if a share, such as an accuracy, is compared with a number beyond 0..1."""
    bound = _value(side, {})
    if metric_of(name).share and not 0 <= bound <= 1:
        raise ValueError(
            f"`{name}` is a share, so it must be compared with a number in 0..1, got "
            f"{echo(text)}{share_hint(bound)}"
        )


def sound_constraints(constraints: Sequence[str]) -> Sequence[str]:
    """The constraints without repetitions; raises ValueError for an invalid one."""
    for text in constraints:
        Constraint.parse(text)
    return tuple(dict.fromkeys(constraints))
