import pickle

import optuna
import pytest
from optuna.trial import TrialState

from study.search import SAMPLERS, StudySearcher, open_search
from study.spec import StudySpec

REPORT = {"metrics/val_accuracy": 0.9, "metrics/trainable_parameters": 700, "finished": True}


def spec(**changes):
    table = {"name": "a", "dataset": "digits", "families": ["dann-r", "vann"]}
    return StudySpec.from_dict(table | {"budget": {"trials": 4}} | changes)


def searcher(wanted, folder):
    return StudySearcher(wanted, open_search(wanted, folder / "journal"))


def trials(wanted, folder):
    return open_search(wanted, folder / "journal").get_trials()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_proposes_the_budget_and_no_more(sampler, tmp_path):
    wanted = spec(sampler=sampler)
    search = searcher(wanted, tmp_path)
    for number in range(4):
        config = search.suggest(f"ray-{number}")
        assert config["number"] == number
        assert config["seeds"] == [0, 1, 2]
        search.on_trial_complete(f"ray-{number}", REPORT)
    assert search.suggest("ray-4") == "FINISHED"
    stored = trials(wanted, tmp_path)
    assert [trial.state for trial in stored] == [TrialState.COMPLETE] * 4
    assert stored[0].values == [0.9, 700]


def test_failures_and_early_ends_are_told_as_what_they_are(tmp_path):
    wanted = spec()
    search = searcher(wanted, tmp_path)
    ends = [
        {"result": REPORT | {"finished": False}},
        {"result": REPORT | {"finished": False, "failure": "ValueError: it broke"}},
        {"result": {"metrics/val_accuracy": 0.9, "finished": True}},
        {"error": True},
    ]
    for number, end in enumerate(ends):
        search.suggest(str(number))
        search.on_trial_complete(str(number), **end)
    stored = trials(wanted, tmp_path)
    assert [trial.state for trial in stored] == [TrialState.PRUNED] + [TrialState.FAIL] * 3
    reasons = [trial.user_attrs.get("reason") for trial in stored]
    assert reasons[0] is None
    assert reasons[1] == "ValueError: it broke"
    assert "trainable_parameters must be a finite number, got None" in reasons[2]
    assert "the worker process died" in reasons[3]


def test_an_interrupted_trial_is_asked_again_under_its_number_with_its_settings(tmp_path):
    wanted = spec()
    first = searcher(wanted, tmp_path)
    asked = [first.suggest(str(number)) for number in range(2)]
    first.on_trial_complete("0", REPORT)

    again = searcher(wanted, tmp_path)
    assert again.remaining == 3
    assert again.suggest("new-1") == asked[1]
    numbers = [again.suggest(f"new-{number}")["number"] for number in (2, 3)]
    assert numbers == [2, 3]
    assert again.suggest("new-4") == "FINISHED"


def test_a_trial_broken_off_while_it_was_being_asked_is_completed(tmp_path):
    wanted = spec()
    study = open_search(wanted, tmp_path / "journal")
    study.ask().suggest_categorical("family", ("dann-r", "vann"))
    config = searcher(wanted, tmp_path).suggest("new")
    assert config["number"] == 0
    assert config["architecture"]["family"] == study.trials[0].params["family"]


def test_a_continued_study_does_not_repeat_its_first_draws(tmp_path):
    wanted = spec(sampler="random")
    first = searcher(wanted, tmp_path)
    configs = [first.suggest("0"), first.suggest("1")]
    for number in range(2):
        first.on_trial_complete(str(number), REPORT)
    again = searcher(wanted, tmp_path)
    configs += [again.suggest("2"), again.suggest("3")]
    drawn = [config["training"]["learning_rate"] for config in configs]
    assert len(set(drawn)) == 4


def test_the_same_seed_gives_the_same_search(tmp_path):
    configs = []
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        search = searcher(spec(seed=5), tmp_path / folder)
        configs.append([search.suggest(str(number)) for number in range(3)])
    assert configs[0] == configs[1]


def test_directions_are_the_specs(tmp_path):
    wanted = spec(objectives={"val_loss": "minimize", "val_accuracy": "maximize"})
    study = open_search(wanted, tmp_path / "journal")
    expected = [optuna.study.StudyDirection.MINIMIZE, optuna.study.StudyDirection.MAXIMIZE]
    assert study.directions == expected
    assert study.metric_names == ["val_loss", "val_accuracy"]


def test_rays_snapshots_take_nothing_along(tmp_path):
    assert pickle.loads(pickle.dumps(searcher(spec(), tmp_path))).__dict__ == {}  # noqa: S301  # our own bytes
