from study.report.summary import smallest_within_error
from study.spec.study_spec import StudySpec
from tests.support.stored_study import record, trial

SPEC = StudySpec.from_dict({"name": "made", "dataset": "digits", "families": ["dann-r"]})


def records(*made):
    return [
        record(number, trial(accuracy, somata, sem=sem), SPEC, on_front=True)
        for number, (accuracy, somata, sem) in enumerate(made)
    ]


def test_the_smallest_within_one_error_of_the_best_is_on_the_front():
    found = records((0.9, 50, 0.02), (0.89, 20, 0.01), (0.88, 9, 0.01), (0.87, 5, 0.05))
    assert smallest_within_error(found[0], found).trial == 2
    assert smallest_within_error(found[0], found[:1]) is None
    alone = records((0.9, 50, None), (0.9, 40, None))
    assert smallest_within_error(alone[0], alone) is None
