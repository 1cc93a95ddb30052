"""EHVISampler in plain studies of Optuna, by what is documented of it."""

import itertools
import math
import pickle

import numpy as np
import optuna
import pytest

from study.search.ehvi import EHVISampler
from study.search.objective import Known

TRANSFORMS = (lambda accuracy: -math.log10(1 - accuracy), math.log10)


def space(trial):
    family = trial.suggest_categorical("family", ["dann", "mlp"])
    trial.suggest_categorical("width", [16, 32, 64, 128, 256])
    if family == "dann":
        trial.suggest_int("dendrites", 1, 16)
    trial.suggest_float("rate", 1e-4, 1e-1, log=True)


def size(params):
    read = 20 if params["family"] == "mlp" else params["dendrites"]
    return params["width"] * read


def known(params):
    return Known(values={1: size(params)})


def accuracy(params):
    units = params["width"] * params.get("dendrites", 2)
    return 1 - 0.5 * units**-0.35 - 0.05 * abs(math.log10(params["rate"]) + 2)


def objective(trial):
    space(trial)
    return accuracy(trial.params), size(trial.params)


def sampler(**changes):
    return EHVISampler(**{"seed": 0, "known": known, "transforms": TRANSFORMS} | changes)


def study_of(chosen):
    return optuna.create_study(directions=["maximize", "minimize"], sampler=chosen)


def off(trial):
    return abs(math.log10(trial.params["rate"]) + 2)


def asked(study, count=5):
    """The configurations of the next trials, which all run at once."""
    trials = [study.ask() for _ in range(count)]
    for trial in trials:
        space(trial)
    return trials


@pytest.mark.slow
@pytest.mark.parametrize("stated", [None, space])
def test_it_finds_what_is_good_in_a_space_of_which_it_may_know_nothing(stated):
    study = study_of(sampler(space=stated))
    study.optimize(objective, n_trials=40)
    late = study.trials[20:]
    assert np.mean([off(trial) for trial in late]) < 0.4  # a uniform draw is 0.83 off
    # A dendritic network has the accuracy of an ordinary one with a tenth of its size.
    assert np.mean([trial.params["family"] == "dann" for trial in late]) > 0.8
    assert all(("dendrites" in t.params) == (t.params["family"] == "dann") for t in study.trials)
    keys = {frozenset(trial.params.items()) for trial in study.trials}
    assert len(keys) == len(study.trials)


def test_equal_seeds_give_equal_proposals_also_after_a_pickle():
    whole, parts = (study_of(EHVISampler(seed=0)) for _ in range(2))
    whole.optimize(objective, n_trials=14)
    parts.optimize(objective, n_trials=12)
    parts.sampler = pickle.loads(pickle.dumps(parts.sampler))  # noqa: S301  # our own bytes
    parts.optimize(objective, n_trials=2)
    assert [trial.params for trial in whole.trials] == [trial.params for trial in parts.trials]


def test_a_sampler_serves_one_study_after_another():
    chosen = sampler()
    for _ in range(2):
        study = study_of(chosen)
        study.optimize(objective, n_trials=12)
        assert len(study.trials) == 12


def test_a_sampler_that_fixes_parameters_leaves_the_memory_as_it_is():
    study = study_of(sampler())
    study.optimize(objective, n_trials=12)
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        study.sampler = optuna.samplers.PartialFixedSampler({"width": 64}, study.sampler)
    study.optimize(objective, n_trials=3)
    assert {trial.params["width"] for trial in study.trials[12:]} == {64}
    base = study.sampler._base_sampler  # noqa: SLF001  # Optuna has no other way to it
    assert "width" in base.infer_relative_search_space(study, study.trials[-1])


def told(study, params, values, **attributes):
    study.enqueue_trial(params)
    trial = study.ask()
    space(trial)
    for name, value in attributes.pop("constraints", {}).items():
        trial.set_constraint(name, value)
    for name, value in attributes.items():
        trial.set_user_attr(name, value)
    state = optuna.trial.TrialState.PRUNED if values is None else None
    study.tell(trial, values, state=state)


def draw(generator):
    params = {
        "family": "dann",
        "width": int(generator.choice([16, 32, 64, 128, 256])),
        "dendrites": int(generator.integers(1, 17)),
        "rate": float(10 ** generator.uniform(-4, -1)),
    }
    return params, [accuracy(params), size(params)]


def test_what_pruned_trials_reported_counts():
    generator = np.random.default_rng(2)
    study = study_of(sampler(epochs=15))
    for number in range(60):
        params, values = draw(generator)
        early = {"values": [values[0] - 0.1, None], "errors": [0.001, 0.0]}
        told(study, params, values if number < 6 else None, **{"epoch/3": early})
    assert np.mean([off(trial) for trial in asked(study)]) < 0.3


def test_intermediate_values_of_one_objective_count():
    study = optuna.create_study(direction="maximize", sampler=EHVISampler(seed=0))
    generator = np.random.default_rng(3)
    for number in range(60):
        params, (value, _) = draw(generator)
        study.enqueue_trial(params)
        trial = study.ask()
        space(trial)
        trial.report(value - 0.1, 2)
        if number < 6:
            study.tell(trial, value)
        else:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    assert np.mean([off(trial) for trial in asked(study)]) < 0.3


def test_a_value_with_a_large_standard_error_is_doubted():
    def best_off(error):
        generator = np.random.default_rng(4)
        study = study_of(sampler())
        for _ in range(30):
            params, values = draw(generator)
            told(study, params, values, errors=[0.0005, 0.0])
        lucky = {"family": "dann", "width": 256, "dendrites": 16, "rate": 1e-4}
        told(study, lucky, [0.999, size(lucky)], errors=[error, 0.0])
        return np.mean([off(trial) for trial in asked(study, 4)])

    assert best_off(0.0009) < best_off(0.0)


def test_constraints_are_learned_from_what_trials_set():
    generator = np.random.default_rng(5)
    study = study_of(sampler())
    for _ in range(30):
        params, values = draw(generator)
        told(study, params, values, constraints={"least": 0.9 - values[0]})
    assert np.mean([accuracy(trial.params) >= 0.9 for trial in asked(study)]) >= 0.8


@pytest.mark.slow
def test_where_trials_raise_few_more_are_proposed():
    def fails(trial):
        space(trial)
        if trial.params["rate"] > 1e-2:
            raise RuntimeError("it diverged")
        # What fails would be the most accurate.
        return 0.5 + 0.05 * (math.log10(trial.params["rate"]) + 4), size(trial.params)

    study = study_of(sampler())
    study.optimize(fails, n_trials=35, catch=RuntimeError)
    failed = [trial.state == optuna.trial.TrialState.FAIL for trial in study.trials]
    assert any(failed[:10])
    assert np.mean(failed[10:]) <= 0.3


def test_what_is_not_one_for_each_objective_is_refused():
    study = study_of(sampler(references=[0.6]))
    with pytest.raises(ValueError, match="length of references = number of objectives"):
        study.optimize(objective, n_trials=1)


def test_one_ranking_serves_several_trials_where_it_would_take_too_much_time():
    encoded = []

    def count(params):
        encoded.append(params)
        return known(params)

    # By this clock a ranking takes as long as the time between two trials.
    clock = map(float, itertools.count()).__next__
    study = study_of(sampler(time_share=0.05, clock=clock, known=count))
    study.optimize(objective, n_trials=14)
    encoded.clear()
    study.optimize(objective, n_trials=10)
    assert len(encoded) <= 11  # the trials themselves, and no candidates
