import errno
import math
import pickle
import threading
import time

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from models.architecture import Architecture
from study.errors import BadInputError
from study.search import study_view
from study.search.budget import BudgetSpent, budget_spent
from study.search.journal import repair
from study.search.proposals import Proposals
from study.search.samplers import SAMPLERS
from study.search.searcher import StudySearcher
from study.search.space import known_metrics
from study.search.storage import Ending, SearchStorage, stored_identity
from study.search.stored_trial import metrics_of, point_of, rungs_of, start_of
from study.search.study_view import PENDING
from study.search.trial import TrialListener
from study.spec.study_spec import StudySpec
from tests.support.processes import ask, wait_until


def spec(**changes):
    table = {"name": "a", "dataset": "digits", "families": ["dann-r", "vann"]}
    return StudySpec.from_dict(table | {"budget": {"trials": 4}} | changes)


def count(network):
    return known_metrics(network, (1, 8, 8), 10)


def searcher(wanted, folder, **parts):
    storage = SearchStorage(wanted, folder / "journal")
    parts = {"budget": budget_spent(wanted, storage.trials())} | parts
    return StudySearcher(wanted, storage, count=count, clock=None, **parts)


class Listener(TrialListener):
    def __init__(self):
        self.ended = []
        self.begun = set()

    def ensure_begun(self, config):
        self.begun.add(config.number)

    def run_id(self, number):
        return f"run-{number}" if number < 2 else None

    def on_end(self, ended):
        self.ended.append(ended)


def trials(wanted, folder):
    return SearchStorage(wanted, folder / "journal").trials()


def report(epoch=15, accuracy=0.9, *, finished=True, **more):
    metrics = {"epochs": epoch, "val_accuracy": accuracy, "val_accuracy_sem": 0.01}
    metrics |= {"trainable_parameters": 700} | more
    return {"epochs": [metrics], "finished": finished, "failure": None, "notice": None}


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["ehvi", *SAMPLERS])
def test_every_sampler_proposes_the_budget_and_no_more(sampler, tmp_path):
    wanted = spec(sampler=sampler, budget={"trials": 12})
    search = searcher(wanted, tmp_path)
    for number in range(12):
        config = ask(search, f"ray-{number}")
        assert config["number"] == number
        assert config["seeds"] == [0, 1, 2]
        search.on_trial_complete(f"ray-{number}", report(accuracy=0.5 + number / 100))
    assert search.suggest("ray-12") == "FINISHED"
    stored = trials(wanted, tmp_path)
    assert [trial.state for trial in stored] == [TrialState.COMPLETE] * 12
    assert stored[0].values == [0.5, 700]


def test_no_more_trials_are_asked_for_than_there_is_room_for(tmp_path):
    room = [2]
    wanted = spec(sampler="random", budget={"trials": 5})
    search = searcher(wanted, tmp_path, capacity=lambda: room[0])
    assert search.set_max_concurrency(1000)
    assert [ask(search, "0")["number"], ask(search, "1")["number"]] == [0, 1]
    assert search.suggest("2") is None
    room[0] = 3  # a node came
    assert ask(search, "2")["number"] == 2
    room[0] = 1  # two left
    for key in ("0", "1"):
        assert search.suggest("3") is None
        search.on_trial_complete(key, report())
    assert search.suggest("3") is None
    search.on_trial_complete("2", report())
    assert ask(search, "3")["number"] == 3


def test_trials_that_ran_out_of_memory_together_run_one_by_one_and_alone_one_fails(tmp_path):
    heard = Listener()
    search = searcher(spec(), tmp_path, listener=heard)
    for key in ("0", "1"):
        ask(search, key)
    assert search.on_lost_memory("it ran out") == [0, 1]
    assert ask(search, "2")["number"] == 0
    assert search.suggest("3") is None
    assert search.on_lost_memory("it ran out") == [0]
    (failed,) = heard.ended
    assert heard.begun == {0}  # its worker may not have come so far
    assert (failed.number, failed.outcome.state, failed.outcome.reason) == (0, "FAIL", "it ran out")
    assert ask(search, "4")["number"] == 1
    search.on_trial_complete("4", report())
    assert search.suggest("5") == "FINISHED"
    assert search.end_one_by_one()
    assert not search.end_one_by_one()
    assert ask(search, "6")["number"] == 2


