import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from study.search.observations import Observations, newest_and_even

EPOCHS = 15


def observed(trials):
    """Complete and stopped trials in turn, of three rungs each."""
    found = Observations(EPOCHS)
    for number in range(trials):
        for epoch in (3, 6, 12, 15)[: 4 if number % 2 else 3]:
            found.add(number, {"epochs": epoch, "val_accuracy": 0.9, "val_accuracy_sem": 0.01})
    return found


@given(st.integers(1, 600), st.sets(st.integers(0, 599), max_size=150))
@settings(max_examples=40, deadline=None)
def test_a_sample_has_the_front_the_newest_and_an_even_subset_of_partial_curves(trials, front):
    front = {number for number in front if number < trials and number % 2}
    found = observed(trials)
    sample = found.sample(front)
    keys = [(one.number, one.epoch) for one in sample]
    assert len(set(keys)) == len(keys) == min(len(found), 300)
    assert keys == sorted(keys)
    kept = {number for number in front if (number, EPOCHS) in keys}
    assert len(kept) >= min(len(front), 100)
    assert keys[-1] == (trials - 1, 15 if (trials - 1) % 2 else 12)
    partial = [number for number, epoch in keys if epoch < EPOCHS]
    assert len(partial) >= 0.25 * len(keys)
    # Over the whole course of the study, in every quarter of it.
    for quarter in range(4):
        low, high = quarter * trials // 4, (quarter + 1) * trials // 4
        assert high - low < 4 or any(low <= number < high for number in partial)


def test_a_complete_trial_that_stopped_early_has_its_last_metrics_in_full():
    found = Observations(EPOCHS)
    found.add(0, {"epochs": 3, "val_accuracy": 0.5})
    found.add(0, {"epochs": 7, "val_accuracy": 0.6})
    found.complete(0)
    assert found.final(0)["val_accuracy"] == 0.6
    assert [one.epoch for one in found.sample([0])] == [3, 7, 15]


def test_the_noise_of_an_observation_is_its_standard_error_on_the_scale_of_the_errors():
    found = Observations(EPOCHS)
    found.add(0, {"epochs": 3, "val_accuracy": 0.9, "val_accuracy_sem": 0.01, "macs": 10})
    (one,) = found.sample([])
    # The error is 0.1 and a thousandth, so a hundredth is a tenth of it, in powers of ten.
    assert one.noise("val_accuracy") == pytest.approx(0.01 / 0.101 / 2.302585, rel=0.01)
    assert one.noise("macs") == 0


@given(st.integers(0, 500), st.integers(2, 60))
def test_the_newest_half_is_whole_and_the_older_one_even(count, most):
    places = newest_and_even(count, most).tolist()
    assert places == sorted(set(places))
    assert len(places) == min(count, most)
    assert places[-(most // 2) :] == list(range(count))[-(most // 2) :]
