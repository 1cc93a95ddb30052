"""Settings of Ray, MLflow and Optuna: environment variables, and levels of loggers.

Functions that use these libraries have the settings as a decorator; processes of this package, such as
a command or the sender, call `prepare`. An import changes nothing.
"""

import gc
import logging
import os
import threading
from collections.abc import Mapping
from contextlib import ContextDecorator
from typing import Final, final

_COLLECT_AFTER: Final = 50_000  # objects; Python's default is 700


@final
class Settings(ContextDecorator):
    """A context with these settings; after the last one, in any thread, the old settings are restored.

    Environment `variables` are set unless they have a value; `levels` are those of loggers.
    """

    def __init__(self, variables: Mapping[str, str], levels: Mapping[str, int]) -> None:
        self._variables = variables
        self._levels = levels
        self._lock = threading.Lock()
        self._contexts = 0
        self._added: list[str] = []
        self._before: dict[str, int] = {}

    def __enter__(self) -> None:
        with self._lock:
            self._contexts += 1
            # In a nested context too: the environment may have been replaced in between.
            added = [name for name in self._variables if name not in os.environ]
            os.environ.update({name: self._variables[name] for name in added})
            self._added += added
            for name, level in self._levels.items():
                logger = logging.getLogger(name)
                # In a nested context a library that was imported in between has set its own level.
                if self._contexts == 1 or logger.level != level:
                    self._before[name] = logger.level
                    logger.setLevel(level)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._contexts -= 1
            if self._contexts:
                return
            for name in self._added:
                os.environ.pop(name, None)
            self._added = []
            for name, level in self._before.items():
                logger = logging.getLogger(name)
                # A library that was imported in between has set the level of its logger.
                if logger.level == self._levels[name]:
                    logger.setLevel(level)


# MLflow creates its telemetry client, with a variable of its own, at import.
IMPORT: Final = Settings({"MLFLOW_DISABLE_TELEMETRY": "true"}, {})

RECORDS: Final = Settings(
    {
        # By default MLflow waits minutes for a dead server; the sender repeats requests itself.
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
        "MLFLOW_LOGGING_LEVEL": "WARNING",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # Suppresses links to ended runs in the output of a command.
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        # Otherwise MLflow adds the uv project of the working directory to every model.
        "MLFLOW_UV_AUTO_DETECT": "false",
    },
    {
        "mlflow": logging.ERROR,
        "alembic": logging.ERROR,
        "optuna": logging.ERROR,
        # MLflow prints tracebacks of database errors that it also raises.
        "mlflow.store.db": logging.CRITICAL,
    },
)
"""For functions that read or write records."""

RAY: Final = Settings(
    {
        # Ray's CSV, JSON and TensorBoard files: the record is in MLflow.
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        # Tune's snapshots, which grow with the trials: a study continues from its own storage.
        "TUNE_GLOBAL_CHECKPOINT_S": str(10**9),
        # study.runner.stopper handles Ctrl-C.
        "TUNE_DISABLE_SIGINT_HANDLER": "1",
        "RAY_CHDIR_TO_TRIAL_DIR": "0",
        # Tune's table; study.runner.progress shows the study.
        "RAY_AIR_NEW_OUTPUT": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
    },
    {
        # `ray.init` sets this one, too.
        "ray": logging.ERROR,
        "ray.dashboard": logging.ERROR,
        "ray._private": logging.ERROR,
        # Tune prints tracebacks of its snapshots, and of failed trials, whose reasons are recorded.
        "ray.tune": logging.CRITICAL,
    },
)
"""For functions that run a study, or connect to a cluster."""


def prepare() -> None:
    """Applies all settings for the rest of the process."""
    RECORDS.__enter__()
    RAY.__enter__()
    collect_rarely()


def collect_rarely() -> None:
    """Collects garbage rarely for the rest of the process.

    Imports create a million permanent objects; garbage collection takes a sixth of their time.
    """
    gc.set_threshold(_COLLECT_AFTER)
