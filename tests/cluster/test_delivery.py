import pytest

from study.cluster.delivery import Delivery, job_config_of
from study.cluster.submission import submit
from study.errors import BadInputError, SpecError
from study.spec.study_spec import StudySpec

NOWHERE = "http://127.0.0.1:9"
THREE = {"name": "mine", "dataset": "digits", "families": ["vann"]}


@pytest.mark.parametrize(
    ("uri", "password", "named"),
    [
        ("http://ada:secret@records", None, "MLFLOW_TRACKING_URI"),
        ("http://ada:a secret@records", None, "MLFLOW_TRACKING_URI"),
        ("postgresql://ada:a/secret@records/mlflow", None, "MLFLOW_TRACKING_URI"),
        ("http://records", "secret", "MLFLOW_TRACKING_PASSWORD"),
    ],
)
def test_a_password_is_not_sent_to_a_cluster_without_a_token(uri, password, named, monkeypatch):
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    if password:
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
    with pytest.raises(BadInputError, match=f"demands a token, got {named} and no token") as caught:
        submit(StudySpec.from_dict(THREE), NOWHERE, Delivery(tracking_uri=uri))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("delivery", "said"),
    [
        (Delivery(home="runs"), "home must be an absolute path .* got 'runs'"),
        (Delivery(home="~/runs"), "home must be an absolute path .* got '~/runs'"),
        (Delivery(tracking_uri="sqlite:///records.db"), "file of records must be an absolute path"),
        (Delivery(driver_cpus=1, home="/mnt"), "--home and --tracking-uri must be given"),
        (Delivery(driver_memory=1, tracking_uri="http://a"), "--home and --tracking-uri must be"),
    ],
)
def test_places_that_mean_nothing_on_the_cluster_are_refused(delivery, said):
    with pytest.raises(BadInputError, match=said):
        submit(StudySpec.from_dict(THREE), NOWHERE, delivery)


@pytest.mark.parametrize(
    ("dataset", "key"),
    [({"name": "mnist"}, "dataset.root"), ("mine.npz", "dataset.path")],
)
def test_data_of_this_machine_is_not_submitted(dataset, key):
    spec = StudySpec.from_dict(THREE | {"dataset": dataset})
    with pytest.raises(SpecError, match=f"`{key}` must be an absolute path of the cluster's"):
        submit(spec, NOWHERE)


def test_a_job_may_follow_its_server_to_local_files_where_that_was_allowed():
    for allowed, environment in ((True, {"STUDY_ALLOW_LOCAL_ARTIFACTS": "1"}), (False, {})):
        delivery = Delivery(allow_local_artifacts=allowed)
        config = job_config_of(StudySpec.from_dict(THREE), delivery)
        assert config.environment == environment
