import io
import json
import signal
import tempfile
from contextlib import contextmanager
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from ray.exceptions import RayTaskError
from rich.console import Console

from study.cluster.capacity import Capacity, Node, TrialResources
from study.errors import (
    BadInputError,
    ClusterError,
    DataError,
    SpecError,
    StudyError,
    TrackingError,
)
from study.home import Home
from study.runner import confirmation, confirmation_records, driver, resume
from study.runner import session as session_module
from study.runner.recording import recorded
from study.runner.retraining import _dataset
from study.search.pareto import hypervolume
from study.search.storage import SearchStorage
from study.spec.study_spec import StudySpec
from study.study_folder import HISTORY, StudyFolder, trial_folder
from study.training.dataset import load_dataset
from tests.support.processes import ask


class Unreachable:
    """A tracker whose store is away in the end."""

    run_ids = ()
    all_sent = False

    def start(self, tags):
        pass

    def close(self, *_):
        raise TrackingError("the store must answer, got silence")


@pytest.fixture
def session(tmp_path):
    messages = []
    return SimpleNamespace(
        storage=SimpleNamespace(
            identity="a", data="b", files={}, earlier={}, note_run_ids=lambda _: None
        ),
        dataset=load_dataset("digits"),
        over=lambda: "all trials are done",
        unconfirmed=list,
        progress=SimpleNamespace(notify=messages.append),
        messages=messages,
        scoreboard=SimpleNamespace(states={"FAIL": 0}, ended=1, running=()),
        stop=SimpleNamespace(withdraw=lambda: None),
        tracker=Unreachable(),
        folder=StudyFolder(tmp_path, "a"),
    )


def test_a_study_does_not_go_on_with_other_data(tmp_path):
    images, labels = np.arange(40 * 16, dtype=np.uint8).reshape(40, 4, 4), np.arange(40) % 2
    file, home = tmp_path / "a.npz", Home.find(str(tmp_path / "home"))
    np.savez(file, x=images, y=labels, x_test=images, y_test=labels)
    table = {"name": "a", "dataset": str(file), "families": ["vann"], "space": {"somata": 4}}
    spec = StudySpec.from_dict(table)
    folder = home.study_folder("a")
    resume.store_spec(folder, spec)
    before = load_dataset(spec.dataset).sha256()
    SearchStorage(spec, folder.journal, before)
    images[0, 0, 0] += 1
    np.savez(file, x=images, y=labels, x_test=images, y_test=labels)
    after = load_dataset(spec.dataset).sha256()
    assert before != after
    with pytest.raises(DataError) as caught:
        driver.run(spec, home=home)
    assert before in str(caught.value) and after in str(caught.value)  # noqa: PT018  # both hashes
    stored = SimpleNamespace(spec=spec, data=before)
    with pytest.raises(DataError, match=f"{before}, got a.npz with {after}"):
        _dataset(stored, None, full=True)  # before anything is trained
    assert _dataset(SimpleNamespace(spec=spec, data=after), None, full=True)


def test_what_ended_a_study_is_not_hidden_by_a_store_that_is_away(session):
    with pytest.raises(StudyError, match="this ended it"), recorded(session):
        raise StudyError("this ended it")
    assert session.messages == ["error: the store must answer, got silence"]


def test_a_store_that_is_away_after_a_study_that_ended_well_is_raised(session):
    with pytest.raises(TrackingError, match="got silence"), recorded(session):
        pass
    assert session.messages == []


class Recorder(SimpleNamespace):
    """A tracker that keeps what it is calls."""

    def __init__(self, *_):
        super().__init__(run_ids={}, all_sent=False, failed=False, trouble=None, calls=[])

    def __getattr__(self, name):
        return lambda *arguments, **named: self.calls.append((name, *arguments, *named.values()))

    def wait_until_ready(self):
        return {}


