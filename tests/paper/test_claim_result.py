import pytest
from hypothesis import given
from hypothesis import strategies as st

from paper.claim_result import at_least, at_most, within
from paper.intervals import Interval


@pytest.mark.parametrize(
    ("low", "high", "least", "most", "between"),
    [
        # Against the bounds 0.5, and 0.4 to 0.5.
        (0.50, 0.60, "holds", "undecided", "undecided"),
        (0.51, 0.60, "holds", "does not", "does not"),
        (0.42, 0.60, "undecided", "undecided", "undecided"),
        (0.40, 0.50, "undecided", "holds", "holds"),
        (0.42, 0.45, "does not", "holds", "holds"),
        (0.20, 0.39, "does not", "holds", "does not"),
        (0.20, 0.45, "does not", "holds", "undecided"),
        (None, None, "undecided", "undecided", "undecided"),
    ],
)
def test_a_claim_holds_where_the_whole_interval_is_on_its_side(low, high, least, most, between):
    interval = Interval(0.45, low, high)
    assert at_least(interval, 0.5, "loss").verdict == least
    assert at_most(interval, 0.5, "loss").verdict == most
    assert within(interval, 0.4, 0.5, "loss").verdict == between


def test_the_reason_has_the_numbers_in_the_words_of_their_unit():
    interval = Interval(0.9, 0.891, 0.909)
    assert at_least(interval, 0.9, "accuracy").reason == "[89.10 %, 90.90 %] contains 90.00 %"
    agreed = within(interval, 0.88, 0.91, "accuracy").reason
    assert agreed == "[89.10 %, 90.90 %] lies within 88.00 % to 91.00 %"
    assert (
        at_least(Interval(0.9, None, None), 0.9, "accuracy").reason
        == "a single seed has no interval"
    )


values = st.floats(-10, 10)
widths = st.floats(0, 10)


@given(values, widths, widths, values, widths)
def test_less_certainty_never_turns_one_verdict_into_the_other(value, half, more, bound, width):
    narrow = Interval(value, value - half, value + half)
    wide = Interval(value, value - half - more, value + half + more)
    for judge in (
        lambda one: at_least(one, bound, "loss"),
        lambda one: at_most(one, bound, "loss"),
        lambda one: within(one, bound, bound + width, "loss"),
    ):
        assert judge(wide).verdict in (judge(narrow).verdict, "undecided")
