"""Ray Tune as it comes, for benchmarks/overhead: bare, and with Ray's Optuna and MLflow."""

import json
import logging
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, final

os.environ |= {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}

import ray  # after its settings
from ray import tune

from benchmarks.overhead.phases import resident_mb
from benchmarks.overhead.trial import EPOCHS

_SPACE = {
    "somata": [16, 32, 64, 128, 256],
    "dendrites": [1, 2, 4, 8, 16],
    "learning_rate": (4e-3, 4e-2),
}


@final
class Nothing(tune.Trainable):
    """Reports two metrics five times."""

    def setup(self, config: dict[str, Any]) -> None:
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._size = float(new_config["somata"] * new_config["dendrites"])
        self._epoch = 0
        return True

    def step(self) -> dict[str, Any]:
        self._epoch += 1
        accuracy = (1 - 1 / self._size) * (1 - 0.5**self._epoch)
        return {"accuracy": accuracy, "parameters": self._size, "done": self._epoch == EPOCHS}


@final
class Ends(tune.Callback):
    """Notes when trials end."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.processor: list[float] = []
        self.memory: list[float] = []

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def on_trial_complete(self, **_: object) -> None:
        self.times.append(time.perf_counter())
        self.processor.append(time.process_time())
        self.memory.append(resident_mb())


def measure(kind: str, trials: int) -> dict[str, Any]:
    ends = Ends()
    callbacks: list[tune.Callback] = [ends]
    search: Any = None
    space: dict[str, Any] = {
        "somata": tune.choice(_SPACE["somata"]),
        "dendrites": tune.choice(_SPACE["dendrites"]),
        "learning_rate": tune.loguniform(*_SPACE["learning_rate"]),
    }
    with tempfile.TemporaryDirectory() as folder:
        if kind == "stock":
            search, mlflow = _stock(Path(folder))
            callbacks.insert(0, mlflow)
        ray.init(
            "local",
            num_cpus=len(os.sched_getaffinity(0)),
            include_dashboard=False,
            logging_level=logging.ERROR,
            log_to_driver=False,
        )
        tune.Tuner(
            Nothing,
            param_space=space,
            tune_config=tune.TuneConfig(
                search_alg=search, num_samples=trials, reuse_actors=True, max_concurrent_trials=2
            ),
            run_config=tune.RunConfig(
                name="tune",
                storage_path=folder,
                verbose=0,
                callbacks=callbacks,
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        ).fit()
        ray.shutdown()
    count = len(ends.times)
    first = max(1, count // 3) - 1
    a_trial = 1e3 / (count - 1 - first)
    steady = a_trial * (ends.times[-1] - ends.times[first])
    processor = {"driver": a_trial * (ends.processor[-1] - ends.processor[first])}
    memory = {at: ends.memory[at - 1] for at in (1, 100, 300, 1000) if at <= count}
    return {"trials": count, "steady": {"ms": steady, "processor": processor}, "memory_mb": memory}


def _stock(folder: Path) -> tuple[Any, tune.Callback]:
    from ray.air.integrations.mlflow import MLflowLoggerCallback  # noqa: PLC0415  # seconds
    from ray.tune.search.optuna import OptunaSearch  # noqa: PLC0415  # as above

    uri = f"sqlite:///{folder}/mlflow.db"
    search = OptunaSearch(metric=["accuracy", "parameters"], mode=["max", "min"])
    return search, MLflowLoggerCallback(tracking_uri=uri, experiment_name="stock")


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
