import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.spec.constraint import Constraint, violations

METRICS = {"trainable_parameters": 15_000, "macs": 30_000, "val_accuracy": 0.8}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("trainable_parameters <= 20000", True),
        ("trainable_parameters <= 15000", True),
        ("trainable_parameters <= 14999", False),
        ("macs <= 1e6", True),
        ("1e4 >= macs", False),
        ("val_accuracy >= 0.8", True),
        ("val_accuracy >= 0.81", False),
        ("macs / trainable_parameters <= 2", True),
        ("(macs - 2 * trainable_parameters) * 3 + 1 <= 0.5", False),
        ("-val_accuracy <= -0.7", True),
    ],
)
def test_a_constraint_holds_or_not(text, holds):
    assert (Constraint.parse(text).violation(METRICS) <= 0) is holds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("test_accuracy >= 0.9", "a test metric is only reported and never constrained"),
        ("val_accuracy >= test_loss", "a test metric is only reported and never constrained"),
        ("parameters <= 5", "unknown metric 'parameters'.*did you mean 'trainable_parameters'"),
        ("macs", "one comparison with <= or >="),
        ("macs < 5", "one comparison with <= or >="),
        ("1 <= macs <= 5", "one comparison with <= or >="),
        ("macs <= ", "one comparison with <= or >="),
        ("5 <= 6", "must be about a metric"),
        ("macs <= 10**9", "only metrics, numbers, . - . / and brackets"),
        ("macs <= 'x'", "only metrics, numbers, . - . / and brackets"),
        ("macs <= True", "only metrics, numbers, . - . / and brackets"),
        ("__import__('os').system('true') <= macs", "only metrics, numbers, . - . / and brackets"),
        ("val_accuracy / 0 >= 1", "must not divide by 0"),
        ("macs <= 1e999", "only metrics, numbers, . - . / and brackets"),
        ("(" * 500 + "macs" + ")" * 500 + " <= 5", "`length of a constraint <= 300` must hold"),
        ("(" * 200 + " <= 5", "one comparison with <= or >="),
    ],
)
def test_what_is_no_constraint_is_refused_with_the_rule(text, message):
    with pytest.raises(ValueError, match=message):
        Constraint.parse(text)


@given(st.floats(1, 1e9), st.floats(1, 1e9))
def test_a_violation_is_relative_and_has_the_sign_of_the_excess(parameters, bound):
    violation = Constraint.parse(f"trainable_parameters <= {bound!r}").violation(
        {"trainable_parameters": parameters}
    )
    assert (violation > 0) == (parameters > bound)
    assert -1 <= violation <= 1


def test_what_cannot_be_computed_is_broken():
    assert Constraint.parse("val_loss <= 1").violation(METRICS) == math.inf
    assert Constraint.parse("macs / (macs - macs) <= 1").violation(METRICS) == math.inf
    assert Constraint.parse("val_loss <= 1").violation({"val_loss": math.nan}) == math.inf


def test_those_about_the_network_alone_are_known_before_training():
    known = ("macs + trainable_parameters <= 5", "wiring_bits <= 64", "8 * stored_bytes <= 9")
    texts = (*known, "val_accuracy >= 0.9", "seconds <= 9")
    assert list(violations(texts, METRICS, before_training=True)) == list(known)
    assert list(violations(texts, METRICS)) == list(texts)
