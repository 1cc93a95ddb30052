"""The worker as a Ray Trainable; in a file of its own, so that the worker itself does not load Ray."""

from typing import Any, final

from ray import tune

from study.runner.trial_worker import TrialWorker


@final
class StudyTrainable(tune.Trainable):
    """Hands Tune's calls on to a `TrialWorker`, whose keywords `tune.with_parameters` gives."""

    def setup(self, config: dict[str, Any], **settings: Any) -> None:  # noqa: ANN401  # as above
        self._worker = TrialWorker(**settings)
        self._worker.begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._worker.begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        return self._worker.step()

    def cleanup(self) -> None:
        """Ray ends the actor: a trial that is not done goes on from here another time."""
        self._worker.close()