class Tuner:
    """Trains nothing, but asks and tells as Ray Tune does, two trials at once."""

    failing = (3,)
    gone: ClassVar = {}  # how often the worker of a trial is gone before it begins

    def size(self, number):
        del number
        return 9

    def __init__(self, *_, searcher, callback, **__):
        self._searcher, self._callback = searcher, callback

    def fit(self):
        for key in ("0", "2"):
            trials = [self._ask(key), self._ask(f"{key}'")]
            assert self._searcher.suggest("more") in (None, "FINISHED")
            for trial in trials:
                self._train(trial)

    def _ask(self, key):
        trial = SimpleNamespace(trial_id=key, config=ask(self._searcher, key), error_file=None)
        while self.gone.get(trial.config["number"], 0):
            self.gone[trial.config["number"]] -= 1
            self._searcher.on_trial_complete(trial.trial_id, error=True)
            self._callback.on_trial_error(trial=trial)
            trial.config = ask(self._searcher, key)
        self._callback.on_trial_start(trial=trial)
        return trial

    def _train(self, trial):
        number = trial.config["number"]
        metrics = {"epochs": 15, "val_accuracy": 0.5 + number / 20}
        metrics |= {"trainable_parameters": self.size(number)}
        result = {"epochs": [metrics], "finished": True, "failure": None, "notice": None}
        result |= {"engine": "compiled on cpu", "curves": {}, "replicates": {}}
        if number in self.failing:
            traceback = 'ray::step()\n  File "a.py", line 1\n    raise\nValueError: it broke'
            error = RayTaskError("step", traceback, ValueError("it broke"))
            with tempfile.NamedTemporaryFile("w") as file:
                file.write("Failure # 1 (occurred at noon)\nThe actor died.\n")
                file.write(f"Failure # 2 (occurred at one)\n{error.as_instanceof_cause()}\n")
                file.flush()
                trial.error_file = file.name
                self._searcher.on_trial_complete(trial.trial_id, error=True)
                self._callback.on_trial_error(trial=trial)
            return
        self._searcher.on_trial_result(trial.trial_id, result)
        self._callback.on_trial_result(trial=trial, result=result | {"hostname": "here", "pid": 1})
        self._searcher.on_trial_complete(trial.trial_id, result)


@pytest.fixture
def ray(monkeypatch):
    """A Ray that is not there: what was asked of it, and how many trials it has room for."""
    asked = []
    share = TrialResources(cpus=1, gpus=0)

    @contextmanager
    def ray_runtime():
        asked.append("start")
        yield True
        asked.append("stop")

    def find_capacity(resources, *, alone):
        assert alone
        asked.append("capacity")
        if resources.cpus > 2:
            raise SpecError("no node can hold it")
        return Capacity(share, lambda: [Node(2, 0)], alone=True)

    monkeypatch.setattr(driver, "ray_runtime", ray_runtime)
    monkeypatch.setattr(driver, "find_capacity", find_capacity)
    monkeypatch.setattr(driver, "Tracker", Recorder)
    monkeypatch.setattr(session_module, "tuner", Tuner)
    return asked


def run(folder, screen=None, on_end=lambda _: None, **changes):
    table = {"name": "a", "dataset": "digits", "families": ["vann"], "sampler": "random"}
    spec = StudySpec.from_dict(table | {"budget": {"trials": 4}} | changes)
    console = Console(file=screen or io.StringIO(), width=200)
    return driver.run(spec, home=folder, console=console, on_end=on_end)


@pytest.mark.parametrize("cluster", [False, True])
def test_a_study_asks_ray_once_and_ends_with_its_front(tmp_path, monkeypatch, ray, cluster):
    monkeypatch.setattr(driver, "on_cluster", lambda: cluster)
    summary = run(tmp_path)
    assert ray == ["start", "capacity", "stop"]
    assert summary.states == {"COMPLETE": 3, "FAIL": 1}
    assert (summary.front, summary.stopped, summary.failed) == ([2], None, None)
    again = run(tmp_path)
    assert ray == ["start", "capacity", "stop"]  # nothing is left to run
    assert (again.states, again.front) == (summary.states, summary.front)
    assert again.hypervolume == summary.hypervolume


