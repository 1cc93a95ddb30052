import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState, create_trial

from study.search.confirmation import (
    Confirmation,
    confirmations_of,
    confirmed_front,
    note_confirmation,
    unconfirmed,
)
from study.search.pareto import on_front
from study.search.storage import SearchStorage
from study.spec.study_spec import StudySpec


def spec(constraints=(), **budget):
    table = {"name": "a", "dataset": "digits", "families": ["vann"], "replicates": 2}
    return StudySpec.from_dict(table | {"budget": budget, "constraints": list(constraints)})


def trials(points):
    """Complete trials with an accuracy and a size each, as they are stored."""
    found = []
    for number, (accuracy, size) in enumerate(points):
        metrics = {"val_accuracy": accuracy, "val_accuracy_sem": 0.01, "trainable_parameters": size}
        trial = create_trial(
            state=TrialState.COMPLETE, values=[accuracy, size], user_attrs={"metrics": metrics}
        )
        trial.number = number
        found.append(trial)
    return found


def confirmation(accuracy, replicates=2):
    metrics = {"val_accuracy": accuracy, "val_accuracy_sem": 0.01, "trainable_parameters": 7}
    return Confirmation.of(replicates, metrics)


def test_a_lucky_trial_leaves_the_front_and_those_it_hid_do_not_come_back():
    points = [(0.80, 100), (0.90, 200), (0.95, 300), (0.89, 250)]
    known = {0: confirmation(0.80), 1: confirmation(0.60), 2: confirmation(0.93)}
    front = confirmed_front(spec(), trials(points), known)
    assert front == {0: [pytest.approx(0.80), 100], 2: [pytest.approx(0.94), 300]}


def test_a_constraint_is_judged_by_the_pooled_value():
    wanted, points = spec(["val_accuracy >= 0.85"]), [(0.90, 100), (0.95, 300)]
    front = confirmed_front(wanted, trials(points), {0: confirmation(0.70)})
    assert list(front) == [1]


def test_a_failed_confirmation_leaves_the_values_of_the_search():
    failed = {0: Confirmation(replicates=2, reason="it diverged")}
    assert confirmed_front(spec(), trials([(0.9, 100)]), failed) == {0: [0.9, 100]}
    assert failed[0].named() == {}


# Sixteenths, whose means have no rounding errors.
sixteenths = st.integers(0, 16).map(lambda part: part / 16)
plane = st.tuples(sixteenths, st.integers(1, 20))


@given(st.lists(st.tuples(plane, st.none() | sixteenths), min_size=1, max_size=12))
def test_no_member_is_dominated_by_another_or_by_a_confirmed_trial(drawn):
    found = trials([point for point, _ in drawn])
    known = {
        number: confirmation(again) for number, (_, again) in enumerate(drawn) if again is not None
    }
    objectives = spec().objectives
    front = confirmed_front(spec(), found, known)
    flags = on_front([point for point, _ in drawn], objectives)
    searched = {number for number, keep in enumerate(flags) if keep}
    assert front
    assert front.keys() <= searched | known.keys()
    if not known:
        assert front.keys() == searched
    pooled = {
        number: ((found[number].values[0] + one.metrics["val_accuracy"]) / 2, drawn[number][0][1])
        for number, one in known.items()
    }
    for accuracy, size in front.values():
        for other, smaller in pooled.values():
            as_good = other >= accuracy and smaller <= size
            assert not (as_good and (other > accuracy or smaller < size))


def test_confirmations_are_stored_with_the_search_and_more_seeds_confirm_again(tmp_path):
    wanted = spec(confirm=3)
    storage = SearchStorage(wanted, tmp_path / "journal")
    assert unconfirmed(wanted, storage, [4, 2]) == [2, 4]
    assert unconfirmed(spec(), storage, [4, 2]) == []
    note_confirmation(storage.study, 2, confirmation(0.9, 3))
    note_confirmation(storage.study, 4, Confirmation(replicates=3, reason="it diverged"))
    storage = SearchStorage(wanted, tmp_path / "journal")
    assert confirmations_of(storage.study) == {
        2: confirmation(0.9, 3),
        4: Confirmation(replicates=3, reason="it diverged"),
    }
    assert unconfirmed(wanted, storage, [4, 2]) == []
    assert unconfirmed(spec(confirm=5), storage, [4, 2]) == [2, 4]


def test_a_confirmation_that_failed_is_no_candidate():
    known = {0: confirmation(0.60), 1: Confirmation(replicates=2, reason="it diverged")}
    found = trials([(0.90, 100), (0.85, 100)])
    assert list(confirmed_front(spec(), found, known)) == [0]


def test_a_trial_that_another_continues_is_not_on_the_front():
    found = trials([(0.9, 100), (0.8, 100)])
    found[1].user_attrs["continues"] = 0
    assert list(confirmed_front(spec(), found, {})) == [1]
