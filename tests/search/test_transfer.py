"""Earlier studies of a home: copied with their hash, and translated into the space of a study."""

import errno
import hashlib
import math
import os
from functools import partial

import pytest
from optuna.trial import TrialState

from study.errors import NotFoundError, SpecError
from study.home import Home
from study.runner.resume import store_spec
from study.search.budget import budget_spent
from study.search.samplers import ehvi_of
from study.search.searcher import StudySearcher
from study.search.space import architecture_of, known_metrics
from study.search.storage import SearchStorage
from study.search.transfer import check_earlier, copy_earlier, read_earlier
from study.spec.study_spec import StudySpec
from tests.support.processes import ask

count = partial(known_metrics, image_shape=(1, 8, 8), classes=10)
SPACE = {"somata": [8, 16], "dendrites": 2, "learning_rate": [0.01, 0.02], "dropout": [0.0, 0.1]}


@pytest.fixture
def home(tmp_path):
    return Home.find(str(tmp_path / "home"))


def spec(name, **changes):
    table = {"name": name, "dataset": "digits", "families": ["dann-r", "vann"], "space": SPACE}
    return StudySpec.from_dict(table | {"budget": {"trials": 6, "epochs": 10}} | changes)


def run(wanted, home):
    """A study with complete, pruned and failed trials."""
    folder = home.study_folder(wanted.name)
    store_spec(folder, wanted)
    storage = SearchStorage(wanted, folder.journal)
    budget = budget_spent(wanted, [])
    search = StudySearcher(wanted, storage, budget, count)
    for number in range(6):
        config = ask(search, str(number))
        metrics = {"val_accuracy": 0.5 + number / 100, "val_accuracy_sem": 0.01}
        metrics |= {"trainable_parameters": 100 * (number + 1), "macs": 1}
        report = {"finished": False, "failure": None, "epochs": [metrics | {"epochs": 2}]}
        search.on_trial_result(str(number), report)
        if number % 3:
            report = report | {"finished": True, "epochs": [metrics | {"epochs": 10}]}
        search.on_trial_complete(str(number), report, error=number == 3)
        assert config is not None
    states = [trial.state for trial in storage.trials()]
    assert states.count(TrialState.COMPLETE) == 4
    return storage.trials()


def later(**changes):
    changes = {"earlier": ["first"], "families": ["dann-r"]} | changes
    space = {"somata": {"low": 4, "high": 64}, "dendrites": [1, 2, 4], "dropout": 0.1}
    return spec("second", **({"space": space, "budget": {"epochs": 20}} | changes))


def test_trials_are_those_of_the_earlier_study_in_the_words_of_this_one(home):
    trials = run(spec("first"), home)
    wanted = later()
    check_earlier(wanted, home)
    copy_earlier(wanted, home)
    (earlier,) = read_earlier(wanted, home, count)
    assert earlier.epochs == 10
    assert {"family": "dann-r", "dropout": 0.1}.items() <= earlier.fixed.items()
    assert "somata" not in earlier.fixed
    # A trial that failed after its first rung had shown something by then.
    assert [sorted(one.reports, key=str) for one in earlier.trials] == [
        [2] if number % 3 == 0 else [2, None] for number in range(6)
    ]
    for one, trial in zip(earlier.trials, trials, strict=True):
        assert one.params.items() >= trial.params.items()
        assert one.params["dendrites"] == 2  # fixed there, searched here
        sizes = count(architecture_of(trial.params, spec("first")))
        assert one.features[1] == pytest.approx(math.log10(sizes["trainable_parameters"]) / 2)
    assert earlier.trials[1].reports[2].values == [0.51, 200]
    assert earlier.trials[1].reports[2].errors == [0.01, 0.0]
    sampler = ehvi_of(
        wanted, 0, lambda params: count(architecture_of(params, wanted)), None, [earlier]
    )
    assert sampler is not None


def test_networks_that_do_not_fit_these_images_are_left_out(home):
    run(spec("first"), home)
    wanted = later()
    copy_earlier(wanted, home)
    (earlier,) = read_earlier(wanted, home, partial(count, image_shape=(1, 3, 3)))
    assert {one.params["family"] for one in earlier.trials} == {
        "vann"
    }  # the others have 16 synapses


def test_a_study_resumes_with_the_copy_that_it_began_with(home):
    run(spec("first"), home)
    wanted = later()
    journal = home.study_folder("first").journal
    sha256 = hashlib.sha256(journal.read_bytes()).hexdigest()
    assert copy_earlier(wanted, home) == {"first": sha256}
    journal.unlink()
    check_earlier(wanted, home)
    assert copy_earlier(wanted, home) == {"first": sha256}
    assert len(read_earlier(wanted, home, count)[0].trials) == 6
    storage = SearchStorage(wanted, home.study_folder("second").journal)
    storage.note_earlier({"first": sha256})
    assert SearchStorage(wanted, home.study_folder("second").journal).earlier == {"first": sha256}


def test_a_copy_that_a_full_disk_ended_is_made_again(home, monkeypatch):
    run(spec("first"), home)
    wanted = later()

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        copy_earlier(wanted, home)
    monkeypatch.undo()
    check_earlier(wanted, home)
    copy_earlier(wanted, home)
    assert len(read_earlier(wanted, home, count)[0].trials) == 6


def test_a_study_that_is_not_there_is_refused(home):
    run(spec("first"), home)
    with pytest.raises(NotFoundError, match=r"'frist'.*key earlier.*did you mean 'first'"):
        check_earlier(later(earlier=["frist"]), home)
    assert not home.study_folder("second").path.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"sampler": "tpe"},
            'sampler = "ehvi"` must hold to learn from earlier studies, got "tpe"',
        ),
        ({"earlier": ["second"]}, "earlier studies must be others, each once, got second"),
        ({"earlier": ["first", "first"]}, "must be others, each once, got first, first"),
    ],
)
def test_a_spec_that_cannot_learn_from_earlier_studies_is_refused(changes, message):
    with pytest.raises(SpecError, match=message):
        later(**changes)
