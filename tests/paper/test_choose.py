import pytest

from paper.choose import best_of_each, difference, is_dendritic, rising, smallest_reaching, usual
from tests.support.made_summary import summary, trial

TRIALS = [
    trial(0, "dann-r", 1000, 0.80),
    trial(1, "dann-r", 2000, 0.79, test_accuracy=0.99),
    trial(2, "dann-r", 3000, 0.85),
    trial(3, "vann", 9000, 0.88),
    trial(4, "vann", 8000, 0.88),
    trial(5, "vann", 500, 0.95, state="PRUNED"),
]


def numbers(trials):
    return [one["trial"] for one in trials]


def test_the_best_of_a_family_is_that_of_validation_and_the_smaller_of_equal_ones():
    assert numbers(best_of_each(summary("made", TRIALS))) == [2, 4]


def test_there_is_a_best_for_each_value_of_what_varies():
    trials = [trial(n, "vann", 500, 0.9 - n / 100, noise=n % 2 / 2) for n in range(4)]
    assert numbers(best_of_each(summary("made", trials, varied=["noise"]))) == [0, 1]


def test_of_a_search_one_stands_for_a_family_whatever_its_settings():
    trials = [trial(n, "vann", 500, 0.9 - n / 100, learning_rate=n / 10) for n in range(4)]
    made = summary("beyond", trials, varied=["learning_rate"])
    made["spec"]["sampler"] = "ehvi"
    assert numbers(best_of_each(made)) == [0]


def test_from_small_to_large_those_that_are_better_than_all_smaller_ones():
    assert numbers(rising(TRIALS[:4])) == [0, 2, 3]


def test_the_smallest_is_chosen_on_validation():
    assert smallest_reaching(TRIALS[:4], 0.835)["trial"] == 2
    assert smallest_reaching(TRIALS[:4], 0.9) is None


def test_networks_of_noisy_images_are_not_compared_with_others():
    noisy = summary("noise", [trial(0, "vann", 1, 0.5), trial(1, "vann", 1, 0.5, noise=0.25)])
    ordered = summary("table2", [trial(2, "vann", 1, 0.5)], settings={"batch_order": "by_class"})
    other = summary("other", [trial(3, "vann", 1, 0.5)])
    other["spec"]["dataset"]["name"] = "mnist"
    found = usual([noisy, ordered, other], "fashion_mnist")
    assert [(one["study"], one["trial"]) for one in found] == [("noise", 0)]


def test_linear_dendrites_are_a_control():
    linear = trial(0, "dann-r", 1, 0.9, dendrite_slope=1.0)
    assert [is_dendritic(one) for one in (linear, trial(1, "dann-r", 1, 0.9))] == [False, True]
    (same,) = usual(
        [summary("all", [trial(0, "dann-r", 1, 0.9)], settings={"dendrite_slope": 1})],
        "fashion_mnist",
    )
    assert not is_dendritic(same)


def test_a_difference_has_the_interval_of_welch():
    first, second = trial(0, "dann-r", 1, 0.9), trial(1, "vann", 1, 0.88)
    gap = difference(first, second)
    # Two equal errors of 0.001 of five seeds each: eight degrees of freedom, 2.306.
    half = 2.306 * 0.001 * 2**0.5
    assert gap.value == pytest.approx(0.02)
    assert (gap.low, gap.high) == pytest.approx((0.02 - half, 0.02 + half), abs=1e-6)
