"""The load of the driver's machine on the parent run, where one asks for it in MLflow's own way.

That is `MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING=true`
(https://mlflow.org/docs/latest/ml/tracking/system-metrics).
"""

from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.environment_variables import MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

from study.home import Home


@contextmanager
def system_metrics(run_id: str | None, home: Home) -> Iterator[None]:
    """Records processor, memory, disk, network and GPUs every ten seconds, if that was asked for."""
    wanted = MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING.get()  # type: ignore[no-untyped-call]  # MLflow's
    if run_id is None or not wanted:
        yield
        return
    monitor = SystemMetricsMonitor(run_id, resume_logging=True, tracking_uri=home.tracking_uri)  # type: ignore[no-untyped-call]  # MLflow's
    monitor.start()  # type: ignore[no-untyped-call]  # as above
    try:
        yield
    finally:
        monitor.finish()  # type: ignore[no-untyped-call]  # as above
