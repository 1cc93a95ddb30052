"""Runs a study, or goes on with it: puts data, search, Ray Tune, tracking and screen together."""

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import optuna
from optuna.trial import FrozenTrial, TrialState
from ray import tune
from rich.console import Console

from study import environment, study_folder
from study.data import Dataset, load_dataset
from study.errors import StudyError
from study.home import Home
from study.observer import Observer
from study.outcome import Outcome
from study.progress import Progress
from study.ray_runtime import check_resources, ray_runtime, room_for_trials
from study.reader import check_free
from study.scoreboard import Scoreboard
from study.search import StudySearcher, config_of, identity, open_search
from study.space import check_space
from study.spec import StudySpec
from study.stop import Stop
from study.tracking import Tracker
from study.trial import StudyTrainable

_LOST_WORKERS: Final = 3  # how often a trial may lose its worker before it fails
_TUNE: Final = "tune"  # Ray's own files while a study runs


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """What a run of a study did.

    `stopped` says why it ended before its budget was met, `signal_number` by which signal, if so.
    """

    name: str
    states: dict[str, int]
    front: list[int]
    hypervolume: float
    stopped: str | None
    signal_number: int | None
    seconds: float


def run(spec: StudySpec, home: Home | None = None, console: Console | None = None) -> RunSummary:
    """Runs the study until its budget is met, continuing it if it exists.

    Ray runs on this machine, unless $RAY_ADDRESS names a cluster or Ray is initialised already.
    Shows progress on the console, by default on standard output. Raises BadInputError before
    anything is started or written, TrackingError if the store takes no records, ClusterError if the
    cluster does not answer, StudyError if every trial failed.
    """
    environment.prepare()
    home = home or Home.find()
    start = time.monotonic()
    dataset = load_dataset(spec.dataset, spec.seed)
    check_space(spec, dataset.image_shape)
    check_resources(spec)
    folder = home.study_folder(spec.name)
    study_folder.check_continues(folder, spec)
    journal = study_folder.journal(folder)
    known = identity(open_search(spec, journal)) if journal.exists() else None
    check_free(spec.name, home, known)
    scoreboard = Scoreboard(spec)
    stop = Stop(spec.budget.minutes)
    with study_folder.only_driver(folder), Progress(scoreboard, console or Console()) as progress:
        progress.say(_headline(spec, dataset))
        _go_on(_Session(spec, home, dataset, scoreboard, progress, stop))
    failed = scoreboard.states["FAIL"]
    if failed and failed == scoreboard.ended:
        raise StudyError(f"all {failed} trials failed; the last one: {scoreboard.last}")
    return RunSummary(
        name=spec.name,
        states=dict(scoreboard.states),
        front=sorted(scoreboard.front),
        hypervolume=scoreboard.hypervolume,
        stopped=stop.reason,
        signal_number=stop.signal_number,
        seconds=time.monotonic() - start,
    )


@dataclass(frozen=True, slots=True)
class _Session:
    """What belongs to one run of a study."""

    spec: StudySpec
    home: Home
    dataset: Dataset
    scoreboard: Scoreboard
    progress: Progress
    stop: Stop

    @property
    def folder(self) -> Path:
        return self.home.study_folder(self.spec.name)

    @property
    def done(self) -> bool:
        return self.scoreboard.ended >= self.spec.budget.trials


def _go_on(session: _Session) -> None:
    """Runs the trials that are left, from the first one of a new study on."""
    spec, board = session.spec, session.scoreboard
    study_folder.store_spec(session.folder, spec)
    search = open_search(spec, study_folder.journal(session.folder))
    ended = [trial for trial in search.get_trials(deepcopy=False) if trial.state.is_finished()]
    for trial in ended:
        config = config_of(spec, optuna.trial.FixedTrial(trial.params), trial.number)
        point = trial.values if trial.state == TrialState.COMPLETE else None
        board.add_earlier(trial.number, trial.state.name, config.architecture.label(), point)
    searcher = StudySearcher(spec, search)
    tracker = Tracker(spec, session.home, identity(search))
    with session.stop.on_signals(session.progress.say) as install, _recorded(session, tracker):
        if not searcher.remaining:
            _record_again(session, tracker, ended)
            session.progress.say(f"all {board.ended} trials are done; --trials N asks for more")
            return
        # Ray starts while the tracker opens its store: each takes seconds.
        session.progress.say("starting Ray, which takes some seconds")
        with ray_runtime():
            install()
            _record_again(session, tracker, ended)
            if session.stop.reason is None:
                _fit(session, searcher, tracker)


