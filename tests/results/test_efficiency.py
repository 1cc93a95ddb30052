from dataclasses import replace

import pytest

from study.errors import BadInputError
from study.results.efficiency import efficiency_scores, parameters_to_reach
from study.spec.study_spec import StudySpec
from tests.support.stored_study import record, trial

SPEC = StudySpec.from_dict({"name": "a", "dataset": "digits", "families": ["dann-r"]})


def made(number, parameters, epoch, accuracy, loss=0.5):
    return replace(
        record(number, trial(accuracy), SPEC),
        trainable_parameters=parameters,
        test_accuracy=accuracy,
        test_loss=loss,
        diagnostics={} if epoch is None else {"lowest_loss_epoch": epoch},
    )


def test_scores_are_relative_to_the_least_cost():
    small, large = made(0, 10_634, 25, 0.8683), made(1, 468_874, 8, 0.8911)
    scores, reference = efficiency_scores([large, small, made(2, 10, None, 0.5)])
    assert reference == 10_634 * 25
    assert [one.trial for one in scores] == [1, 0]
    assert [one.accuracy for one in scores] == pytest.approx([0.7353, 0.8683], abs=5e-5)
    assert [one.loss for one in scores] == pytest.approx([0.5 * 1.212, 0.5], abs=5e-4)


def test_trials_of_two_studies_may_have_one_number():
    scores, _ = efficiency_scores([made(0, 10_634, 25, 0.8683), made(0, 468_874, 8, 0.8911)])
    assert len(scores) == 2


@pytest.mark.parametrize(
    ("records", "message"),
    [([made(0, 10, None, 0.5)], "got none"), ([made(0, 1, 1, 0.5)], "must hold for all trials")],
)
def test_without_a_reference_there_are_no_scores(records, message):
    with pytest.raises(BadInputError, match=message):
        efficiency_scores(records)


def test_the_fewest_parameters_that_reach_a_target():
    records = [made(0, 900, 1, 0.9), made(1, 500, 1, 0.8), made(2, 500, 3, 0.85)]
    assert parameters_to_reach(records, "test_accuracy", 0.8).trial == 2
    assert parameters_to_reach(records, "val_accuracy", 0.9).trial == 0
    assert parameters_to_reach(records, "lowest_loss_epoch", 1).trial == 1
    assert parameters_to_reach(records, "test_accuracy", 0.95) is None
    with pytest.raises(BadInputError, match="unknown metric 'accuracy'; did you mean"):
        parameters_to_reach(records, "accuracy", 0.5)