def test_a_grid_is_exhausted_and_then_the_study_is_over(tmp_path):
    space = {"somata": [8, 16, 32], "dendrites": 2, "learning_rate": 0.01}
    wanted = spec(sampler="grid", space=space, budget={})
    search = searcher(wanted, tmp_path)
    asked = [ask(search, str(number)) for number in range(6)]
    sizes = [(one["architecture"]["family"], one["architecture"]["somata"]) for one in asked]
    assert sorted(sizes) == [(name, size) for name in ("dann-r", "vann") for size in (8, 16, 32)]
    assert search.suggest("6") is None  # they run
    for number in range(6):
        search.on_trial_complete(str(number), report())
    assert search.suggest("7") == "FINISHED"


def test_diagnostics_are_kept_apart_and_read_together(tmp_path):
    wanted = spec()
    search = searcher(wanted, tmp_path)
    ask(search, "0")
    measured = {"generalisation_gap": 0.1, "test_accuracy_efficiency_sem": 0.02}
    done = report(**measured)
    search.on_trial_complete("0", done)
    (trial,) = trials(wanted, tmp_path)
    assert trial.user_attrs["diagnostics"] == measured
    assert metrics_of(trial) == done["epochs"][-1]


def test_what_is_kept_of_a_trial_is_on_it(tmp_path):
    wanted = spec()
    heard = Listener()
    search = searcher(wanted, tmp_path, listener=heard)
    ask(search, "0")
    search.on_trial_result("0", report(1, 0.5, finished=False))
    search.on_trial_result("0", report(3, 0.6, finished=False))
    search.on_trial_result("0", report(6, 0.7, finished=False))
    search.on_trial_complete("0", report())
    (trial,) = trials(wanted, tmp_path)
    (ended,) = heard.ended
    assert (ended.outcome.state, ended.point, ended.changes) == ("COMPLETE", [0.9, 700], {0: True})
    assert trial.user_attrs["mlflow_run_id"] == "run-0"
    assert trial.user_attrs["metrics"]["val_accuracy_sem"] == 0.01
    assert trial.user_attrs["metrics"]["epochs"] == 15
    reached = {"val_accuracy_sem": 0.01, "trainable_parameters": 700}
    assert rungs_of(trial) == {
        3: reached | {"val_accuracy": 0.6},
        6: reached | {"val_accuracy": 0.7},
    }


def test_an_mlflow_run_that_was_made_late_is_kept_with_the_study(tmp_path):
    wanted = spec()
    search = searcher(wanted, tmp_path, listener=Listener())
    for number in ("0", "1", "2", "3"):
        ask(search, number)
    for number in ("0", "1", "2"):
        search.on_trial_complete(number, report())
    storage = SearchStorage(wanted, tmp_path / "journal")
    for known in ({}, {number: f"run-{number}" for number in range(4)}, {}):
        storage.note_run_ids(known)
    # Trials 0 and 1 have it themselves, trial 3 still runs.
    assert storage.study.user_attrs["mlflow_run_ids"] == {"2": "run-2"}


def test_failures_and_early_ends_are_told_as_what_they_are(tmp_path):
    wanted = spec(budget={"trials": 9})
    heard = Listener()
    search = searcher(wanted, tmp_path, listener=heard)
    ends = [
        {"result": report(3, finished=False)},
        {"result": {"epochs": [], "finished": False, "failure": "ValueError: it broke"}},
        {"result": {"epochs": [{"epochs": 15, "val_accuracy": 0.9}], "finished": True}},
        {"result": report(accuracy=math.nan)},
        {"error": True},
    ]
    for number, end in enumerate(ends):
        ask(search, str(number))
        search.on_trial_complete(str(number), **end)
    stored = trials(wanted, tmp_path)
    assert [trial.state for trial in stored] == [TrialState.PRUNED] + [TrialState.FAIL] * 4
    reasons = [trial.user_attrs.get("reason") for trial in stored]
    assert reasons[0] is None
    assert rungs_of(stored[0])[3]["val_accuracy"] == 0.9
    assert reasons[1] == "ValueError: it broke"
    assert "trainable_parameters must be a finite number, got None" in reasons[2]
    assert "val_accuracy must be a finite number, got nan" in reasons[3]
    assert "the worker process died" in reasons[4]
    # Of the last one Ray alone knows more, and tells the callback.
    assert [ended.outcome.reason for ended in heard.ended] == reasons[:4]


