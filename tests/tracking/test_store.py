import re
import socket
import time

import pytest
from sqlalchemy import create_engine, text

from study import environment
from study.errors import BadInputError, TrackingError
from study.home import Home
from study.results import study_status
from study.tracking import store
from tests.support.written_study import make_home, write_study


@pytest.fixture(autouse=True)
def prepared():
    environment.prepare()


def ask(folder, uri):
    start = time.monotonic()
    with pytest.raises((TrackingError, BadInputError)) as caught:
        study_status.status("made", home=Home(folder=folder, tracking_uri=uri))
    message = str(caught.value)
    assert "\n" not in message
    return caught.value, message, time.monotonic() - start


@pytest.mark.slow
def test_a_server_that_is_not_there_is_named_with_the_time_that_was_tried(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")  # of seconds between its tries
    error, message, seconds = ask(tmp_path, "http://127.0.0.1:9")
    assert error.exit_status == 1
    messages = re.fullmatch(
        "the tracking store http://127.0.0.1:9 must answer, but could not be reached for "
        r"(\d+) s: Connection refused",
        message,
    )
    assert messages, message
    # The whole call took longer than the tries, by whatever the machine needed around them.
    assert 0 < int(messages[1]) <= seconds + 1


def test_a_server_that_stays_silent_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "_PATIENCE_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        _, message, _ = ask(tmp_path, uri)
    assert message.startswith(f"the tracking store {uri} must answer, but did not within")


def test_a_uri_of_no_kind_of_store_is_bad_input(tmp_path):
    error, message, _ = ask(tmp_path, "htp://127.0.0.1:9")
    assert error.exit_status == 2
    assert message.endswith("or another database's, got htp://127.0.0.1:9")


@pytest.mark.parametrize("uri", ["mysql://host/db", "mysql+nothing://host/db"])
def test_a_database_without_its_driver_is_bad_input(uri, tmp_path):
    error, message, _ = ask(tmp_path, uri)
    assert error.exit_status == 2
    assert f"whose package is installed, got {uri}: " in message


def test_a_file_that_is_no_database_is_reported(tmp_path):
    (tmp_path / "mlflow.db").write_text("no database" * 1000)
    error, message, _ = ask(tmp_path, f"sqlite:///{tmp_path}/mlflow.db")
    assert error.exit_status == 1
    assert message.endswith("mlflow.db must answer: file is not a database")


def test_a_database_whose_folder_cannot_be_written_is_told_with_what_to_do(tmp_path):
    """SQLite cannot create the file of its write-ahead log here, which the test can do as root too."""
    home = make_home(tmp_path)
    (home.folder / "mlflow.db-wal").mkdir()
    error, message, _ = ask(tmp_path, home.tracking_uri)
    assert error.exit_status == 1
    assert message == (
        f"the database {home.database} must be readable, and its folder writable, because SQLite "
        "creates files beside it even for queries: unable to open database file; a copy of "
        f"{home.folder} can be queried instead (--home COPY)"
    )


def test_a_store_in_which_a_table_is_missing_is_reported(tmp_path):
    home = make_home(tmp_path)
    write_study(home, "made", [])
    engine = create_engine(home.tracking_uri)
    with engine.begin() as connection:
        connection.execute(text("drop table latest_metrics"))
    engine.dispose()
    _, message, _ = ask(tmp_path, home.tracking_uri)
    assert message.endswith("mlflow.db must answer: no such table: latest_metrics")
