"""The commands that ask, of a server: from another folder with only a tracking URI."""

import json

import pytest

from tests.support.command import study_command
from tests.support.servers import tracking_server
from tests.support.written_study import make_home, write_study

pytestmark = pytest.mark.slow

TRIALS = [
    ("COMPLETE", 0.80, 0.01, 1000),
    ("COMPLETE", 0.90, 0.02, 4000, "vann"),
    ("COMPLETE", 0.70, 0.02, 90_000),
    ("PRUNED", 0.50, 0.01, 500),
    ("RUNNING", None, None, 500),
]
QUESTIONS = [
    ("list",),
    ("status", "made"),
    ("trials", "made"),
    ("trials", "made", "--state", "PRUNED", "--state", "RUNNING", "--order", "trial:desc"),
    ("best", "made", "--family", "vann", "--family", "dann-r", "--min-accuracy", "0.75"),
    ("best", "made", "--smallest", "--limit", "2"),
    ("best", "made", "--knee"),
    ("best", "made", "--max-parameters", "10"),
    ("pareto", "made", "--confident"),
    ("compare", "made", "other"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = make_home(tmp_path_factory.mktemp("home"))
    write_study(home, "made", TRIALS, constraints=["trainable_parameters <= 50000"])
    write_study(home, "other", TRIALS[:1])
    return home


@pytest.fixture(scope="module")
def server(home, tmp_path_factory):
    with tracking_server(tmp_path_factory.mktemp("server"), home.tracking_uri) as server:
        yield server.uri


def test_a_server_answers_as_its_file_does(home, server):
    for question in QUESTIONS:
        answers = []
        for uri in (home.tracking_uri, server):
            done = study_command(*question, "--json", "--tracking-uri", uri)
            assert done.returncode == 0, done.stderr
            answers.append((json.loads(done.stdout.replace(uri, "")), done.stderr))
        assert answers[0] == answers[1], question


def test_a_tracking_uri_is_all_that_another_machine_needs(server, tmp_path):
    done = study_command("best", "made", "--json", "--limit", "1", MLFLOW_TRACKING_URI=server)
    assert json.loads(done.stdout)[0]["trial"] == 1
    done = study_command("best", "mad", "--tracking-uri", server, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        f"error: no study 'mad' in {server}; it has: made, other; did you mean 'made'?\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("question", [("list",), ("compare", "made", "other")])
def test_a_server_that_is_not_there_is_one_line(question, tmp_path):
    uri = "http://127.0.0.1:9"
    tries = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    done = study_command(*question, "--tracking-uri", uri, cwd=tmp_path, **tries)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: the tracking store {uri} must answer, but could not be reached")