def test_the_epochs_of_a_trial_that_failed_are_spent(tmp_path):
    wanted = spec(budget={"epochs": 10, "total_epochs": 20})
    budget = BudgetSpent(wanted)
    search = searcher(wanted, tmp_path, budget=budget)
    ask(search, "0")
    search.on_trial_result("0", report(7, finished=False))
    search.on_trial_complete("0", error=True)
    ask(search, "1")
    search.on_trial_complete("1", report(10))
    assert budget.met() == "17 of 20 epochs are trained"
    assert budget_spent(wanted, trials(wanted, tmp_path)).met() == budget.met()


def test_of_a_trial_that_fails_at_once_when_it_resumes_the_epochs_before_are_spent(tmp_path):
    wanted = spec(budget={"epochs": 10, "total_epochs": 11})
    search = searcher(wanted, tmp_path)
    ask(search, "0")
    search.on_trial_result("0", report(2, finished=False))  # at a rung
    budget = BudgetSpent(wanted)
    search = searcher(wanted, tmp_path, budget=budget)
    ask(search, "0")
    search.on_trial_complete("0", error=True)
    assert budget.met() == "2 of 11 epochs are trained"
    assert budget_spent(wanted, trials(wanted, tmp_path)).met() == budget.met()


@pytest.mark.parametrize("sampler", ["ehvi", "tpe", "grid"])
def test_a_proposal_that_breaks_a_constraint_is_told_to_the_sampler_and_not_recorded(
    sampler, tmp_path, monkeypatch
):
    told = []
    tell = Proposals.tell

    def listen(self, number, state, values, constraints):
        told.append(constraints)
        tell(self, number, state, values, constraints)

    monkeypatch.setattr(Proposals, "tell", listen)
    space = {"somata": [8, 16, 512], "dendrites": [1, 2], "learning_rate": [0.01, 0.02]}
    limit = "trainable_parameters <= 2000"
    wanted = spec(sampler=sampler, constraints=[limit], budget={"trials": 12}, space=space)
    search = searcher(wanted, tmp_path)
    for number in range(12):
        config = ask(search, str(number))
        assert config["number"] == number
        assert count(Architecture(**config["architecture"]))["trainable_parameters"] <= 2000
        search.on_trial_complete(str(number), report(accuracy=0.5 + number / 100))
    assert search.suggest("more") == "FINISHED"
    assert [trial.state.name for trial in trials(wanted, tmp_path)] == ["COMPLETE"] * 12
    assert any(constraints[limit] > 0 for constraints in told)


def test_a_constraint_that_nothing_satisfies_ends_the_search_with_nothing_stored(tmp_path):
    space = {"somata": [8, 16], "dendrites": [1, 2], "learning_rate": 0.01}
    wanted = spec(constraints=["macs <= 10"], space=space)
    budget = BudgetSpent(wanted)
    search = searcher(wanted, tmp_path, budget=budget)
    assert ask(search, "0") == "FINISHED"
    assert budget.met() == "every configuration of the space was tried"
    assert trials(wanted, tmp_path) == []


def test_a_constraint_that_no_draw_satisfies_ends_the_search(tmp_path):
    wanted = spec(constraints=["macs <= 10"], sampler="random")
    budget = BudgetSpent(wanted)
    assert ask(searcher(wanted, tmp_path, budget=budget), "0") == "FINISHED"
    assert "1000 successive configurations violate constraints, the last" in budget.met()


def test_a_sampler_that_takes_long_does_not_hold_rays_loop_up(tmp_path, monkeypatch):
    released = threading.Event()

    class Slow(optuna.samplers.RandomSampler):
        def sample_independent(self, *arguments):
            if study_is_used.is_set():
                released.wait()
            else:
                time.sleep(0.15)  # the first ask shows that it is slow
            return super().sample_independent(*arguments)

    study_is_used = threading.Event()
    monkeypatch.setitem(SAMPLERS, "random", lambda seed: Slow(seed=seed))
    search = searcher(spec(sampler="random"), tmp_path)
    assert ask(search, "0")["number"] == 0
    study_is_used.set()
    assert search.suggest("1") is None  # at once, for the sampler waits
    search.on_trial_complete("0", report())
    assert search.suggest("1") is None
    released.set()
    wait_until(lambda: search.suggest("1") is not None, "the proposal", every_s=0.01)
    assert [trial.number for trial in trials(spec(), tmp_path)] == [0, 1]


