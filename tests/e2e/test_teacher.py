"""A study whose networks are distilled from a trial of another one."""

import pytest

import study

pytestmark = pytest.mark.slow


def spec_of(name, **keys):
    table = {
        "name": name,
        "dataset": "digits",
        "families": ["dann-lrf"],
        "sampler": "grid",
        "space": {"somata": 16, "dendrites": 2, "synapses": 6, "learning_rate": 0.01},
        "budget": {"epochs": 3},
        "stopping": {"scheduler": "none"},
    }
    return table | {key: table.get(key, {}) | own for key, own in keys.items()}


def test_a_study_that_withholds_its_test_images_learns_from_a_trial_of_one_that_does_not(tmp_path):
    home = tmp_path / "home"
    study.run(spec_of("teachers"), home=home)
    (teacher,) = study.records("teachers", home=home)
    assert teacher.test_accuracy is not None
    teachers = {"teacher": ["none", "teachers/0"], "teacher_weight": 0.9}
    withheld = {"name": "digits", "withhold_test": True}
    study.run(spec_of("taught", space=teachers) | {"dataset": withheld}, home=home)
    bare, taught = sorted(
        study.records("taught", home=home), key=lambda one: one.training["teacher"]
    )
    assert [bare.training["teacher"], taught.training["teacher"]] == ["none", "teachers/0"]
    assert bare.val_loss == teacher.val_loss
    assert taught.val_loss != bare.val_loss
    with pytest.raises(study.BadInputError, match="same dataset and seed"):
        study.run(spec_of("others", space=teachers) | {"seed": 7}, home=home)
