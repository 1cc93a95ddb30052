"""Studies that grow: which ended trials continue, without Ray and without training."""

import tempfile
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.samplers import RandomSampler
from optuna.trial import TrialState, create_trial

from study.search.budget import budget_spent
from study.search.candidates import key_of
from study.search.confirmation import confirmed_front
from study.search.promotion import (
    by_promise,
    can_extend,
    cut_short,
    kept_states,
    promoted,
    replaced,
)
from study.search.samplers import SAMPLERS
from study.search.scheduler import Halving
from study.search.searcher import StudySearcher
from study.search.space import known_metrics
from study.search.storage import SearchStorage
from study.search.stored_trial import continues_of, epochs_of, has_passed, metrics_of, rungs_of
from study.search.trial import TrialListener
from study.spec.study_spec import StudySpec
from tests.support.processes import ask


def spec(trials=6, epochs=8, factor=2.0, sampler="random", **more):
    return StudySpec.from_dict(
        {
            "name": "a",
            "dataset": "digits",
            "families": ["dann-r", "vann"],
            "sampler": sampler,
            "budget": {"trials": trials, "epochs": epochs} | more,
            "space": {"schedule": "constant", "somata": {"low": 4, "high": 40}},
            "stopping": {"grace_epochs": 1, "reduction_factor": factor},
        }
    )


def count(network):
    return known_metrics(network, (1, 8, 8), 10)


class Killed(Exception):  # noqa: N818  # no error of the program
    """The driver is killed."""


class Machine(TrialListener):
    """Runs trials one by one as Ray Tune would, with curves that a configuration determines.

    `trained` has the epochs of each configuration in order; `checkpoints` the epochs of each trial;
    `patience` the epochs after which the replicates of some configurations have stopped, `failing` those
    after which some fail.
    """

    def __init__(self, folder):
        self.journal = folder / "journal"
        self.trained = {}
        self.checkpoints = {}
        self.patience = {}
        self.failing = {}

    def can_continue(self, number):
        return number in self.checkpoints

    def run(self, wanted, *, grew=False, epochs=10**6):
        """Runs a study until its budget is met, or kills its driver after so many epochs."""
        self._left = epochs
        storage = self.storage = SearchStorage(wanted, self.journal)
        find = promoted if grew else cut_short
        storage.promote(filter(self.can_continue, find(wanted, storage.trials())))
        budget = budget_spent(wanted, storage.trials(), promoted=storage.promoted)
        search = StudySearcher(wanted, storage, budget, count, self, clock=None)
        halving = self.halving = Halving.of(wanted, storage.trials())
        for ray in range(10**6):
            config = ask(search, str(ray))
            if config == "FINISHED":
                return budget
            search.on_trial_complete(str(ray), self._train(search, halving, str(ray), config))
        raise AssertionError("there is no end")

    def _train(self, search, halving, ray, config):
        number, last = config["number"], config["training"]["epochs"]
        params = self.storage.trials()[number].params
        trial = SimpleNamespace(config=config)
        first = self.checkpoints.get(number, self.checkpoints.get(config["continues"], 0))
        last = max(first, min(last, self.patience.get(params["somata"] % 5, last)))
        for epoch in range(max(first, 1), last + 1):
            accuracy = 0.3 + params["somata"] * 7 % 11 / 20 + epoch / 1000
            metrics = {"epochs": epoch, "val_accuracy": accuracy}
            metrics["trainable_parameters"] = params["somata"]
            report = {"epochs": [metrics], "finished": epoch == last, "failure": None}
            if epoch == self.failing.get(params["somata"] % 5):
                report = {"epochs": [], "finished": False, "failure": "it diverged"}
                break
            if epoch > first:
                if not self._left:
                    raise Killed
                self._left -= 1
                self.trained.setdefault(key_of(params), []).append(epoch)
                self.checkpoints[number] = epoch
            if not self._left and not report["finished"]:
                raise Killed  # with a checkpoint that the driver does not know of
            if report["finished"] or halving.on_trial_result(None, trial, report) == "STOP":
                break
            search.on_trial_result(ray, report)
        halving.on_trial_complete(None, trial, report)
        return report

    def trials(self, wanted=None):
        return SearchStorage(wanted or spec(), self.journal).trials()


def run_to_end(machine, wanted, *, grew, kills=(), is_over=True):
    """Runs a study whose driver is killed after so many epochs each time; to its end if `is_over`."""
    for epochs in kills:
        try:
            return machine.run(wanted, grew=grew, epochs=epochs)
        except Killed:
            grew = False
    return machine.run(wanted, grew=grew) if is_over else None


