from pathlib import Path

import pytest

from study.errors import BadInputError
from study.home import Home, without_passwords


def test_by_default_everything_is_under_runs(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STUDY_HOME", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    home = Home.find()
    assert home.folder == tmp_path / "runs"
    assert home.tracking_uri == f"sqlite:///{tmp_path}/runs/mlflow.db"
    assert home.database == tmp_path / "runs" / "mlflow.db"
    assert home.artifact_location == f"file://{tmp_path}/runs/artifacts"
    assert home.options() == ""
    assert not home.folder.exists()


@pytest.mark.parametrize(
    ("folder", "uri"), [("/a?b", None), ("/a%20b", None), ("/a", "sqlite:////a/b.db?timeout=9")]
)
def test_what_sqlite_would_read_as_another_path_is_refused(folder, uri, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(BadInputError, match=r"must have neither \? nor %, got sqlite:///"):
        Home.find(folder, uri)
    assert Home.find(folder, "http://server:5000").folder == Path(folder)


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused(uri):
    with pytest.raises(BadInputError, match="the records must be in a file, sqlite:///PATH"):
        Home.find("a", uri)


def test_the_environment_is_heard_and_options_win(monkeypatch):
    monkeypatch.setenv("STUDY_HOME", "/a")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server:5000")
    assert Home.find() == Home(folder=Path("/a"), tracking_uri="http://server:5000")
    assert Home.find().database is None
    assert Home.find().artifact_location is None
    given = Home.find("/b", "http://other:5000")
    assert given.folder == Path("/b")
    assert given.options() == " --home /b --tracking-uri http://other:5000"


def test_local_artifacts_are_allowed_by_option_and_by_environment_alone(monkeypatch):
    monkeypatch.delenv("STUDY_ALLOW_LOCAL_ARTIFACTS", raising=False)
    assert not Home.find().allow_local_artifacts
    given = Home.find("/b", "http://other:5000", allow_local_artifacts=True)
    assert given.allow_local_artifacts
    assert given.options().endswith(" --tracking-uri http://other:5000 --allow-local-artifacts")
    for value, allowed in (("0", False), ("", False), ("1", True)):
        monkeypatch.setenv("STUDY_ALLOW_LOCAL_ARTIFACTS", value)
        assert Home.find().allow_local_artifacts is allowed


def test_a_password_is_used_and_not_shown(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    home = Home.find("/a", "https://me:very-secret@server:5000/path")
    assert home.tracking_uri == "https://me:very-secret@server:5000/path"
    assert home.shown_uri == "https://me:***@server:5000/path"
    assert "secret" not in home.options()
    text = "postgresql://:secret@host/db and http://host:5000/a@b are addresses"
    expected = "postgresql://:***@host/db and http://host:5000/a@b are addresses"
    assert without_passwords(text) == expected
    assert without_passwords("http://u:p@ss@host") == "http://u:***@host"
    assert without_passwords("postgresql+psycopg2://u:a/b@host/db of mysql://u@h:a/@host") == (
        "postgresql+psycopg2://u:***@host/db of mysql://***@h:***@host"
    )
    assert without_passwords("https://token@host/db?Password=x&a=1") == (
        "https://***@host/db?Password=***&a=1"
    )
