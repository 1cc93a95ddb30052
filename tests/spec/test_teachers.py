import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.spec.study_spec import StudySpec
from study.spec.teachers import teacher_trials

names = st.text("aZ09", min_size=1, max_size=4) | st.sampled_from(["a.b", "a-b_c", "1"])


@given(st.lists(st.tuples(names, st.integers(0, 999_999)), min_size=1, max_size=3, unique=True))
def test_teachers_are_named_as_study_and_trial_and_joined(trials):
    assert teacher_trials(" + ".join(f"{study}/{trial}" for study, trial in trials)) == tuple(
        trials
    )


@pytest.mark.parametrize(
    "text", ["", "a", "a/", "/1", "a/-1", "a/01", "a/1+b/2", "a/1 + ", "a/1 + a/1", "none + a/1", 3]
)
def test_other_texts_are_refused(text):
    with pytest.raises(
        ValueError, match="must be none, or STUDY/TRIAL, or up to 10 different ones"
    ):
        teacher_trials(text)


def test_several_teachers_are_a_choice_and_survive_toml():
    table = {"name": "a", "dataset": "digits", "families": ["mlp"]}
    choice = ["none", "b/1", "b/1 + c/2"]
    spec = StudySpec.from_dict(table | {"space": {"teacher": choice, "temperature": [2, 4.5]}})
    assert spec.to_dict()["space"]["teacher"] == choice
    assert StudySpec.from_dict(spec.to_dict()) == spec
