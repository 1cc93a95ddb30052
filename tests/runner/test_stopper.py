"""When a study stops before its budget is spent."""

import signal

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


def test_only_a_signal_stops_a_study_that_was_over_before():
    stop = StudyStopper()
    stop.because("a")
    stop.withdraw()
    assert not stop.stop_all()
    with stop.on_signals(print):
        signal.raise_signal(signal.SIGTERM)
    stop.withdraw()
    assert stop.reason == "SIGTERM was received"


def test_the_first_reason_counts():
    stop = StudyStopper()
    stop.because("a")
    stop.because("b")
    assert stop.reason == "a"
