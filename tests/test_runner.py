from types import SimpleNamespace

import pytest

from study.errors import StudyError, TrackingError
from study.runner.driver import _recorded


class Unreachable:
    """A tracker whose store is away in the end."""

    run_ids = ()
    all_sent = False

    def start(self, tags):
        pass

    def close(self, *_):
        raise TrackingError("the store must answer, got silence")


@pytest.fixture
def session(tmp_path):
    said = []
    return SimpleNamespace(
        ledger=SimpleNamespace(identity="a", note_run_ids=lambda _: None),
        over=lambda: "all trials are done",
        progress=SimpleNamespace(say=said.append),
        said=said,
        scoreboard=SimpleNamespace(states={"FAIL": 0}, ended=1, running=()),
        stop=SimpleNamespace(reason=None),
        tune_folder=tmp_path / "tune",
    )


def test_what_ended_a_study_is_not_hidden_by_a_store_that_is_away(session):
    with pytest.raises(StudyError, match="this ended it"), _recorded(session, Unreachable()):
        raise StudyError("this ended it")
    assert session.said == ["error: the store must answer, got silence"]


def test_a_store_that_is_away_after_a_study_that_ended_well_is_raised(session):
    with pytest.raises(TrackingError, match="got silence"), _recorded(session, Unreachable()):
        pass
    assert session.said == []
