from hypothesis import given
from hypothesis import strategies as st

from study.search.front import Front
from study.search.pareto import hypervolume, on_front

OBJECTIVES = {"val_accuracy": "maximize", "trainable_parameters": "minimize"}


def test_a_trial_that_joins_the_front_drives_out_those_that_it_dominates():
    front = Front(OBJECTIVES)
    assert front.add(0, (0.8, 1000)) == {0: True}
    assert front.add(1, (0.7, 2000)) == {}
    assert front.add(2, (0.7, 500)) == {2: True}
    assert list(front.add(3, (0.9, 400)).items()) == [(3, True), (0, False), (2, False)]
    assert front.points == {3: (0.9, 400)}


@given(
    st.lists(
        st.tuples(st.integers(0, 10).map(lambda n: n / 10), st.integers(100, 10**6)), max_size=25
    )
)
def test_added_one_by_one_trials_make_the_front_of_all(found):
    front, members = Front(OBJECTIVES), {}
    for number, point in enumerate(found):
        members |= front.add(number, point)
    kept = {number for number, keep in enumerate(on_front(found, OBJECTIVES)) if keep}
    assert set(front.points) == kept == {number for number, here in members.items() if here}
    assert abs(front.hypervolume - hypervolume(found, OBJECTIVES)) < 1e-12
