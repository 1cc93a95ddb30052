from study.report.hypervolume import hypervolume_section
from study.results.curves import Curve


def test_it_is_a_step_line_over_trials_and_over_minutes():
    curve = Curve([1, 2, 3, 4, 5], [0.1, 0.1, 0.1, 0.4, 0.4], [0, 60_000, 90_000, 120_000, 180_000])
    panel = hypervolume_section(curve)
    (line,) = panel.figure.data
    assert line.line.shape == "hv"
    # Only changes and the ends are drawn.
    assert (list(line.x), list(line.y)) == ([1, 4, 5], [0.1, 0.4, 0.4])
    by_trials, by_minutes = panel.figure.layout.updatemenus[0].buttons
    assert by_trials.args[0]["x"] == [[1, 4, 5]]
    assert by_minutes.args[0]["x"] == [[0, 2, 3]]
    assert "It reached 99 % of its last value after 4 of 5 trials" in panel.text


def test_a_long_study_is_thinned_out():
    count = 10_000
    curve = Curve(list(range(count)), [n / count for n in range(count)], list(range(count)))
    (line,) = hypervolume_section(curve).figure.data
    assert len(line.x) == 1500
    assert line.x[-1] == count - 1


def test_without_a_complete_trial_there_is_none():
    for curve in (None, Curve([1, 2], [0.0, 0.0], [0, 0])):
        panel = hypervolume_section(curve)
        assert panel.figure is None
        assert "No trial is complete yet" in panel.text
