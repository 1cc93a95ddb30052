import math

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from study.search.pareto import is_kept, keep_best, on_front
from study.search.rungs import Rung, rung_epochs
from study.spec.study_spec import StudySpec

OBJECTIVES = {"val_accuracy": "maximize", "trainable_parameters": "minimize"}
points = st.lists(
    st.tuples(st.integers(0, 20).map(lambda n: n / 20), st.integers(100, 10**6)),
    min_size=1,
    max_size=40,
    unique=True,
)
alike = st.lists(
    st.tuples(st.integers(0, 4).map(lambda n: n / 4), st.integers(100, 103)),
    min_size=1,
    max_size=12,
)


def metrics(accuracy, parameters, sem=None):
    found = {"val_accuracy": accuracy, "trainable_parameters": parameters}
    return found if sem is None else found | {"val_accuracy_sem": sem}


def rung(entries, factor=3):
    made = Rung(OBJECTIVES, factor)
    for number, (accuracy, parameters) in enumerate(entries):
        made.enter(number, metrics(accuracy, parameters))
    return made


@given(points, st.randoms())
def test_who_is_kept_does_not_depend_on_the_order(entries, random):
    shuffled = list(entries)
    random.shuffle(shuffled)
    kept = {entries[number] for number in rung(entries).kept()}
    assert kept == {shuffled[number] for number in rung(shuffled).kept()}


@given(points)
def test_no_member_of_the_front_is_stopped_at_a_full_rung(entries):
    front = {number for number, keep in enumerate(on_front(entries, OBJECTIVES)) if keep}
    assert front <= rung(entries).kept()
    for number in front:
        full = rung(entries)
        assert full.enter(number, metrics(*entries[number]))


@given(points | alike, st.integers(1, 20))
def test_one_trial_is_judged_as_all_together_are(entries, count):
    flags = keep_best(entries, OBJECTIVES, count)
    for place, point in enumerate(entries):
        others = entries[:place] + entries[place + 1 :]
        assert is_kept(point, others, OBJECTIVES, count) is flags[place]


@given(points, st.sampled_from([2, 3, 4.5]))
def test_the_reduction_factor_is_kept(entries, factor):
    front = sum(on_front(entries, OBJECTIVES))
    quota = math.ceil(len(entries) / factor)
    assert len(rung(entries, factor).kept()) == max(quota, front)


@given(points)
def test_lower_ranks_are_kept_before_higher_ones(entries):
    kept = rung(entries).kept()
    for number, (accuracy, parameters) in enumerate(entries):
        if number not in kept:
            continue
        dominating = [
            other
            for other, (better, fewer) in enumerate(entries)
            if better >= accuracy and fewer <= parameters and other != number
        ]
        assert set(dominating) <= kept


def test_of_one_rank_those_are_kept_that_are_farthest_from_what_is_kept():
    front = [(0.9, 10_000), (0.8, 5000), (0.7, 1000)]
    second = [(0.89, 11_000), (0.69, 1100), (0.895, 10_500), (0.79, 5100)]
    flags = keep_best(front + second, OBJECTIVES, 4)
    assert flags[:3] == [True] * 3
    assert flags[3:].count(True) == 1
    # (0.69, 1100) lies farthest from its neighbour on the front, in shares of the rung's ranges.
    assert flags[3 + 1]


def test_a_small_network_survives_beside_large_accurate_ones():
    full = rung([(0.9 + n / 1000, 10**6 + n) for n in range(30)])
    assert full.enter(99, metrics(0.5, 300))
    alone = Rung({"val_accuracy": "maximize"}, 3)
    for number in range(30):
        alone.enter(number, metrics(0.9 + number / 1000, 10**6))
    assert not alone.enter(99, metrics(0.5, 300))


@pytest.mark.parametrize(("sem", "goes_on"), [(None, False), (0.001, False), (0.02, True)])
def test_a_difference_within_the_standard_error_stops_nobody(sem, goes_on):
    full = rung([(0.90, 1000), *((0.8 - n / 100, 2000 + n) for n in range(9))], factor=11)
    assert full.enter(50, metrics(0.89, 1000, sem)) is goes_on


def test_the_first_one_goes_on_and_a_worse_second_one_does_not():
    made = Rung(OBJECTIVES, 3)
    assert made.enter(0, metrics(0.9, 1000))
    assert not made.enter(1, metrics(0.8, 1000))
    assert made.enter(2, metrics(0.95, 1000))


def test_entering_again_replaces_what_was_there():
    made = rung([(0.9, 1000), (0.8, 1000)])
    assert made.enter(1, metrics(0.95, 1000))
    assert len(made) == 2


def test_a_trial_without_finite_values_goes_on_and_is_compared_with_nobody():
    made = Rung(OBJECTIVES, 3)
    assert made.enter(0, metrics(math.nan, 1000))
    assert made.enter(1, {})
    assert len(made) == 0


@given(st.integers(1, 200), st.integers(1, 20), st.sampled_from([1.5, 2, 3, 4]))
@example(16, 2, 2)  # whose next rung would be the last epoch
def test_rungs_grow_by_the_factor_and_end_before_the_last_epoch(epochs, grace, factor):
    assume(grace < epochs)
    table = {"name": "a", "dataset": "digits", "families": ["vann"], "budget": {"epochs": epochs}}
    stopping = {"grace_epochs": grace, "reduction_factor": factor}
    rungs = rung_epochs(StudySpec.from_dict(table | {"stopping": stopping}))
    assert rungs[0] == grace
    assert rungs[-1] < epochs <= math.ceil(rungs[-1] * factor)
    assert list(rungs) == sorted(set(rungs))
    none = StudySpec.from_dict(table | {"stopping": {"scheduler": "none"}})
    assert rung_epochs(none) == ()
