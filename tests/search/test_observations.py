from hypothesis import given, settings
from hypothesis import strategies as st

from study.search.observations import Observation, Observations, newest_and_even

EPOCHS = 15


def observed(trials):
    """Complete and stopped trials in turn, of three rungs each."""
    found = Observations(EPOCHS)
    for number in range(trials):
        for epoch in (3, 6, 12, None)[: 4 if number % 2 else 3]:
            found.add(observation(number, epoch))
    return found


def observation(number, epoch, value=0.9):
    return Observation(number=number, epoch=epoch, outputs={0: (value, 0.01)})


@given(st.integers(1, 600), st.sets(st.integers(0, 599), max_size=150))
@settings(max_examples=40, deadline=None)
def test_a_sample_has_the_front_the_newest_and_an_even_subset_of_partial_curves(trials, front):
    front = {number for number in front if number < trials and number % 2}
    found = observed(trials)
    sample = found.sample(front)
    keys = [(one.number, one.epoch or EPOCHS) for one in sample]
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


def test_the_last_epoch_counts_once_and_earlier_ends_beside_it():
    found = Observations(EPOCHS)
    for number, epoch in enumerate((7, EPOCHS)):
        found.add(observation(number, epoch, 0.6))
        found.add(observation(number, None, 0.6))
    assert [(one.number, one.epoch) for one in found.sample([0])] == [(0, 7), (0, None), (1, None)]


def test_without_a_stated_length_the_longest_trial_is_a_full_one():
    found = Observations(None)
    assert found.last == 1
    for epoch in (4, 9, 2):
        found.add(observation(0, epoch))
    assert found.last == 9


@given(st.integers(0, 500), st.integers(2, 60))
def test_the_newest_half_is_whole_and_the_older_one_even(count, most):
    places = newest_and_even(count, most).tolist()
    assert places == sorted(set(places))
    assert len(places) == min(count, most)
    assert places[-(most // 2) :] == list(range(count))[-(most // 2) :]
