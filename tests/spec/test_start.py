"""The key `start`: configurations of the space, or a message with the key, the rule and the values."""

import re

import pytest

from study.errors import SpecError
from study.spec.study_spec import StudySpec

SPACE = {
    "somata": [32, 64],
    "dendrites": {"low": 1, "high": 16, "log": True},
    "synapses": 16,
    "learning_rate": {"low": 1e-3, "high": 1e-1, "log": True},
    "schedule": ["cosine", "constant"],
}
GOOD = {"family": "dann-r", "somata": 64, "dendrites": 4, "learning_rate": 0.01, "synapses": 16}


def spec(*start, families=("dann-r", "mlp")):
    table = {"name": "a", "dataset": "digits", "families": list(families)}
    return StudySpec.from_dict(table | {"space": SPACE, "start": list(start)})


def test_values_are_those_of_the_space_and_survive_a_file(tmp_path):
    wanted = spec(GOOD | {"dendrites": 4.0, "learning_rate": 0.1}, {"family": "mlp"})
    first, second = wanted.start
    assert (first["dendrites"], type(first["dendrites"])) == (4, int)
    assert second == {"family": "mlp"}
    file = tmp_path / "again.toml"
    file.write_text(wanted.to_toml())
    assert StudySpec.from_toml(file) == wanted == StudySpec.from_dict(wanted.to_dict())


def test_the_only_family_need_not_be_given():
    assert spec({"somata": 32}, families=["mlp"]).start == ({"family": "mlp", "somata": 32},)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"somata": 48},
            "`somata` must be one of 32, 64, got 48 (keys start.1.somata and",
        ),
        ({"dendrites": 17}, "`1 <= dendrites <= 16` must hold, got 17 (keys start.1.dendrites and"),
        ({"dendrites": 2.5}, "`dendrites` must be a whole number, got 2.5"),
        ({"learning_rate": True}, "`learning_rate` must be a number, got True"),
        ({"schedule": "up"}, "`schedule` must be one of cosine, constant, got 'up'"),
        ({"synapses": 8}, "`synapses` must be one of 16, got 8"),
        ({"family": "vann"}, "`family` must be one of dann-r, mlp, got 'vann' (key start.1)"),
        ({"family": "mlp"}, "mlp has no dendrites, got dendrites=2 (key start.1.dendrites)"),
        ({"receptive_field": "ring"}, "dann-r has no receptive_field, got receptive_field='ring'"),
        ({"width": 3}, "unknown key 'start.1.width'; known: family, somata"),
        (GOOD, "configurations must differ, got start.1 equal to start.0"),
    ],
)
def test_what_is_no_configuration_of_the_space_is_refused(changes, message):
    with pytest.raises(SpecError, match=re.escape(message)):
        spec(GOOD, {"family": "dann-r", "dendrites": 2} | changes)


def test_the_family_must_be_given_where_there_are_several():
    with pytest.raises(SpecError, match=r"'start\.0\.family' must be given, one of dann-r, mlp"):
        spec({"somata": 32})