@pytest.mark.usefixtures("ray")
@pytest.mark.parametrize(("times", "state"), [(3, "COMPLETE"), (4, "FAIL")])
def test_a_trial_whose_worker_is_gone_before_it_begins_is_run_again(
    times, state, tmp_path, monkeypatch
):
    monkeypatch.setattr(Tuner, "failing", ())
    monkeypatch.setattr(Tuner, "gone", {2: times})
    screen = io.StringIO()
    summary = run(tmp_path, screen=screen, budget={"trials": 5 if state == "FAIL" else 4})
    assert summary.states == ({"COMPLETE": 4} | ({"FAIL": 1} if state == "FAIL" else {}))
    told = screen.getvalue()
    assert told.count("trial 2: its worker died before it began, so it is run again\n") == 3
    assert ("trial 2 failed: the worker process died" in told) == (state == "FAIL")


@pytest.mark.usefixtures("ray")
def test_a_study_in_which_most_trials_fail_says_so_as_it_happens_and_in_the_end(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(Tuner, "failing", (1, 2, 3))
    screen = io.StringIO()
    summary = run(tmp_path, screen=screen)
    assert summary.failed == "of 4 trials 3 failed, all with ValueError: it broke"
    said = screen.getvalue()
    assert said.count("trial 1 failed: ValueError: it broke\n") == 1
    assert "trial 2 failed: " not in said
    assert "| 3 failed, all with ValueError: it broke |" in said
    again = run(tmp_path)  # nothing is left to run, and the storage knows less of the reasons
    assert again.failed.startswith("of 4 trials 3 failed, all with ")


def test_a_teacher_that_is_not_stored_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(BadInputError, match=r"teacher nobody/0: .* \(key space.teacher\)"):
        run(tmp_path / "home", space={"teacher": ["none", "nobody/0"]})
    assert not (tmp_path / "home" / "studies").exists()


@pytest.mark.usefixtures("ray")
@pytest.mark.parametrize("error", [ClusterError("Ray must start"), KeyboardInterrupt()], ids=repr)
def test_a_ray_that_does_not_start_or_a_second_ctrl_c_fails_no_study(error, tmp_path, monkeypatch):
    tracker = Recorder()
    monkeypatch.setattr(driver, "Tracker", lambda *_: tracker)

    @contextmanager
    def late():
        raise error
        yield

    with monkeypatch.context() as away:
        away.setattr(driver, "ray_runtime", late)
        with pytest.raises(type(error)):
            run(tmp_path)
    assert tracker.calls[-1][:2] == ("close", "KILLED")
    assert run(tmp_path).states == {"COMPLETE": 3, "FAIL": 1}


@pytest.mark.usefixtures("ray")
def test_the_record_of_a_study_follows_its_trials(tmp_path, monkeypatch):
    tracker = Recorder()
    monkeypatch.setattr(driver, "Tracker", lambda *_: tracker)
    run(tmp_path)
    ends = [messages[1:] for messages in tracker.calls if messages[0] == "end_trial"]
    assert [(number, outcome.state, on_front) for number, outcome, on_front, _ in ends] == [
        (0, "COMPLETE", True),
        (1, "COMPLETE", True),
        (2, "COMPLETE", True),
        (3, "FAIL", False),
    ]
    assert ends[3][1].reason == "ValueError: it broke"
    assert ("mark_front", {2: True, 1: False}) in tracker.calls
    assert tracker.calls[-1][:2] == ("close", "FINISHED")


def test_a_new_study_that_a_cluster_cannot_run_leaves_nothing_behind(tmp_path, ray, monkeypatch):
    monkeypatch.setattr(driver, "on_cluster", lambda: True)
    with pytest.raises(SpecError, match="no node can hold it"):
        run(tmp_path / "home", resources={"cpus": 3})
    assert ray == ["start", "capacity"]
    assert not (tmp_path / "home").exists()


class Impatient(io.StringIO):
    """A screen at which Ctrl-C is pressed at the nth line."""

    def __init__(self, line):
        super().__init__()
        self._line = line

    def write(self, text):
        super().write(text)
        if text.strip():
            self._line -= 1
            if self._line == 0:
                signal.raise_signal(signal.SIGINT)


@pytest.mark.slow
@pytest.mark.usefixtures("ray")
def test_ctrl_c_at_any_line_ends_a_study_cleanly_and_the_next_run_completes_it(tmp_path):
    lines = 0
    for line in range(1, 100):
        screen, ended = Impatient(line), []
        summary = run(tmp_path / str(line), screen=screen, on_end=ended.append)
        assert summary.signal_number == (
            signal.SIGINT if "(a second signal" in screen.getvalue() else None
        )
        assert len(ended) == 1  # whoever shows the results is interrupted neither
        if summary.signal_number is None:
            break
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert run(tmp_path / str(line)).states == {"COMPLETE": 3, "FAIL": 1}
        lines = line
    assert lines >= 5


class Confirming(Tuner):
    """Confirms one trial at a time; `stops` at a number as on a signal, `fails` at another."""

    stops = fails = None
    trained: ClassVar = []

    def __init__(self, *_, searcher, callback, stop, **__):
        super().__init__(searcher=searcher, callback=callback)
        self._stop = stop

    def fit(self):
        while (config := ask(self._searcher, "0")) != "FINISHED":
            trial = SimpleNamespace(trial_id="0", config=config, error_file=None)
            self._callback.on_trial_start(trial=trial)
            number = config["number"]
            if number == self.stops:
                self._stop.signal_number = 2
                self._stop.because("SIGINT was received")
                self._searcher.on_trial_complete("0", {"epochs": [], "finished": False})
                return
            self.trained.append((number, tuple(config["seeds"])))
            metrics = {"epochs": 15, "val_accuracy": 0.6, "trainable_parameters": 9}
            failure = "it diverged" if number == self.fails else None
            result = {"epochs": [metrics], "finished": True, "failure": failure, "notice": None}
            result |= {"engine": "compiled on cpu", "curves": {}, "replicates": {}}
            report = result | {"hostname": "here", "pid": 1}
            self._callback.on_trial_result(trial=trial, result=report)
            self._searcher.on_trial_complete("0", result)


@pytest.fixture
def confirming(monkeypatch, ray):  # noqa: ARG001  # as it is not there either
    """All trials are on the front, as each is larger and better; what was told of confirmations."""

    tracker = Recorder()
    tracker.all_sent = True
    monkeypatch.setattr(confirmation_records, "Tracker", lambda *_: tracker)
    monkeypatch.setattr(confirmation, "tuner", Confirming)
    monkeypatch.setattr(Confirming, "trained", [])
    monkeypatch.setattr(Tuner, "failing", ())
    monkeypatch.setattr(Tuner, "size", lambda _, number: 10 + number)
    return tracker


def test_what_is_on_the_front_is_confirmed_once_also_after_an_interruption(
    tmp_path, monkeypatch, confirming
):
    of_search = Recorder()
    monkeypatch.setattr(driver, "Tracker", lambda *_: of_search)
    screen, budget = io.StringIO(), {"trials": 4, "confirm": 2}
    monkeypatch.setattr(Confirming, "stops", 2)
    stopped = run(tmp_path, screen=screen, budget=budget)
    assert "confirming the trials on the front with 2 further seeds: 0, 1, 2, 3" in (
        screen.getvalue()
    )
    assert (stopped.stopped, stopped.signal_number) == ("SIGINT was received", 2)
    assert ("interrupt_trial", 2) in confirming.calls
    assert of_search.calls[-1][:2] == ("close", "KILLED")
    monkeypatch.setattr(Confirming, "stops", None)
    monkeypatch.setattr(Confirming, "fails", 3)
    done = run(tmp_path, screen=screen, budget=budget)
    assert Confirming.trained == [(number, (3, 4)) for number in range(4)]
    assert (done.stopped, done.states) == (None, {"COMPLETE": 4})
    # By pooled values 0.54, 0.57 and 0.6, and 0.65 of the one that failed.
    assert done.front == [0, 1, 2, 3]
    points = [(0.54, 10), (0.57, 11), (0.6, 12), (0.65, 13)]
    objectives = {"val_accuracy": "maximize", "trainable_parameters": "minimize"}
    assert done.hypervolume == pytest.approx(hypervolume(points, objectives))
    assert "trial 3 is not confirmed: it diverged" in screen.getvalue()
    assert of_search.calls[-1][:2] == ("close", "FINISHED")
    confirmed = {call[1]: call[2] for call in of_search.calls if call[0] == "confirm_trial"}
    assert confirmed.keys() == {0, 1, 2}
    assert confirmed[0] == {"confirmed_val_accuracy": 0.6, "confirmed_replicates": 2}
    folder = Home.find(str(tmp_path)).study_folder("a").path
    assert not list(folder.glob("retrained/*"))
    assert run(tmp_path, budget=budget).front == done.front
    assert len(Confirming.trained) == 4


@pytest.mark.parametrize(
    ("budget", "more"),
    [
        ({"trials": 4, "confirm": 3}, [(number, (3, 4, 5)) for number in range(4)]),
        ({"trials": 8, "confirm": 2}, [(7, (3, 4))]),  # which alone is on the front then
    ],
    ids=["with more seeds", "with another front"],
)
def test_a_confirmation_that_a_grown_study_no_longer_needs_is_ended(
    budget, more, tmp_path, monkeypatch, confirming
):
    monkeypatch.setattr(Confirming, "stops", 2)
    run(tmp_path, budget={"trials": 4, "confirm": 2})
    folder = Home.find(str(tmp_path)).study_folder("a")
    (interrupted,) = folder.retrainings()
    trial_folder(interrupted.trials, 2).mkdir(parents=True)
    states = {0: "COMPLETE", 1: "COMPLETE", 2: "INTERRUPTED"}

    def tracker(folder, home):
        del home
        confirming.wait_until_ready = lambda: states if folder == interrupted else {}
        return confirming

    monkeypatch.setattr(confirmation_records, "Tracker", tracker)
    monkeypatch.setattr(Confirming, "stops", None)
    monkeypatch.setattr(Tuner, "size", lambda _, number: 10 + number if number < 4 else 5)
    confirming.calls.clear()
    run(tmp_path, budget=budget)
    assert Confirming.trained == [(0, (3, 4)), (1, (3, 4)), *more]
    number, outcome, keeps = next(call[1:] for call in confirming.calls if call[0] == "end_trial")
    assert (number, outcome.state, keeps) == (2, "FAIL", False)
    assert "the study has grown" in outcome.reason
    assert not list(folder.path.glob("retrained/*"))


def test_what_study_retrain_trains_with_the_same_seeds_is_not_trained_by_a_confirmation(
    tmp_path, monkeypatch, confirming
):
    """Trial 1 has been retrained, and trial 2 is at the moment."""
    confirming.wait_until_ready = lambda: {1: "COMPLETE"}
    asked = []

    def find_run(_store, _experiment, wanted):
        asked.append(wanted)
        return SimpleNamespace(data=SimpleNamespace(metrics={"val_accuracy": 0.7}))

    monkeypatch.setattr(confirmation, "find_run", find_run)
    experiment = SimpleNamespace(experiment_id="1")
    store = SimpleNamespace(get_experiment_by_name=lambda _: experiment)
    monkeypatch.setattr(confirmation, "client", lambda _: store)
    of_search, screen = Recorder(), io.StringIO()
    monkeypatch.setattr(driver, "Tracker", lambda *_: of_search)
    folder = Home.find(str(tmp_path)).study_folder("a")
    label = "trial-2-replicates-1-epochs-15"
    with folder.of_retraining(label).only_driver():
        run(tmp_path, screen=screen, budget={"trials": 4, "confirm": 1})
    assert [number for number, _ in Confirming.trained] == [0, 3]
    assert [wanted.label() for wanted in asked] == ["trial-1-replicates-1-epochs-15"]
    assert "trial 2 is not confirmed now, as `study retrain` trains it" in screen.getvalue()
    confirmed = {call[1]: call[2] for call in of_search.calls if call[0] == "confirm_trial"}
    assert confirmed[1] == {"confirmed_val_accuracy": 0.7, "confirmed_replicates": 1}
    assert confirmed.keys() == {0, 1, 3}
    run(tmp_path, budget={"trials": 4, "confirm": 1})
    assert [number for number, _ in Confirming.trained] == [0, 3, 2]


@pytest.mark.usefixtures("confirming")
def test_a_front_that_grows_is_confirmed_where_it_is_new(tmp_path):
    run(tmp_path, budget={"trials": 4})
    assert Confirming.trained == []
    run(tmp_path, budget={"trials": 4, "confirm": 1})
    run(tmp_path, budget={"trials": 8, "confirm": 1})
    assert [number for number, _ in Confirming.trained] == list(range(8))
    with pytest.raises(SpecError, match=r"budget.confirm: was 1, is 0"):
        run(tmp_path, budget={"trials": 8})


def test_a_confirmation_that_was_stored_and_not_recorded_is_recorded_by_the_next_run(
    tmp_path, confirming
):
    confirming.all_sent = False  # as after the death of the driver
    budget = {"trials": 4, "confirm": 1}
    run(tmp_path, budget=budget)
    (folder,) = Home.find(str(tmp_path)).study_folder("a").retrainings()
    curves, replicates = {"val_accuracy": [[0.6]]}, {"val_accuracy": [1]}
    history = {"epochs": [{"epochs": 15, "val_accuracy": 0.6}]}
    history |= {"curves": curves, "replicates": replicates}
    trial = trial_folder(folder.trials, 2)
    trial.mkdir(parents=True)
    (trial / HISTORY).write_text(json.dumps(history))
    confirming.calls.clear()
    confirming.all_sent = True
    confirming.wait_until_ready = lambda: {0: "COMPLETE", 1: "COMPLETE", 2: "RUNNING"}
    run(tmp_path, budget=budget)
    assert len(Confirming.trained) == 4  # none again
    recorded = [call for call in confirming.calls if call[0].endswith(("trial", "epoch"))]
    assert [call[0] for call in recorded] == ["begin_trial", "log_epoch", "end_trial"]
    assert recorded[0][1].seeds == (3,)
    assert recorded[1][1:] == (2, history["epochs"][0])
    assert ("log_curves", 2, 1, curves) in confirming.calls
    assert (recorded[2][1], recorded[2][2].state, recorded[2][3]) == (2, "COMPLETE", True)
    assert not folder.path.parent.exists()


@pytest.mark.usefixtures("ray")
def test_a_study_that_is_driven_is_not_run_by_another(tmp_path):
    with (
        Home.find(str(tmp_path)).study_folder("a").only_driver(),
        pytest.raises(BadInputError, match="is being run already by process"),
    ):
        run(tmp_path)


@pytest.mark.usefixtures("ray")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"families": ["dann-r"], "space": {"synapses": 900}},
            r"synapses=900, inputs=64 \(key space",
        ),
        (
            {
                "start": [{"family": "vann", "somata": 9_000_000}],
                "constraints": ["macs <= 9e6"],
                "space": {"somata": [8, 9_000_000]},
            },
            "key start.0",
        ),
        (
            {"space": {"batch_order": "by_class", "batch_size": 1000}},
            "batch_size <= training images",
        ),
        ({"storage": {"checkpoints": "nothing://there"}}, "`storage.checkpoints` must be"),
        ({"sampler": "ehvi", "earlier": ["b"]}, "no study 'b'"),
    ],
)
def test_what_breaks_a_rule_is_refused_before_anything_is_written(changes, message, tmp_path):
    with pytest.raises(BadInputError, match=message):
        run(tmp_path / "home", **changes)
    assert not (tmp_path / "home").exists()


@pytest.mark.usefixtures("confirming")
def test_the_spec_of_a_grown_study_is_stored(tmp_path):
    run(tmp_path, budget={"trials": 4})
    run(tmp_path, budget={"trials": 8})
    with pytest.raises(SpecError, match=r"budget.trials: was 8, is 4"):
        run(tmp_path, budget={"trials": 4})
