"""Runs one given trial with Ray Tune, and records it, as a driver does with those of a search."""

import shutil
from collections.abc import Mapping
from typing import Final

from ray.exceptions import RayActorError

from study.cluster.capacity import Capacity
from study.cluster.ray_runtime import find_capacity, ray_runtime
from study.errors import StudyError, TrackingError
from study.home import Home
from study.runner.callback import TrialCallback
from study.runner.observer import Observer
from study.runner.stopper import StudyStopper
from study.runner.teachers import Logits
from study.runner.trial_files import TrialStorage
from study.runner.tuner import LackOfMemoryError, run_tuner, tuner, worker_settings
from study.search.trial import WORKER_DIED, Outcome, TrialConfig, judge
from study.spec.sections import Resources
from study.study_folder import StudyFolder
from study.tracking.tracker import Tracker
from study.training.dataset import Dataset
from study.training.engines import EngineChoice

CONTINUES: Final = "the same command continues from its last checkpoint"


def run_trial(  # noqa: PLR0913, PLR0917  # what is trained, where, with what, and how it is shown
    folder: StudyFolder,
    home: Home,
    config: TrialConfig,
    dataset: Dataset,
    resources: Resources,
    logits: Mapping[str, Logits],
    observer: Observer,
) -> tuple[Outcome, StudyStopper]:
    """Trains the trial, or continues it from its checkpoint; `logits` are those of its teacher, if any.

    Returns its outcome, PRUNED if it was stopped, and the stopper, which knows why. Raises StudyError
    if its workers die, ClusterError if the cluster does not answer, and TrackingError if it cannot be
    recorded; records that the store does not take wait in the folder.
    """
    tracker, stop = Tracker(folder, home), StudyStopper()
    tracker.start({})
    tracker.begin_trial(config)
    try:
        with stop.on_signals(observer.notify) as install, ray_runtime() as alone:
            install()
            capacity = find_capacity(resources, alone=alone)
            if capacity.share.notice is not None:
                observer.notify(capacity.share.notice)
            tracker.wait_until_ready()
            callback = TrialCallback(tracker, stop, observer)
            engine = resources.engine
            outcome = _train(folder, config, dataset, logits, capacity, engine, callback, stop)
    except BaseException:
        tracker.interrupt_trial(config.number)
        try:
            tracker.close("KILLED", observer.notify)
        except TrackingError as error:
            observer.notify(f"error: {error}")  # the error that ended the training is raised
        raise
    if outcome.state == "PRUNED":
        tracker.interrupt_trial(config.number)
    else:
        tracker.end_trial(config.number, outcome, keep_network=True)
    tracker.close("FINISHED", observer.notify)
    return outcome, stop


def _train(  # noqa: PLR0913, PLR0917  # the parts of one run of Ray Tune
    folder: StudyFolder,
    config: TrialConfig,
    dataset: Dataset,
    logits: Mapping[str, Logits],
    capacity: Capacity,
    engine: EngineChoice,
    callback: TrialCallback,
    stop: StudyStopper,
) -> Outcome:
    folder.trials.mkdir(exist_ok=True)
    try:
        result = run_tuner(
            tuner(
                folder,
                settings=worker_settings(dataset, logits, engine),
                storage=TrialStorage.here(folder.trials, alone=capacity.alone),
                share=capacity.share,
                callback=callback,
                stop=stop,
                config=config.to_dict(),
            )
        )[0]
    except LackOfMemoryError as error:
        raise StudyError(f"{error}; {CONTINUES}") from error
    finally:
        shutil.rmtree(folder.tune, ignore_errors=True)
    if result.error is not None:
        kind = WORKER_DIED if isinstance(result.error, RayActorError) else "Ray Tune failed"
        raise StudyError(f"{kind}: {result.error}; {CONTINUES}") from result.error
    return judge(result.metrics or {}, objectives=())
