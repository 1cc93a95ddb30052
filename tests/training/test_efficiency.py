import pytest

from study.training.efficiency import cost_factor


def test_the_factor_is_the_ratio_of_the_powers_of_ten():
    # log10(10,634 x 25) = 5.425 and log10(468,874 x 8) = 6.574.
    assert cost_factor(468_874, 8, 10_634 * 25) == pytest.approx(1.212, abs=5e-4)
    assert cost_factor(10_634, 25, 10_634 * 25) == 1
    assert cost_factor(1000, 10, 100) == pytest.approx(2)


@pytest.mark.parametrize("arguments", [(0, 1), (1, 0), (10, 10, 1.0)])
def test_without_a_logarithm_above_zero_there_is_no_factor(arguments):
    with pytest.raises(ValueError, match="must hold, got parameters="):
        cost_factor(*arguments)