def test_a_slow_proposal_gets_the_number_of_its_delivery(monkeypatch):
    """While it is computed, a trial that continues an ended one takes the number."""
    released = threading.Event()
    released.set()

    class Slow(optuna.samplers.RandomSampler):
        def sample_independent(self, *arguments):
            released.wait()
            return super().sample_independent(*arguments)

    monkeypatch.setitem(SAMPLERS, "random", lambda seed: Slow(seed=seed))
    monkeypatch.setattr(study_view, "_SLOW_S", 0.0)
    proposals = Proposals(spec(sampler="random"), 0, count, clock=None)
    proposed = {}

    def propose(number):
        found = proposals.propose(number)
        if found is not PENDING:
            proposed[number] = found
        return number in proposed

    wait_until(lambda: propose(0), "the first proposal", every_s=0.01)
    released.clear()
    assert proposals.propose(1) is PENDING
    proposals.go_on(1, continues=0)
    released.set()
    wait_until(lambda: propose(2), "the second proposal", every_s=0.01)
    for number in (1, 2):
        proposals.report(number, {"epochs": 1, "val_accuracy": 0.9, "trainable_parameters": 700})
        proposals.tell(number, TrialState.PRUNED, None, {})


def test_a_constraint_on_what_is_learned_reaches_sampler_and_front(tmp_path):
    wanted = spec(constraints=["val_accuracy >= 0.8"])
    budget = BudgetSpent(wanted)
    search = searcher(wanted, tmp_path, budget=budget)
    for number, accuracy in enumerate((0.7, 0.9)):
        ask(search, str(number))
        ended = report(accuracy=accuracy, trainable_parameters=700 + number)
        search.on_trial_complete(str(number), ended)
    assert budget.front.points == {1: [0.9, 701]}
    below, above = trials(wanted, tmp_path)
    assert (below.state.name, point_of(below)) == ("COMPLETE", None)
    assert below.constraints["val_accuracy >= 0.8"] > 0
    assert point_of(above) == [0.9, 701]
    assert SearchStorage(wanted, tmp_path / "journal").study.best_trials == [above]


@pytest.mark.parametrize("sampler", ["ehvi", "tpe", "nsga2", "random"])
def test_no_configuration_is_proposed_twice_also_in_parallel(sampler, tmp_path):
    space = {"somata": [8, 16], "dendrites": [1, 2, 3], "learning_rate": [0.01, 0.1]}
    wanted = spec(sampler=sampler, space=space, budget={"trials": 99})
    budget = BudgetSpent(wanted)
    search = searcher(wanted, tmp_path, budget=budget)
    asked = [ask(search, str(number)) for number in range(8)]
    for number in range(8):
        search.on_trial_complete(str(number), report(accuracy=0.9))
    asked += [ask(search, str(number)) for number in range(8, 24)]
    assert len({str((one["architecture"], one["training"])) for one in asked}) == 2 * 3 * 2 * 2
    over = "every configuration of the space was tried"
    while budget.met() != over:
        assert search.suggest("24") is None


def test_an_interrupted_trial_is_asked_again_under_its_number_with_its_settings(tmp_path):
    wanted = spec()
    first = searcher(wanted, tmp_path)
    asked = [ask(first, str(number)) for number in range(2)]
    first.on_trial_complete("0", report())

    again = searcher(wanted, tmp_path)
    assert ask(again, "new-1") == asked[1]
    numbers = [ask(again, f"new-{number}")["number"] for number in (2, 3)]
    assert numbers == [2, 3]
    assert again.suggest("new-4") is None


def test_an_interrupted_trial_is_trained_to_its_end_also_where_the_hypervolume_stands_still(
    tmp_path,
):
    wanted = spec(budget={"stagnation": 2})
    search = searcher(wanted, tmp_path)
    for key in "0123":
        ask(search, key)
    for key in "012":  # the last one was running
        search.on_trial_complete(key, report())
    search = searcher(wanted, tmp_path)
    assert ask(search, "again")["number"] == 3
    assert search.suggest("more") is None
    search.on_trial_complete("again", report())
    assert search.suggest("more") == "FINISHED"
    assert all(trial.state.is_finished() for trial in trials(wanted, tmp_path))