@contextmanager
def _recorded(session: _Session, tracker: Tracker) -> Iterator[None]:
    """Opens the tracker, and closes it with the status that the study really has."""
    tracker.start()
    status = "FAILED"
    try:
        yield
        if session.done:
            session.stop.reason = None
        status = "FINISHED" if session.done else "KILLED"
        if session.scoreboard.states["FAIL"] == session.scoreboard.ended:
            status = "FAILED" if session.done else status
    finally:
        for number in session.scoreboard.running:
            tracker.interrupt_trial(number)
        try:
            tracker.close(status, session.scoreboard.summary())
        finally:
            shutil.rmtree(session.folder / _TUNE, ignore_errors=True)


def _record_again(session: _Session, tracker: Tracker, ended: list[FrozenTrial]) -> None:
    """Records the trials that the search knows to have ended and the store does not.

    Their driver died, or the store was away, between the two. The curve is lost; the result is not.
    """
    states = tracker.wait_until_ready()
    for trial in ended:
        if states.get(trial.number) == trial.state.name:
            continue
        config = config_of(session.spec, optuna.trial.FixedTrial(trial.params), trial.number)
        tracker.begin_trial(config)
        metrics: Mapping[str, float] = trial.user_attrs.get("metrics", {})
        if metrics:
            tracker.log_epoch(trial.number, metrics, "unknown")
        stored = sorted((session.folder / _TUNE / f"trial-{trial.number}").glob("checkpoint_*"))
        network = stored[-1] if stored and trial.number in session.scoreboard.front else None
        outcome = Outcome(state=trial.state.name, reason=trial.user_attrs.get("reason"))  # type: ignore[arg-type]  # finished
        tracker.end_trial(trial.number, outcome, network)
    tracker.mark_front(dict.fromkeys(session.scoreboard.front, True))


def _fit(session: _Session, searcher: StudySearcher, tracker: Tracker) -> None:
    """Has Ray Tune run what the searcher asks for."""
    spec, dataset = session.spec, session.dataset
    resources = {"cpu": spec.resources.cpus, "gpu": spec.resources.gpus}
    trainable = tune.with_parameters(
        StudyTrainable,
        dataset_name=dataset.name,
        classes=dataset.classes,
        arrays=dataset.to_arrays(),
        threads=max(1, int(spec.resources.cpus)),
        use_gpu=spec.resources.gpus > 0,
    )
    observer = Observer(tracker, session.scoreboard, session.progress, session.stop)
    tune.Tuner(
        tune.with_resources(trainable, resources),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            num_samples=searcher.remaining,
            max_concurrent_trials=spec.resources.concurrent_trials or room_for_trials(spec),
            reuse_actors=True,
            trial_name_creator=lambda trial: f"trial-{trial.config['number']}",
            trial_dirname_creator=lambda trial: f"trial-{trial.config['number']}",
        ),
        run_config=tune.RunConfig(
            name=_TUNE,
            storage_path=str(session.folder),
            callbacks=[observer],
            stop=session.stop,
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=_LOST_WORKERS),
            checkpoint_config=tune.CheckpointConfig(num_to_keep=1, checkpoint_at_end=True),
        ),
    ).fit()


def _headline(spec: StudySpec, dataset: Dataset) -> str:
    channels, height, width = dataset.image_shape
    return (
        f"study {spec.name}: {spec.budget.trials} trials of {spec.budget.epochs} epochs, "
        f"{spec.replicates} replicates each, {', '.join(spec.families)}\n"
        f"data {dataset.name}: {channels} x {height} x {width}, {dataset.classes} classes, "
        f"{len(dataset.train.labels):,} train, {len(dataset.validation.labels):,} validation, "
        f"{len(dataset.test.labels):,} test"
    )
