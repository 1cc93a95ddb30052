import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient

from study.errors import BadInputError, NotFoundError
from study.results.network import promote
from tests.support.recorded_study import NAME, record_study


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return record_study(tmp_path_factory.mktemp("promoted"))


@pytest.mark.slow
def test_an_alias_goes_from_trial_to_trial_and_each_keeps_its_version(home, monkeypatch):
    assert promote(NAME, 0, "champion", home=home) == "models:/made@champion"
    promote(NAME, 1, "champion", home=home)
    promote(NAME, 0, "small", home=home)
    promote(NAME, 0, "small", home=home)
    store = MlflowClient(home.tracking_uri)
    versions = store.search_model_versions(f"name = '{NAME}'")
    assert {version.tags["study.trial"] for version in versions} == {"0", "1"}
    assert len(versions) == 2
    for alias, trial in {"champion": "1", "small": "0"}.items():
        assert store.get_model_version_by_alias(NAME, alias).tags["study.trial"] == trial
    # As its user loads it.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", home.tracking_uri)
    model = mlflow.pyfunc.load_model("models:/made@champion")
    assert model.predict(np.zeros((2, 1, 8, 8), np.uint8)).shape == (2, 10)


@pytest.mark.parametrize("alias", ["latest", "v2", "two words", "9th", "", "a" * 256])
def test_an_alias_that_mlflow_does_not_take_is_refused(alias, home):
    with pytest.raises(BadInputError, match="an alias has at most 255 letters"):
        promote(NAME, 0, alias, home=home)


def test_what_is_not_there_cannot_be_promoted(home):
    with pytest.raises(NotFoundError, match="the model of trial 2 of study 'made' was not kept"):
        promote(NAME, 2, "champion", home=home)
    with pytest.raises(NotFoundError, match="has trials 0 to 2, got trial 9"):
        promote(NAME, 9, "champion", home=home)