@pytest.mark.parametrize("sampler", ["ehvi", "tpe", "grid"])
def test_a_study_starts_with_the_configurations_of_its_spec_also_when_it_resumes(sampler, tmp_path):
    space = {"somata": [8, 16, 32], "dendrites": [1, 2], "learning_rate": [0.01, 0.02]}
    start = [{"family": "vann", "somata": 32, "dendrites": 2}, {"family": "dann-r", "somata": 8}]
    wanted = spec(sampler=sampler, space=space, start=start, budget={"trials": 24})
    first = searcher(wanted, tmp_path)
    asked = [ask(first, "0")]  # the driver dies before the second
    again = searcher(wanted, tmp_path)
    asked += [ask(again, str(number)) for number in (0, 1)]
    assert asked[0] == asked[1]
    assert [config["start"] for config in asked[1:]] == [0, 1]
    networks = [config["architecture"] for config in asked[1:]]
    assert [(one["family"], one["somata"]) for one in networks] == [("vann", 32), ("dann-r", 8)]
    for number in range(2):
        again.on_trial_complete(str(number), report())
    others = [ask(again, str(number)) for number in range(2, 24)]
    assert {config["start"] for config in others} == {None}
    stored = trials(wanted, tmp_path)
    assert [start_of(trial) for trial in stored[:3]] == [0, 1, None]
    assert len({frozenset(trial.params.items()) for trial in stored}) == 24  # the whole space


def test_a_continued_study_does_not_repeat_its_first_draws(tmp_path):
    wanted = spec(sampler="tpe")
    first = searcher(wanted, tmp_path)
    configs = [ask(first, "0"), ask(first, "1")]
    for number in range(2):
        first.on_trial_complete(str(number), report())
    again = searcher(wanted, tmp_path)
    configs += [ask(again, "2"), ask(again, "3")]
    drawn = [config["training"]["learning_rate"] for config in configs]
    assert len(set(drawn)) == 4


LITTLE = {"somata": [8, 16, 24, 32], "dendrites": [1, 2, 3], "synapses": [2, 4]}
LITTLE |= {"learning_rate": [0.01, 0.02, 0.03], "schedule": "constant"}


@pytest.mark.parametrize(
    ("space", "constraints", "count"),
    [
        ({"somata": {"low": 8, "high": 64}}, ["trainable_parameters <= 3000"], 40),
        (LITTLE, [], 70),  # of 72 configurations, most of which are drawn again and again
    ],
)
def test_an_interrupted_random_search_has_the_configurations_of_an_unbroken_one(
    space, constraints, count, tmp_path
):
    """Also where more were proposed before than a sampler may repeat itself, some of them refused."""
    wanted = spec(sampler="random", space=space, budget={"trials": count}, constraints=constraints)
    configs = []
    for name, interruptions in (("unbroken", ()), ("broken", (1, 15, 32, 55, 66))):
        folder = tmp_path / name
        folder.mkdir()
        search = searcher(wanted, folder)
        configs.append([])
        for number in range(count):
            if number in interruptions:
                search = searcher(wanted, folder)
            configs[-1].append(ask(search, str(number)))
            search.on_trial_complete(str(number), report(trainable_parameters=2000))
    assert configs[0] == configs[1]


def test_a_genetic_sampler_goes_on_with_its_generation(tmp_path):
    wanted = spec(sampler="nsga2", budget={"trials": 60})
    search = searcher(wanted, tmp_path)
    for number in range(25):
        ask(search, str(number))
        search.on_trial_complete(str(number), report(accuracy=number / 100))
    again = searcher(wanted, tmp_path)
    ask(again, "25")
    generations = [
        trial.system_attrs["NSGAIISampler:generation"] for trial in trials(wanted, tmp_path)
    ]
    assert generations == [0] * 20 + [1] * 6


def test_the_same_seed_gives_the_same_search(tmp_path):
    configs = []
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        search = searcher(spec(seed=5, budget={"trials": 20}), tmp_path / folder)
        configs.append([])
        for number in range(14):
            configs[-1].append(ask(search, str(number)))
            search.on_trial_complete(str(number), report(accuracy=0.5 + number / 100))
    assert configs[0] == configs[1]


