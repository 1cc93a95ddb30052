"""How long a store is tried: until it works, refuses for good, or patience ends."""

import errno
import sqlite3
from pathlib import Path

import pytest
import requests
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, UNAUTHENTICATED

from study.home import Home
from study.tracking import retry
from study.tracking.retry import Retry

HOME = Home(folder=Path("home"), tracking_uri="sqlite:///home/mlflow.db")
AWAY = requests.ConnectionError("nobody is there")
UNKNOWN_USER = MlflowException("failed with error code 401", error_code=UNAUTHENTICATED)
REFUSAL = MlflowException("not a name", error_code=INVALID_PARAMETER_VALUE)


class Store:
    """Raises these errors one after another, and then works; counts what got through."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.sent = 0

    def act(self):
        if self.errors:
            raise self.errors.pop(0)
        self.sent += 1


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr(retry, "PATIENCE_S", 0.2)
    monkeypatch.setattr(retry, "PAUSE_S", 0.01)
    monkeypatch.setattr(retry, "_LONGEST_PAUSE_S", 0.02)


def made(store, messages, *, over):
    found = Retry(HOME, messages.append, lambda _: over, lambda: store.sent)
    found.wait(0.0)
    return found


@pytest.mark.parametrize("error", [AWAY, UNKNOWN_USER], ids=["away", "password"])
def test_trouble_is_said_once_and_that_it_has_passed(error):
    """A password that is changed on the server may be changed back, or the study be stopped."""
    store, messages = Store(*[error] * 30), []
    assert made(store, messages, over=False).attempt(store.act, lambda _: False)
    assert messages == [{"trouble": f"{type(error).__name__}: {error}"}, {"trouble": None}]


def test_patience_ends_only_when_no_more_comes():
    store, messages = Store(*[AWAY] * 1000), []
    tried = made(store, messages, over=True)
    assert not tried.attempt(store.act, lambda _: False)
    assert tried.gave_up
    left = len(store.errors)
    assert 900 < left < 1000
    assert not tried.attempt(store.act, lambda _: False)
    assert len(store.errors) == left  # it is not even tried


def test_what_is_refused_for_good_is_tried_again_only_where_that_may_help():
    for again in (True, False):
        store, messages, refused = Store(REFUSAL), [], []

        def refuse(error, refused=refused, again=again):
            refused.append(error)
            return again

        assert made(store, messages, over=True).attempt(store.act, refuse) is again
        assert refused == [REFUSAL]
        assert messages == []


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "full"), sqlite3.OperationalError("disk I/O error")],
    ids=["file", "database"],
)
def test_there_is_no_patience_with_a_disk_that_takes_nothing(error):
    store, messages = Store(*[error] * 9), []
    assert not made(store, messages, over=True).attempt(store.act, lambda _: False)
    assert len(store.errors) == 8
    assert messages == [{"unwritable": f"{type(error).__name__}: {error}"}]


@pytest.mark.parametrize(("tries", "is_refused"), [(19, False), (20, True)])
def test_an_answer_that_may_be_a_proxys_is_doubted_twenty_times(tries, is_refused, monkeypatch):
    monkeypatch.setattr(retry, "PAUSE_S", 0.0)
    monkeypatch.setattr(retry, "_LONGEST_PAUSE_S", 0.0)
    response = requests.Response()
    response.status_code = 404
    store, seen = Store(*[requests.HTTPError("not here", response=response)] * tries), []

    def refuse(error):
        seen.append(error)
        return False

    assert made(store, [], over=False).attempt(store.act, refuse) is not is_refused
    assert bool(seen) is is_refused
