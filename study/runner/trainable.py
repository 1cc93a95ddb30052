"""The worker as a Ray Trainable; apart from the tuner, so that a worker does not load the search."""

from typing import TYPE_CHECKING, Any, final

from ray import tune

from study import environment

if TYPE_CHECKING:
    from study.runner.trial_worker import TrialWorker


@final
class StudyTrainable(tune.Trainable):
    """Delegates to a `TrialWorker`, whose keywords `tune.with_parameters` gives."""

    _worker: "TrialWorker"

    def setup(self, config: dict[str, Any], **settings: Any) -> None:  # noqa: ANN401  # as above
        environment.collect_rarely()
        from study.runner.trial_worker import TrialWorker  # noqa: PLC0415  # torch, with this setting

        self._worker = TrialWorker(**settings)
        self._worker.begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._worker.begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        return self._worker.step()

    def cleanup(self) -> None:
        """Stores a checkpoint of a trial that is not done: Ray ends the actor."""
        self._worker.close()