def small(**budget):
    """A study whose proposals do not depend on interruptions."""
    table = spec(factor=2.0, epochs=8).to_dict()
    space = {"schedule": "constant", "somata": list(range(4, 16)), "learning_rate": 0.01}
    table |= {"families": ["vann"], "sampler": "grid", "space": space}
    return StudySpec.from_dict(table | {"budget": {"epochs": 8} | budget})


def ends_of(machine, wanted):
    """How each trial ended, and what it had reached at its rungs."""
    return [
        (trial.params["somata"], trial.state.name, epochs_of(trial), rungs_of(trial))
        for trial in machine.trials(wanted)
    ]


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=6),
    st.sampled_from([{"trials": 12}, {"total_epochs": 25}, {"stagnation": 3}]),
)
def test_rungs_budgets_and_ends_of_an_interrupted_study_are_those_of_an_unbroken_one(kills, budget):
    """Some trials end by themselves, others fail; the driver is killed again and again."""
    wanted, found = small(**budget), []
    for killed in ((), kills):
        with tempfile.TemporaryDirectory() as folder:
            machine = Machine(Path(folder))
            machine.patience = {0: 2, 1: 3}
            machine.failing = {2: 2, 4: 3}
            spent = run_to_end(machine, wanted, grew=False, kills=killed)
            rungs = machine.halving.debug_string()
            assert rungs == Halving.of(wanted, machine.trials(wanted)).debug_string()
            again = budget_spent(wanted, machine.trials(wanted))
            assert again.met() == spent.met()
            found.append((ends_of(machine, wanted), spent.met(), rungs))
    assert found[0] == found[1]


GROWTH = st.fixed_dictionaries(
    {
        "trials": st.sampled_from([0, 2]),
        "epochs": st.sampled_from([0, 3, 8]),
        "factor": st.sampled_from([0.0, 0.4]),
        "kills": st.lists(st.integers(0, 12), max_size=2),
        "was_over": st.booleans(),  # before
    }
)


@settings(max_examples=12, deadline=None)
@given(st.lists(GROWTH, min_size=1, max_size=3))
def test_no_configuration_is_trained_twice_to_the_same_epoch_however_a_study_grows(growths):
    """Its driver is killed here and there, and each ended trial is continued at most once."""
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(Path(folder))
        size = {"trials": 5, "epochs": 6, "factor": 3.0}
        *overs, last = *(growth.pop("was_over") for growth in growths), True
        run_to_end(machine, spec(**size), grew=False, kills=(7, 2), is_over=overs[0])
        for growth, is_over in zip(growths, [*overs[1:], last], strict=True):
            kills = growth.pop("kills")
            size = {
                name: value - growth[name] if name == "factor" else value + growth[name]
                for name, value in size.items()
            }
            run_to_end(machine, spec(**size), grew=True, kills=kills, is_over=is_over)
        trials = machine.trials(spec(**size))
    assert all(epochs == list(range(1, len(epochs) + 1)) for epochs in machine.trained.values()), (
        machine.trained
    )
    continued = [continues_of(trial) for trial in trials if continues_of(trial) is not None]
    assert max(Counter(continued).values(), default=1) == 1
    assert len(trials) - len(continued) == len(machine.trained) == size["trials"]
    assert all(trial.state.is_finished() for trial in trials)
    assert not cut_short(spec(**size), trials)
    ended = [trial for trial in trials if trial.number not in continued]
    assert {key_of(trial.params): epochs_of(trial) for trial in ended} == {
        key: len(epochs) for key, epochs in machine.trained.items()
    }


def grown(tmp_path, before, after):
    """A study that ended, and then grew; its machine and its trials before."""
    machine = Machine(tmp_path)
    machine.run(before)
    ended = machine.trials(before)
    machine.trained.clear()
    budget = machine.run(after, grew=True)
    return machine, ended, budget


def test_with_more_epochs_the_complete_trials_and_the_best_stopped_ones_go_on_first(tmp_path):
    before, after = spec(trials=12, epochs=6), spec(trials=12, epochs=9)
    machine, ended, budget = grown(tmp_path, before, after)
    complete = {one.number for one in ended if one.state == TrialState.COMPLETE}
    expected = promoted(after, ended)
    assert complete < set(expected)  # and some that were stopped
    trials = machine.trials(after)
    new = trials[len(ended) :]
    assert [continues_of(trial) for trial in new] == expected
    assert all(min(epochs) > 1 for epochs in machine.trained.values())
    assert budget.met() == "all 12 trials are done"
    # A complete one replaces that which it continues; the others stay where they are.
    assert not budget.front.points.keys() & {
        continues_of(trial) for trial in new if trial.state == TrialState.COMPLETE
    }
    assert budget.front.points.keys() == confirmed_front(after, trials, {}).keys()
    again = budget_spent(after, trials)
    assert (again.met(), again.front.points.keys()) == (budget.met(), budget.front.points.keys())


