"""When a study stops before its budget is spent."""

from study.runner.stopper import StudyStopper


def test_it_stops_after_twenty_trials_that_failed_one_after_another():
    stop = StudyStopper()
    for _ in range(19):
        stop.on_end("FAIL", "ValueError: a")
    stop.on_end("COMPLETE", None)
    for _ in range(19):
        stop.on_end("FAIL", "ValueError: b")
    assert not stop.stop_all()
    stop.on_end("FAIL", "ValueError: c")
    assert stop.stop_all()
    assert stop.reason == ("20 trials failed one after another, the last one with: ValueError: c")
