"""Settings of the libraries that are made through environment variables and loggers.

Called by what starts work, before Ray or MLflow are imported; importing this changes nothing.
"""

import logging
import os
from typing import Final

_DEFAULTS: Final = {
    # Ray's CSV, JSON and TensorBoard files: the record is in MLflow.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # Tune's snapshots of itself, which grow with the trials: a study goes on from its own stores.
    "TUNE_GLOBAL_CHECKPOINT_S": str(10**9),
    # Ctrl-C is handled by study.runner.driver, which must know of it.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    # Tune's own table; study.runner.progress shows the study.
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # MLflow would wait for a dead server for minutes; the tracker does its own waiting.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # Links to a run that ended, between the answers of a command.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # It would put the uv project of the working directory into every model.
    "MLFLOW_UV_AUTO_DETECT": "false",
}
_TALKATIVE: Final = ("mlflow", "alembic", "optuna", "ray.dashboard", "ray._private")


def prepare() -> None:
    """Sets what is not set yet, and has the libraries speak up only if something is wrong."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.ERROR)
    # MLflow prints tracebacks of a database's errors, and raises them too.
    logging.getLogger("mlflow.store.db").setLevel(logging.CRITICAL)
    # Tune prints tracebacks of failed trials, whose reasons are recorded, and of its own snapshots.
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
