import io

import pytest
from rich.console import Console

from study.runner import scoreboard
from study.runner.progress import Progress
from study.runner.scoreboard import Scoreboard
from study.search.budget import BudgetSpent
from study.spec.study_spec import StudySpec


def board(**changes):
    table = {"name": "a", "dataset": "digits", "families": ["vann"], "budget": {"trials": 4}}
    spec = StudySpec.from_dict(table | changes)
    return Scoreboard(spec, BudgetSpent(spec))


def complete(seen, number, accuracy, parameters):
    """Ends a trial as the searcher and the callback do."""
    point = (accuracy, parameters)
    seen.front.add(number, point)
    seen.end(number, "COMPLETE", metrics(accuracy, parameters), point)


def metrics(accuracy, parameters):
    return {"val_accuracy": accuracy, "trainable_parameters": parameters}


def test_the_best_is_on_the_front():
    seen = board()
    for number in range(3):
        seen.begin(number, f"net {number}")
    complete(seen, 0, 0.8, 1000)
    complete(seen, 1, 0.7, 2000)
    complete(seen, 2, 0.9, 900)
    assert seen.best() == (0.9, "trial 2 net 2")
    assert seen.best_accuracy == 0.9
    assert seen.last == "trial 2 COMPLETE net 2: val_accuracy 0.9, trainable_parameters 900"


def test_failures_count():
    seen = board()
    seen.begin(0, "net")
    seen.end(0, "FAIL", {})
    assert (seen.ended, seen.best()) == (1, None)
    assert seen.last == "trial 0 FAIL net"


def test_a_trial_that_another_one_will_continue_does_not_count_as_ended():
    seen = board()
    seen.begin(0, "net")
    seen.end(0, "COMPLETE", metrics(0.8, 1000), (0.8, 1000), goes_on=True)
    assert (seen.ended, seen.progress, seen.running) == (0, "0 of 4", {})
    assert seen.best_accuracy == 0.8


def test_the_most_common_reason_of_failures_is_told_whatever_its_numbers_are():
    seen = board()
    assert (str(seen.failures), seen.failed) == ("", "0 failed")
    first = [seen.failures.add(f"LossError: got nan in epoch {epoch}\nmore") for epoch in (1, 2)]
    assert first == [1, 2]
    assert str(seen.failures) == "all with LossError: got nan in epoch 2"
    assert seen.failures.add("OSError: no room " * 50) == 1
    assert seen.failures.add("LossError: got nan in epoch 13") == 3
    for number in range(4):
        seen.begin(number, "net")
        seen.end(number, "FAIL", {})
    assert seen.failed == "4 failed, 3 with LossError: got nan in epoch 13"


def test_what_breaks_a_constraint_is_never_the_best():
    seen = board()
    for number in (1, 2):
        seen.begin(number, "net")
    seen.end(1, "COMPLETE", metrics(0.7, 100))
    complete(seen, 2, 0.5, 1000)
    assert (seen.best()[0], seen.best_accuracy, seen.progress) == (0.5, 0.5, "2 of 4")


def test_earlier_trials_are_on_the_board_but_not_in_the_pace():
    seen = board()
    seen.add_earlier(0, "net 0", "COMPLETE", metrics(0.9, 900), (0.9, 900))
    assert (seen.ended, seen.best_accuracy, seen.seconds_left()) == (1, 0.9, None)
    seen.begin(1, "net 1")
    complete(seen, 1, 0.8, 2000)
    assert seen.seconds_left() >= 0


def test_until_a_trial_ends_the_time_left_is_by_epochs(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(scoreboard.time, "monotonic", lambda: now[0])
    seen = board(budget={"trials": 4, "epochs": 20})
    seen.begin(0, "net 0")
    now[0] += 90  # of a compiler
    for epochs in (11, 12, 13, 14):  # it was interrupted after 10
        seen.epoch(0, epochs)
        assert seen.seconds_left() is None
        now[0] += 2
    seen.epoch(0, 15)
    assert seen.seconds_left() == 8 / 4 * (4 * 20 - 15)
    seen.epoch(9, 3)  # of a trial that is not running any more
    seen.begin(0, "net 0")  # on another worker
    assert (seen.running, seen.is_by_epochs) == ({0: 15}, True)
    seen.begin(1, "net 1")
    complete(seen, 0, 0.8, 1000)
    assert (seen.seconds_left(), seen.is_by_epochs) == (98 / 1 * 3, False)


def show(terminal):
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=200)
    seen = board()
    with Progress(seen, console) as progress:
        progress.notify("hello [bold]")
        seen.begin(0, "net 0")
        progress.update()
        seen.begin(1, "net 1")
        complete(seen, 0, 0.8125, 1000)
        seen.failures.add("ValueError: [x] is 3")
        seen.end(1, "FAIL", {})
        progress.update()
    return out.getvalue()


def test_without_a_terminal_progress_is_plain_lines():
    lines = show(terminal=False).splitlines()
    assert lines[0] == "hello [bold]"
    assert lines[1].startswith("0/4 trials | 1 running | front 0, hypervolume 0.0000 | ")
    assert lines[-1].startswith(
        "2/4 trials | 0 running | 1 failed, all with ValueError: [x] is 3 | front 1, hypervolume 0.6"
    )
    assert "best 0.8125" in lines[-1]
    assert lines[-1].endswith("left | trial 1 FAIL net 1")
    assert all("\x1b" not in line for line in lines)


def test_on_a_terminal_progress_is_a_table():
    text = show(terminal=True)
    for part in (
        "study a",
        "2 of 4 (1 COMPLETE, 1 FAIL)",
        "0.8125 (trial 0 net 0)",
        "hypervolume",
        "[x] is 3",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("terminal", "epochs", "shown"),
    [
        (False, {0: 0}, "0/4 trials | 1 running | front 0"),
        (False, {0: 5}, "0/4 trials | 1 running (epoch 5 of 20) | front 0"),
        (False, {0: 5, 1: 3}, "0/4 trials | 2 running (epochs 3 to 5 of 20) | front 0"),
        (True, {0: 5, 1: 0}, "trial 0 net, epoch 5 of 20"),
        (True, {0: 5, 1: 0}, "trial 1 net  "),
        (False, {0: 5, 1: 3, 2: 1, 3: 1, 4: 1}, " | at most 0:00 left"),
    ],
)
def test_running_trials_are_shown_with_their_epochs(terminal, epochs, shown):
    out = io.StringIO()
    seen = board(budget={"trials": 4, "epochs": 20})
    with Progress(seen, Console(file=out, force_terminal=terminal, width=200)) as progress:
        for number, reached in epochs.items():
            seen.begin(number, "net")
            if reached:
                seen.epoch(number, reached)
        progress.update()
    assert shown in out.getvalue()