def test_directions_and_names_are_the_specs(tmp_path):
    wanted = spec(objectives={"val_loss": "minimize", "val_accuracy": "maximize"})
    study = SearchStorage(wanted, tmp_path / "journal").study
    expected = [optuna.study.StudyDirection.MINIMIZE, optuna.study.StudyDirection.MAXIMIZE]
    assert study.directions == expected
    assert study.metric_names == ["val_loss", "val_accuracy"]


def test_rays_snapshots_take_nothing_along(tmp_path):
    assert pickle.loads(pickle.dumps(searcher(spec(), tmp_path))).__dict__ == {}  # noqa: S301  # our own bytes


def test_a_journal_whose_last_line_was_cut_loses_that_line_alone(tmp_path):
    wanted = spec()
    search = searcher(wanted, tmp_path)
    ask(search, "0")
    search.on_trial_complete("0", report())
    before = trials(wanted, tmp_path)
    journal = tmp_path / "journal"
    with journal.open("ab") as file:
        file.write(b'{"op_code":4,"worker_id":"x","stu')
    repair(journal)
    again = searcher(wanted, tmp_path)
    assert ask(again, "1")["number"] == 1
    assert trials(wanted, tmp_path)[:1] == before


def test_the_end_of_a_trial_is_one_append_to_the_journal(tmp_path, monkeypatch):
    wanted = spec(constraints=["val_accuracy >= 0.8"])
    search = searcher(wanted, tmp_path, listener=Listener())
    ask(search, "0")
    search.on_trial_result("0", report(3, finished=False))
    appends = []
    append = JournalFileBackend.append_logs

    def listen(self, logs):
        appends.append(len(logs))
        append(self, logs)

    monkeypatch.setattr(JournalFileBackend, "append_logs", listen)
    search.on_trial_complete("0", report(generalisation_gap=0.1))
    assert appends == [5]  # metrics, diagnostics, the run, the constraint, the state
    (trial,) = trials(wanted, tmp_path)
    assert (trial.state.name, point_of(trial)) == ("COMPLETE", [0.9, 700])
    assert trial.constraints["val_accuracy >= 0.8"] < 0


def test_an_end_that_cannot_be_written_leaves_the_trial_as_it_was(tmp_path, monkeypatch):
    storage = SearchStorage(spec(), tmp_path / "journal")
    proposal = Proposals(spec(sampler="random"), 0, lambda _: {}).propose(0)
    storage.ask(proposal)

    def full(*_):
        raise OSError(errno.ENOSPC, "no space left")

    ending = Ending(state=TrialState.FAIL, values=None, violations={}, attributes={"reason": "x"})
    with monkeypatch.context() as patch:
        patch.setattr(JournalFileBackend, "append_logs", full)
        with pytest.raises(OSError, match="no space"):
            storage.tell(0, ending)
    (trial,) = trials(spec(), tmp_path)
    assert (trial.state, trial.user_attrs) == (TrialState.RUNNING, {"epochs": 15})
    storage.tell(0, ending)
    assert trials(spec(), tmp_path)[0].state == TrialState.FAIL


def test_asking_a_journal_for_its_identity_leaves_it_as_it_is(tmp_path):
    journal = tmp_path / "journal"
    assert stored_identity(journal) is None
    assert not journal.exists()
    identity = SearchStorage(spec(), journal).identity
    journal.write_bytes(journal.read_bytes() + b"not read\n" * 3)  # however long it is
    before = journal.read_bytes()
    assert stored_identity(journal) == identity
    assert journal.read_bytes() == before


def test_a_journal_of_another_layout_is_refused_and_left_as_it_is(tmp_path):
    wanted = spec()
    SearchStorage(wanted, tmp_path / "journal")
    journal = tmp_path / "journal"
    older = "\n".join(line for line in journal.read_text().splitlines() if '"layout"' not in line)
    newer = journal.read_text().replace('"layout":"2"', '"layout":"3"')
    for text, layout in ((older + "\n", "1"), (newer, "3")):
        journal.write_text(text)
        with pytest.raises(BadInputError, match=f"must be of layout 2, got layout {layout}"):
            SearchStorage(wanted, journal)
        with pytest.raises(BadInputError, match=f"must be of layout 2, got layout {layout}"):
            stored_identity(journal)
        assert journal.read_text() == text