def test_a_trial_that_was_interrupted_before_the_epochs_grew_goes_on_to_the_new_ones(tmp_path):
    before, after = spec(trials=1, epochs=6), spec(trials=1, epochs=9)
    machine = Machine(tmp_path)
    with pytest.raises(Killed):
        machine.run(before, epochs=5)
    budget = machine.run(after, grew=True, epochs=4)
    first, second = machine.trials(after)
    assert (first.state.name, epochs_of(first)) == ("COMPLETE", 6)
    assert (second.state.name, epochs_of(second), continues_of(second)) == ("COMPLETE", 9, 0)
    assert budget.front.points.keys() == {1}
    assert budget.met() == "all 1 trials are done"
    machine = Machine(tmp_path)
    (tmp_path / "journal").unlink()
    with pytest.raises(Killed):
        machine.run(before, epochs=5)
    machine.can_continue = lambda _: False  # as without a share of the disk for checkpoints
    budget = machine.run(after, grew=True)
    assert [epochs_of(trial) for trial in machine.trials(after)] == [6]
    assert budget.met() == "all 1 trials are done"


def test_only_new_epochs_count_towards_a_budget_of_epochs(tmp_path):
    before = spec(trials=100, epochs=6, total_epochs=40)
    after = spec(trials=100, epochs=8, total_epochs=60)
    machine, ended, budget = grown(tmp_path, before, after)
    spent = sum(epochs_of(trial) for trial in ended)
    spent += sum(map(len, machine.trained.values()))
    assert 60 - 8 < spent <= 60
    assert budget.met() == f"{spent} of 60 epochs are trained"
    assert any(continues_of(trial) is not None for trial in machine.trials(after))


def test_a_larger_share_promotes_the_best_stopped_trials(tmp_path):
    before, after = spec(trials=12, epochs=8, factor=4.0), spec(trials=12, epochs=8, factor=2.5)
    machine, ended, _ = grown(tmp_path, before, after)
    stopped = [one.number for one in ended if one.state == TrialState.PRUNED]
    went_on = {continues_of(trial) for trial in machine.trials(after)} - {None}
    assert went_on == set(promoted(after, ended))
    assert set() < went_on < set(stopped)
    first = {one.number: metrics_of(one)["val_accuracy"] for one in ended if epochs_of(one) == 1}
    assert max(first, key=first.get) in went_on


def test_with_more_trials_alone_nothing_is_lost(tmp_path):
    before, after = spec(trials=8, epochs=8), spec(trials=11, epochs=8)
    machine, ended, budget = grown(tmp_path, before, after)
    new = machine.trials(after)[len(ended) :]
    continued = [continues_of(trial) for trial in new if continues_of(trial) is not None]
    assert continued == promoted(after, ended)
    assert [continues_of(trial) for trial in new[len(continued) :]] == [None] * 3
    assert budget.met() == "all 11 trials are done"


class Spy(RandomSampler):
    """Shows the trials that it was given when it was last asked."""

    def infer_relative_search_space(self, study, trial):
        self.study = study
        return super().infer_relative_search_space(study, trial)

    @property
    def seen(self):
        return self.study.get_trials()


@pytest.fixture
def spy(monkeypatch):
    sampler = Spy(seed=1)
    monkeypatch.setitem(SAMPLERS, "random", lambda _: sampler)
    return sampler


def test_the_sampler_sees_one_trial_of_each_configuration(spy, tmp_path):
    before, after = spec(trials=8, epochs=6), spec(trials=9, epochs=9)
    machine, ended, _ = grown(tmp_path, before, after)
    assert len(spy.seen) == 9 < len(machine.trials(after))
    more = spec(trials=10, epochs=9)
    machine.run(more)  # from the journal, too
    assert len(spy.seen) == 10
    assert not any(trial.state == TrialState.RUNNING for trial in spy.seen)
    last = {continues_of(trial): trial for trial in machine.trials(more)}
    for trial, known in zip(ended, spy.seen[:8], strict=True):
        end = trial
        while end.number in last:
            end = last[end.number]
        assert known.state == end.state
        assert known.values == end.values


