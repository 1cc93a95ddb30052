import threading

import pytest

from study.results.reader import read_study
from study.tracking.sender import system_metrics
from study.tracking.store import client
from tests.support.processes import wait_until
from tests.support.recorded_study import record_study


@pytest.mark.slow
@pytest.mark.parametrize("wanted", ["true", "false"])
def test_the_machine_is_watched_where_that_is_asked_for(wanted, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", wanted)
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.2")
    home = record_study(tmp_path)
    parent = read_study("made", home).parent.info.run_id
    client(home).update_run(parent, status="RUNNING")  # it watches no longer than that
    before = set(threading.enumerate())

    def recorded():
        return "system/cpu_utilization_percentage" in client(home).get_run(parent).data.metrics

    with system_metrics(parent, home):
        watching = set(threading.enumerate()) - before
        assert bool(watching) == (wanted == "true")
        if watching:
            wait_until(recorded, "the use of the processor")
    assert recorded() == (wanted == "true")
