from study.report.learning_curves import MOST_CURVES, curve_members, curve_metric, curve_section
from study.results.curves import Curve
from study.spec.study_spec import StudySpec
from tests.support.stored_study import record, trial

MADE = {"name": "made", "dataset": "digits", "families": ["dann-r"], "budget": {"epochs": 2}}
SPEC = StudySpec.from_dict(MADE)


def members(count):
    return [record(n, trial(0.9, 10 + n), SPEC, on_front=True) for n in range(count)]


def curves(records, values):
    return {one.run_id: Curve([1, 2], values, [0, 0]) for one in records}


def test_each_trial_on_the_front_has_its_curve_with_a_band_of_one_error():
    records = members(2)
    accuracies, errors = curves(records, [0.8, 0.98]), curves(records, [0.1, 0.005])
    figure = curve_section(SPEC, records, accuracies, errors).figure
    band, line, *_ = figure.data
    # The axis has what is missing to 100 %, and reads as what is reached.
    assert [round(value, 6) for value in line.y] == [20, 2]
    assert [round(value, 6) for value in band.y] == [10, 1.5, 2.5, 30]
    assert list(line.customdata) == ["80 ± 10", "98 ± 0.5"]
    assert line.name == "0: dann-r D2 S10 K4, 1,000"
    high, low = figure.layout.yaxis.range
    assert high > low
    assert {"80", "90", "98"} <= set(figure.layout.yaxis.ticktext)
    assert figure.data[1].line.color != figure.data[3].line.color


def test_a_single_replicate_has_no_band():
    records = members(1)
    figure = curve_section(SPEC, records, curves(records, [0.8, 1.0]), {}).figure
    assert len(figure.data) == 1
    assert list(figure.data[0].customdata) == ["80", "100"]


def test_of_a_large_front_some_are_drawn_evenly_by_size():
    records = members(30)
    chosen = curve_members(records)
    assert len(chosen) == MOST_CURVES
    assert (chosen[0].trial, chosen[-1].trial) == (0, 29)
    panel = curve_section(SPEC, records, curves(records, [0.5, 0.6]), {})
    assert "The figure shows 12 of 30, an even subset by size." in panel.text


def test_the_metric_is_the_first_objective_that_is_learned():
    assert curve_metric(SPEC) == "val_accuracy"
    losses = {"macs": "minimize", "val_loss": "minimize"}
    assert curve_metric(StudySpec.from_dict(MADE | {"objectives": losses})) == "val_loss"
    only = {"macs": "minimize"}
    assert curve_metric(StudySpec.from_dict(MADE | {"objectives": only})) == "val_accuracy"
