from dataclasses import replace

import pytest

from study.report.front import front_figure, front_section
from study.report.style import MetricFormat
from study.spec.study_spec import StudySpec
from tests.support.stored_study import record, trial

MADE = {
    "name": "made",
    "dataset": "digits",
    "families": ["dann-r", "vann"],
    "budget": {"epochs": 4},
}
SPEC = StudySpec.from_dict(MADE)
VANILLA = {"family": "vann", "synapses": None}
RECORDS = [
    record(0, trial(0.9, 50, **VANILLA), SPEC, on_front=True),
    record(1, trial(0.8, 5), SPEC, on_front=True),
    record(2, trial(0.7, 9), SPEC),
    record(3, trial(0.6, 1, state="FAIL"), SPEC),
    record(4, trial(0.75, 20, state="PRUNED", epochs=1), SPEC),
]


def traces(figure):
    return {trace.name: trace for trace in figure.data if trace.showlegend is not False}


def test_it_shows_complete_trials_by_family_and_the_front_with_errors():
    line, stopped, behind, dendritic, vanilla = front_figure(SPEC, RECORDS).data
    assert [trace.name for trace in (stopped, behind, dendritic, vanilla)] == [
        "stopped early",
        "dann-r",
        "dann-r",
        "vann",
    ]
    assert (list(line.x), list(line.y)) == ([500, 5000], [80, 90])
    assert (list(behind.x), list(dendritic.x), list(stopped.x)) == ([900], [500], [2000])
    assert list(dendritic.error_y.array) == [1.0]
    assert behind.error_y.array is None
    assert [behind.showlegend, dendritic.showlegend] == [False, True]
    assert "<b>trial 0: vann D2 S50</b>" in vanilla.text[0]
    assert "learning_rate 0.01" in vanilla.text[0]


def test_confirmed_trials_are_where_their_pooled_values_are():
    confirmed = {"confirmed_val_accuracy": 0.82, "confirmed_val_accuracy_sem": 0.01}
    lucky = replace(RECORDS[0], replicates=3, confirmed_replicates=3, **confirmed)
    *_, vanilla = front_figure(SPEC, [lucky, *RECORDS[1:]]).data
    assert list(vanilla.y) == [pytest.approx(86)]
    assert "pooled values" in front_section(SPEC, [lucky]).text
    assert "pooled values" not in front_section(SPEC, RECORDS).text


def test_families_differ_in_colour_and_in_symbol():
    *_, dendritic, vanilla = front_figure(SPEC, RECORDS).data
    assert dendritic.marker.color != vanilla.marker.color
    assert dendritic.marker.symbol != vanilla.marker.symbol


def test_parameters_lie_on_a_logarithmic_axis_with_round_numbers():
    figure = front_figure(SPEC, RECORDS)
    assert figure.layout.xaxis.type == "log"
    assert list(figure.layout.xaxis.ticktext) == ["500", "1k", "2k", "5k"]
    assert figure.layout.yaxis.title.text == "validation accuracy (%)"


def test_a_network_without_wiring_is_seen_on_the_axis_of_its_bits():
    spec = StudySpec.from_dict(
        MADE | {"objectives": {"val_accuracy": "maximize", "wiring_bits": "minimize"}}
    )
    dense, drawn = (
        replace(one, wiring_bits=bits) for one, bits in zip(RECORDS, (0, 64), strict=False)
    )
    figure = front_figure(spec, [dense, drawn])
    low, high = figure.layout.xaxis.range
    points = {trace.name: trace.x[0] for trace in figure.data}
    assert (points["vann"], points["dann-r"]) == (1, 64)
    assert low < 0 < high


def test_an_axis_of_less_than_a_decade_has_round_numbers_too():
    axis = MetricFormat("trainable_parameters").axis([8100, 9900])
    assert axis["ticktext"] == ["7.5k", "8k", "8.5k", "9k", "9.5k", "10k"]


@pytest.mark.parametrize(
    ("objectives", "axes"),
    [
        (
            {"trainable_parameters": "minimize", "val_accuracy": "maximize"},
            ("parameters", "accuracy"),
        ),
        ({"val_accuracy": "maximize"}, ("parameters", "accuracy")),
        ({"val_loss": "minimize", "macs": "minimize", "seconds": "minimize"}, ("multiply", "loss")),
    ],
)
def test_the_axes_are_the_first_two_objectives_costs_to_the_right(objectives, axes):
    spec = StudySpec.from_dict(MADE | {"objectives": objectives})
    values = {"val_loss": 0.5, "macs": 100, "seconds": 3.0}
    made = [record(0, trial(0.9), spec, on_front=True).to_dict() | values]
    figure = front_figure(spec, [type(RECORDS[0])(**values) for values in made])
    x, y = axes
    assert x in figure.layout.xaxis.title.text
    assert y in figure.layout.yaxis.title.text
    is_line = any(trace.mode == "lines" for trace in figure.data)
    assert is_line == (len(objectives) == 2)


def test_networks_that_learned_nothing_do_not_press_the_others_together():
    learned = [record(n, trial(0.90 + 0.001 * n, 10 + n), SPEC, on_front=n > 15) for n in range(20)]
    failed = record(20, trial(0.1, 3), SPEC)
    low, high = front_figure(SPEC, [*learned, failed]).layout.yaxis.range
    assert low > 85
    assert high < 95
    assert "far below" in front_section(SPEC, learned).text


@pytest.mark.slow
def test_of_very_many_trials_the_whole_front_is_drawn_and_the_page_says_so():
    many = [record(n, trial(0.5, 10 + n), SPEC, on_front=n % 500 == 0) for n in range(4000)]
    drawn = sum(len(trace.x) for trace in front_figure(SPEC, many).data if trace.mode == "markers")
    assert drawn == 1508
    assert (
        "The figure shows 1,508 of 4,000 trials, with the whole front."
        in front_section(SPEC, many).text
    )
    stopped = [record(n, trial(0.4, state="PRUNED", epochs=1), SPEC) for n in range(4000, 8000)]
    figure = front_figure(SPEC, [*many, *stopped])
    assert [len(trace.x) for trace in figure.data if trace.name == "stopped early"] == [500]


def test_a_constraint_that_is_broken_is_seen():
    broken = [type(one)(**(one.to_dict() | {"feasible": False})) for one in RECORDS[2:3]]
    cross = traces(front_figure(SPEC, [*RECORDS[:2], *broken]))["violates a constraint"]
    assert list(cross.x) == [900]
    assert "violates a constraint" in cross.text[0]
