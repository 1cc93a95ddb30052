import pytest

from study.search.difference import favoured, is_real


@pytest.mark.parametrize(
    ("difference", "errors", "real"),
    [
        (0.051, (0.03, 0.04), True),
        (-0.051, (0.03, 0.04), True),
        (0.049, (0.03, 0.04), False),
        (0.90 - 0.88, (0.02,), False),  # as large as its error, but for rounding
        (0.001, (0.0, 0.0), True),
        (0.0, (0.0, 0.0), False),
    ],
)
def test_a_difference_is_real_if_it_exceeds_its_standard_error(difference, errors, real):
    assert is_real(difference, *errors) == real


@pytest.mark.parametrize("higher", [True, False])
def test_the_favoured_value_is_the_best_that_does_not_really_differ(higher):
    best, sign = favoured(0.5, 0.02, higher=higher), 1 if higher else -1
    assert not is_real(best - 0.5, 0.02)
    assert is_real(best + sign * 1e-6 - 0.5, 0.02)
