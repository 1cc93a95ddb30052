import pytest

from paper.figures import FIGURES, front, in_order, loss, noise, units
from tests.support.made_summary import finding, summary, trial

TABLE = [
    trial(0, "dann-r", 1000, 0.80),
    trial(1, "dann-r", 2000, 0.79, somata=64),
    trial(2, "dann-r", 3000, 0.85, somata=64, val_accuracy_sem=0.5),
    trial(3, "vann", 9000, 0.88),
    trial(4, "vann", 500, 0.1, state="PRUNED"),
]


def trace(figure, name, **has):
    found = [
        one
        for one in figure.data
        if one.name == name and all(getattr(one, key) == value for key, value in has.items())
    ]
    assert len(found) == 1, [one.name for one in figure.data]
    return found[0]


def test_the_front_has_what_validation_chose_with_its_test_accuracy_in_percent():
    made = summary("table1", TABLE, findings=[finding("holds", family="vann", published=0.8929)])
    figure = front(made)
    ours = trace(figure, "dann-r")
    assert list(ours.x) == [1000, 3000]
    assert list(ours.y) == pytest.approx([79, 84])
    assert list(ours.error_y.array) == pytest.approx([0.1, 0.1])
    assert list(trace(figure, "dann-r, all").x) == [1000, 2000, 3000]
    assert list(trace(figure, "vann").x) == [9000]
    paper = trace(figure, "paper")
    assert list(paper.y) == pytest.approx([89.29, 89.29])
    assert paper.line.dash == "dash"


def test_linear_dendrites_are_drawn_apart():
    trials = [trial(0, "dann-r", 1000, 0.8), trial(1, "dann-r", 2000, 0.85, dendrite_slope=1.0)]
    figure = front(summary("beyond", trials))
    assert list(trace(figure, "dann-r").x) == [1000]
    linear = trace(figure, "dann-r, linear")
    assert (list(linear.x), linear.marker.symbol) == ([2000], "circle-open")


def test_the_loss_of_every_trial_is_drawn_and_a_line_joins_the_widest():
    figure = loss(summary("table1", TABLE))
    ours = trace(figure, "dann-r")
    assert list(ours.x) == [1000, 2000, 3000]
    assert list(ours.y) == pytest.approx([0.2, 0.21, 0.15])
    assert list(trace(figure, "dann-r, 64 somata").x) == [2000, 3000]


def test_under_noise_the_network_of_clean_images_is_followed_in_both_ways():
    tested = {"test_accuracy_at_noise_025": 0.6, "test_accuracy_at_noise_100": 0.3}
    trials = [
        trial(0, "vann", 9000, 0.9, noise=0.0, diagnostics=tested),
        trial(1, "vann", 9000, 0.7, noise=0.5),
        trial(2, "vann", 500, 0.8, noise=0.0, dendrites=1),
        trial(3, "vann", 500, 0.75, noise=0.5, dendrites=1),
    ]
    figure = noise(summary("noise", trials, varied=["noise"]))
    trained = trace(figure, "vann")
    assert list(trained.x) == [0, 0.5]
    assert list(trained.y) == pytest.approx([89, 69])
    clean = trace(figure, "vann, trained on clean images")
    assert list(clean.x) == [0, 0.25, 1]
    assert list(clean.y) == pytest.approx([89, 60, 30])


def test_units_are_those_of_the_best_of_each_family():
    def activity(entropy):
        values = {"test_layer1_dendrites_entropy": entropy, "test_layer1_somata_entropy": 2.5}
        return values | {"test_layer1_dendrites_entropy_sem": 0.2}

    trials = [
        trial(0, "vann", 9000, 0.9, diagnostics=activity(1.5)),
        trial(1, "vann", 500, 0.8, diagnostics=activity(3.0)),
        trial(2, "dann-r", 500, 0.8),
    ]
    figure = units(summary("representation", trials))
    bars = trace(figure, "vann", showlegend=True)
    assert (list(bars.x), list(bars.y)) == (["dendrites", "somata"], [1.5, 2.5])
    assert bars.error_y.array[0] == 0.2
    assert list(trace(figure, "dann-r", showlegend=True).y) == [None, None]


def test_classes_in_order_have_the_accuracy_of_the_paper_beside_ours():
    trials = [
        trial(0, "dann-r", 500, 0.6, test_loss=3.0),
        trial(1, "vann", 9000, 0.3, test_loss=300.0),
    ]
    given = [finding("holds", family="vann", published=0.2846)]
    figure = in_order(summary("table2", trials, findings=given))
    accuracy, losses, paper = figure.data
    assert list(accuracy.y) == pytest.approx([59, 29])
    assert list(losses.y) == [3, 300]
    assert (list(paper.x), list(paper.y)) == (["vann"], [pytest.approx(28.46)])


def test_a_file_is_drawn_once():
    files = [file for drawn in FIGURES.values() for file, _, _ in drawn]
    assert len(set(files)) == len(files)
