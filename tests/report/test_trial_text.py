from study.report.trial_text import hover
from study.spec.study_spec import StudySpec
from tests.support.stored_study import record, trial

SPEC = StudySpec.from_dict({"name": "made", "dataset": "digits", "families": ["dann-r"]})


def test_seldom_settings_are_said_where_they_are_not_the_default():
    plain, patient = record(0, trial(0.9), SPEC), record(1, trial(0.9), SPEC)
    patient.training.update(patience=10, noise=0.25)
    assert "patience" not in hover(plain)
    assert "patience 10" in hover(patient)
    assert "noise 0.25" in hover(patient)
    assert "batch_order" not in hover(patient)
