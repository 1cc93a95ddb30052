import math

import pytest
from mlflow import MlflowClient

from study.errors import TrackingError
from study.home import Home
from study.results.curves import read_curves
from tests.support.stored_study import make_home


def test_curves_are_read_by_step_finite_and_the_later_of_two(tmp_path):
    home = make_home(tmp_path)
    client = MlflowClient(home.tracking_uri)
    experiment = client.create_experiment("made")
    full, empty = (client.create_run(experiment).info.run_id for _ in range(2))
    for time, step, value in ((5, 1, 0.1), (7, 2, 0.2), (6, 3, 0.4), (8, 1, 0.3), (9, 4, math.nan)):
        client.log_metric(full, "epoch/val_accuracy", value, timestamp=time, step=step)
    found = read_curves(home, [full, empty, full], "epoch/val_accuracy")
    assert list(found) == [full]
    assert (found[full].steps, found[full].values) == ([1, 2, 3], [0.3, 0.2, 0.4])
    assert found[full].times == [8, 7, 6]
    assert found[full].by_step() == {1: 0.3, 2: 0.2, 3: 0.4}


def test_a_store_that_does_not_answer_is_reported(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    nowhere = Home(folder=tmp_path, tracking_uri="http://127.0.0.1:9")
    with pytest.raises(TrackingError, match="must answer"):
        read_curves(nowhere, ["run"], "hypervolume")
