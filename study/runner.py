"""Runs a study, or goes on with it: puts data, search, Ray Tune, tracking and screen together."""

import logging
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final, final

import optuna
import ray
import torch
from optuna.trial import TrialState
from ray import tune
from rich.console import Console

from study import environment, study_folder
from study.data import Dataset, load_dataset
from study.errors import SpecError, StudyError
from study.home import Home
from study.observer import Observer
from study.progress import Progress
from study.scoreboard import Scoreboard
from study.search import StudySearcher, open_search
from study.space import check_space, suggest
from study.spec import StudySpec
from study.tracking import Tracker
from study.trial import StudyTrainable

_LOST_WORKERS: Final = 3  # how often a trial may lose its worker before it fails
_TUNE: Final = "tune"  # Ray's own files while a study runs
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """What a run of a study did. `stopped` says why it ended before its budget was met, if so."""

    name: str
    states: dict[str, int]
    front: list[int]
    hypervolume: float
    stopped: str | None
    seconds: float


def run(spec: StudySpec, home: Home | None = None, console: Console | None = None) -> RunSummary:
    """Runs the study until its budget is met, continuing it if it exists.

    Ray runs on this machine, unless $RAY_ADDRESS names a cluster or Ray is initialised already.
    Shows progress on the console, by default on standard output. Raises BadInputError before
    anything is started or written, TrackingError if records were lost, StudyError if every trial
    failed.
    """
    environment.prepare()
    home = home or Home.find()
    start = time.monotonic()
    dataset = load_dataset(spec.dataset, spec.seed)
    check_space(spec, dataset.image_shape)
    if not ray.is_initialized() and not os.environ.get("RAY_ADDRESS"):
        _check_machine(spec)
    folder = home.study_folder(spec.name)
    study_folder.check_continues(folder, spec)
    scoreboard = Scoreboard(spec)
    stop = _Stop(spec.budget.minutes)
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
    stop: "_Stop"

    @property
    def folder(self) -> Path:
        return self.home.study_folder(self.spec.name)


def _go_on(session: _Session) -> None:
    """Runs the trials that are left, from the first one of a new study on."""
    spec, folder = session.spec, session.folder
    journal = study_folder.journal(folder)
    search = open_search(spec, journal) if journal.exists() else None
    if search is not None:
        _add_earlier(session.scoreboard, search)
        if not StudySearcher(spec, search).remaining:
            ended = session.scoreboard.ended
            session.progress.say(f"all {ended} trials are done; --trials N asks for more")
            return
    tracker = Tracker(spec, session.home, continues=search is not None and bool(search.trials))
    tracker.start()
    # Ray starts while the tracker opens its store: each takes seconds.
    with _ray(), session.stop.on_signals(session.progress):
        tracker.wait_until_ready()
        study_folder.store_spec(folder, spec)
        searcher = StudySearcher(spec, search or open_search(spec, journal))
        try:
            _fit(session, searcher, tracker)
        finally:
            for number in session.scoreboard.running:
                tracker.interrupt_trial(number)
            finished = session.stop.reason is None
            tracker.close(finished=finished, front=session.scoreboard.summary())
            shutil.rmtree(folder / _TUNE, ignore_errors=True)


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
    tune.Tuner(
        tune.with_resources(trainable, resources),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            num_samples=searcher.remaining,
            max_concurrent_trials=spec.resources.concurrent_trials or _room(spec),
            reuse_actors=True,
            trial_name_creator=lambda trial: f"trial-{trial.config['number']}",
            trial_dirname_creator=lambda trial: f"trial-{trial.config['number']}",
        ),
        run_config=tune.RunConfig(
            name=_TUNE,
            storage_path=str(session.folder),
            callbacks=[Observer(tracker, session.scoreboard, session.progress)],
            stop=session.stop,
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=_LOST_WORKERS),
            checkpoint_config=tune.CheckpointConfig(num_to_keep=1, checkpoint_at_end=True),
        ),
    ).fit()


@final
class _Stop(tune.Stopper):
    """Stops the study when it is asked to, or when its minutes are used up."""

    def __init__(self, minutes: float | None) -> None:
        self.reason: str | None = None
        self._deadline = None if minutes is None else time.monotonic() + 60 * minutes

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """No single trial is stopped here."""
        del trial_id, result
        return False

    def __getstate__(self) -> dict[str, Any]:
        """Ray snapshots its stopper to restore it; a study continues from its own stores."""
        return {}

    def stop_all(self) -> bool:
        if self._deadline is not None and time.monotonic() > self._deadline:
            self.reason = self.reason or "its minutes are used up"
        return self.reason is not None

    @contextmanager
    def on_signals(self, progress: Progress) -> Iterator[None]:
        """Within this, a first Ctrl-C or SIGTERM stops the study cleanly, a second one at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def handle(number: int, _: FrameType | None) -> None:
            if self.reason is not None:
                raise KeyboardInterrupt
            self.reason = f"{signal.Signals(number).name} was received"
            progress.say("stopping; what is finished is kept (once more: stop at once)")

        previous = {number: signal.signal(number, handle) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


@contextmanager
def _ray() -> Iterator[None]:
    """Ray, on this machine or on $RAY_ADDRESS; one that was there before is left as it was."""
    if ray.is_initialized():
        yield
        return
    if os.environ.get("RAY_ADDRESS"):
        ray.init(logging_level=logging.ERROR, log_to_driver=False)
    else:
        ray.init(
            "local",
            num_cpus=_cpus(),
            include_dashboard=False,
            logging_level=logging.ERROR,
            log_to_driver=False,
        )
    try:
        yield
    finally:
        ray.shutdown()


def _cpus() -> int:
    return len(os.sched_getaffinity(0))


def _check_machine(spec: StudySpec) -> None:
    """Raises SpecError if a trial wants more than this machine has: it would wait for ever."""
    has = {"cpus": _cpus(), "gpus": torch.cuda.device_count()}
    for name, available in has.items():
        wanted = getattr(spec.resources, name)
        if wanted > available:
            raise SpecError(
                f"`resources.{name} <= {name} of this machine` must hold, "
                f"got resources.{name}={wanted:g}, this machine has {available}"
            )


def _room(spec: StudySpec) -> int:
    """How many trials the machine or the cluster has room for, at least one."""
    total: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]  # Ray's
    room = total.get("CPU", 1.0) / spec.resources.cpus
    if spec.resources.gpus:
        room = min(room, total.get("GPU", 0.0) / spec.resources.gpus)
    return max(1, int(room))


def _add_earlier(scoreboard: Scoreboard, search: optuna.Study) -> None:
    """Tells the scoreboard of the trials that ended in earlier runs of the study."""
    for trial in search.get_trials(deepcopy=False):
        if trial.state.is_finished():
            architecture, _ = suggest(optuna.trial.FixedTrial(trial.params), scoreboard.spec)
            point = trial.values if trial.state == TrialState.COMPLETE else None
            scoreboard.add_earlier(trial.number, trial.state.name, architecture.label(), point)


def _headline(spec: StudySpec, dataset: Dataset) -> str:
    channels, height, width = dataset.image_shape
    return (
        f"study {spec.name}: {spec.budget.trials} trials of {spec.budget.epochs} epochs, "
        f"{spec.replicates} replicates each, {', '.join(spec.families)}\n"
        f"data {dataset.name}: {channels} x {height} x {width}, {dataset.classes} classes, "
        f"{len(dataset.train.labels):,} train, {len(dataset.validation.labels):,} validation, "
        f"{len(dataset.test.labels):,} test"
    )
