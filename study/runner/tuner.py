"""Ray's Tuner, which runs trials with the Trainable of a study."""

import uuid
from collections.abc import Mapping
from typing import Any, Final, final

from ray import tune
from ray.exceptions import OutOfMemoryError
from ray.tune.experimental.output import IS_NOTEBOOK
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from study.cluster.capacity import TrialResources
from study.runner.callback import TrialCallback
from study.runner.stopper import StudyStopper
from study.runner.teachers import Logits
from study.runner.trainable import StudyTrainable
from study.runner.trial_files import TrialStorage
from study.study_folder import StudyFolder
from study.training.dataset import Dataset
from study.training.engines import EngineChoice

_LOST_WORKERS: Final = (
    3  # how often a trial may lose its worker without an epoch more before it fails
)

# More than any cluster can run: the searcher follows the capacity as it changes, and Tune, whose
# limits are fixed at the start, has as many trials wait for a worker.
_NO_LIMIT: Final = 100_000


def tuner(  # noqa: PLR0913  # each part has a name of its own
    folder: StudyFolder,
    *,
    settings: Mapping[str, Any],
    storage: TrialStorage,
    share: TrialResources,
    callback: TrialCallback,
    stop: StudyStopper,
    searcher: Searcher | None = None,
    scheduler: TrialScheduler | None = None,
    config: dict[str, Any] | None = None,
) -> tune.Tuner:
    """Ray's Tuner for the trials that the searcher suggests, or for the one of the config.

    `settings` are keywords of `TrialWorker`, all but the resources and the storage.
    """
    return tune.Tuner(
        trainable_of(settings, storage, share),
        param_space=config,
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=scheduler,
            num_samples=1 if searcher is None else -1,
            max_concurrent_trials=_NO_LIMIT,
            reuse_actors=True,
            trial_name_creator=lambda trial: f"trial-{trial.config['number']}",
            trial_dirname_creator=lambda trial: f"trial-{trial.config['number']}",
        ),
        run_config=tune.RunConfig(
            name=folder.tune.name,
            storage_path=str(folder.path),
            callbacks=[callback],
            stop=stop,
            verbose=0,
            # In a notebook, the reporter that Tune chooses clears the output of the cell.
            progress_reporter=tune.CLIReporter() if IS_NOTEBOOK else None,
            failure_config=tune.FailureConfig(max_failures=_LOST_WORKERS),
            # Trials write their own checkpoints, where they outlive Ray.
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )


def worker_settings(
    dataset: Dataset, logits: Mapping[str, Logits], engine: EngineChoice
) -> dict[str, Any]:
    """The keywords of `TrialWorker` for trials without rungs and diagnostics."""
    return {
        "dataset_name": dataset.name,
        "classes": dataset.classes,
        "arrays": dataset.to_arrays(),
        "logits": logits,
        "engine": engine,
        "rungs": (),
    }


def trainable_of(
    settings: Mapping[str, Any], storage: TrialStorage, share: TrialResources
) -> type[tune.Trainable]:
    """The Trainable of one study, by a name that no other one has.

    Tune stores the class in Ray by its name and by the id of the job, and reads it whenever it starts a
    worker (`ray/tune/registry.py`). A process keeps the id of its first Ray, so two processes can have
    the same one. With one name, a study's workers would be built with another's data and folder.
    """
    trainable = tune.with_parameters(
        StudyTrainable,
        **settings,
        threads=max(1, int(share.cpus)),
        gpus=share.gpus,
        storage=storage,
    )
    sized: type[tune.Trainable] = tune.with_resources(
        trainable, {"cpu": share.cpus, "gpu": share.gpus}
    )
    sized.__name__ = f"{StudyTrainable.__name__}-{uuid.uuid4().hex}"
    return sized


@final
class LackOfMemoryError(Exception):
    """Ray ended a worker because memory ran out, and Tune ended with it; the message is Ray's."""


def run_tuner(trials: tune.Tuner) -> tune.ResultGrid:
    """Runs a Tuner to its end.

    Raises LackOfMemoryError if memory ran out: Tune handles two ways in which a worker can end, and
    this is neither.
    """
    try:
        return trials.fit()
    except RuntimeError as error:
        if not isinstance(error.__cause__, OutOfMemoryError):
            raise
        reason = f"OutOfMemoryError: {str(error.__cause__).splitlines()[0]}"
        raise LackOfMemoryError(reason) from error
