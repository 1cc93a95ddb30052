import pytest

from study.errors import SpecError
from study.search.space import architecture_of, known_metrics
from study.search.start import check_start, start_configurations
from study.spec.study_spec import StudySpec

START = [
    {"family": "dann-r", "somata": 64, "dendrites": 4, "learning_rate": 0.01},
    {"family": "mlp", "somata": 32},
]


def spec(**changes):
    table = {"name": "a", "dataset": "digits", "families": ["dann-r", "mlp"], "start": START}
    return StudySpec.from_dict(table | changes)


def counted(params):
    return known_metrics(architecture_of(params, spec()), (1, 8, 8), 10)


def test_what_is_given_is_kept_and_what_is_left_out_is_drawn_by_the_seed():
    whole, part = start_configurations(spec(), counted)
    assert whole.params == START[0]
    assert (whole.architecture.family, whole.architecture.dendrites) == ("dann-r", 4)
    assert part.params.items() > START[1].items()
    assert 2e-3 <= part.params["learning_rate"] <= 2e-2
    again, other = (start_configurations(spec(seed=seed), counted)[1] for seed in (0, 1))
    assert again.params == part.params != other.params


def test_a_network_that_does_not_fit_or_breaks_a_constraint_is_refused():
    check_start(spec(), (1, 8, 8), 10)
    wide = spec(space={"synapses": [16, 80]}, start=[START[0] | {"synapses": 80}])
    with pytest.raises(SpecError, match=r"must hold.*synapses=80.*\(key start.0\)"):
        check_start(wide, (1, 8, 8), 10)
    small = spec(constraints=["trainable_parameters <= 3000", "val_accuracy >= 0.5"])
    message = (
        r"`trainable_parameters <= 3000` must hold, got trainable_parameters=5.*\(key start.0\)"
    )
    with pytest.raises(SpecError, match=message):
        check_start(small, (1, 8, 8), 10)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_left_out_is_drawn_until_the_constraints_are_kept(seed):
    bounded = spec(
        seed=seed,
        start=[{"family": "mlp"}],
        constraints=["trainable_parameters <= 6000"],
    )
    check_start(bounded, (1, 8, 8), 10)
    (drawn,) = start_configurations(bounded, counted)
    assert counted(drawn.params)["trainable_parameters"] <= 6000