def test_a_complete_trial_whose_checkpoint_is_gone_is_a_stopped_one_for_the_sampler(spy, tmp_path):
    before, after = spec(trials=6, epochs=6), spec(trials=7, epochs=9)
    machine = Machine(tmp_path)
    machine.run(before)
    machine.checkpoints.clear()
    budget = machine.run(after, grew=True)
    assert {trial.state for trial in spy.seen[:6]} == {TrialState.PRUNED}
    trials = machine.trials(after)
    assert any(trials[number].number < 6 for number in budget.front.points)


def test_a_trial_that_fails_when_it_is_continued_leaves_the_old_result(spy, tmp_path):
    before, after = spec(trials=3, epochs=4), spec(trials=4, epochs=6)
    machine = Machine(tmp_path)
    front = set(machine.run(before).front.points)
    storage = SearchStorage(after, machine.journal)
    storage.promote(sorted(front))
    budget = budget_spent(after, storage.trials(), promoted=storage.promoted)
    search = StudySearcher(after, storage, budget, count, machine, clock=None)
    for key in map(str, sorted(front)):
        assert ask(search, key)["continues"] == int(key)
        search.on_trial_complete(key, {"epochs": [], "failure": "it is damaged"})
    assert ask(search, "new")["continues"] is None
    assert set(budget.front.points) == front
    assert TrialState.FAIL not in {trial.state for trial in spy.seen}
    machine.run(after)
    assert TrialState.FAIL not in {trial.state for trial in spy.seen}


def test_a_promoted_trial_that_has_lost_its_checkpoint_stays_ended(spy, tmp_path):
    before, after = spec(trials=3, epochs=4), spec(trials=4, epochs=6)
    machine = Machine(tmp_path)
    machine.run(before)
    SearchStorage(after, machine.journal).promote([0, 1, 2])
    machine.checkpoints.clear()
    budget = machine.run(after)
    assert budget.met() == "all 4 trials are done"
    assert [continues_of(trial) for trial in machine.trials(after)] == [None] * 4
    assert all(trial.state.is_finished() for trial in spy.seen)


def test_checkpoints_of_complete_trials_are_kept_where_more_epochs_continue_them():
    assert can_extend(spec())
    assert kept_states(spec()) == ("PRUNED", "COMPLETE")
    table = spec().to_dict()
    for space in ({"schedule": ["constant", "cosine"]}, {"schedule": "constant", "rewiring": 0.3}):
        other = StudySpec.from_dict(table | {"space": space})
        assert not can_extend(other)
        assert kept_states(other) == ("PRUNED",)
    nothing = StudySpec.from_dict(table | {"storage": {"checkpoint_share": 0}})
    assert kept_states(nothing) == ()
    assert by_promise(nothing, []) == []


def test_a_trial_is_replaced_by_the_complete_one_at_the_end_of_its_chain():
    continues = {5: 1, 7: 5, 8: 2}
    assert replaced(continues, [1, 2, 7]) == {1, 5}
    assert replaced(continues, [1, 2]) == set()


def stored(number, state, epochs, accuracy, rungs=(), planned=8, **attributes):
    """An ended trial; `rungs` are its epochs with the accuracies there."""
    sizes = {"trainable_parameters": 100}
    trial = create_trial(
        state=TrialState[state],
        values=[accuracy, 100] if state == "COMPLETE" else None,
        user_attrs={
            "metrics": {"epochs": epochs, "val_accuracy": accuracy, **sizes},
            "epochs": planned,
            **{f"rung/{epoch}": {"val_accuracy": there, **sizes} for epoch, there in rungs},
            **attributes,
        },
    )
    trial.number = number
    return trial


def test_a_stopped_trial_is_compared_with_what_others_had_at_its_rung():
    found = [stored(0, "COMPLETE", 8, 0.9, [(1, 0.5)]), stored(1, "PRUNED", 1, 0.6, [(1, 0.6)])]
    assert promoted(spec(), found) == [1]


def test_a_trial_that_ended_by_patience_does_not_continue_with_more_epochs():
    by_patience = stored(0, "COMPLETE", 4, 0.9, planned=6)
    assert cut_short(spec(epochs=9), [by_patience, stored(1, "COMPLETE", 6, 0.9, planned=6)]) == [1]


def test_a_trial_has_passed_the_rungs_of_those_that_it_continues():
    found = [stored(0, "PRUNED", 2, 0.5), stored(1, "PRUNED", 3, 0.5, continues=0)]
    assert [has_passed(found[1], epoch, found) for epoch in (1, 2, 4)] == [True, True, False]
