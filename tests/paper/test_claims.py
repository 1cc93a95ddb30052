import json

import pytest
from made_measurements import SHORT, claim, refusal

from study.spec.study_spec import StudySpec

ACCURACY = {"kind": "accuracy", "family": "vann", "published": 0.89}
RATIO = {"kind": "loss_ratio", "family": "dann-r", "reference": "vann", "at_most": 0.8}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (ACCURACY | {"published": 89.3}, "`claims.0.published <= 1` must hold, got 89.3"),
        (
            ACCURACY | {"familly": "vann"},
            (
                "unknown key 'claims.0.familly'; did you mean 'family'? known: source, where, kind, "
                "family, published, published_sd, published_seeds, tolerance"
            ),
        ),
        (
            ACCURACY | {"family": "vamn"},
            "unknown family 'vamn'; did you mean 'vann'? known: dann-r",
        ),
        (
            ACCURACY | {"where": {"layer": 2}},
            "unknown setting 'layer'; did you mean 'layers'? known: somata, dendrites",
        ),
        (
            ACCURACY | {"kind": "acuracy"},
            "unknown kind 'acuracy'; did you mean 'accuracy'? known: accuracy, loss_ratio",
        ),
        ({"family": "vann"}, "the key 'claims.0.kind' must be given"),
        (
            {"kind": "difference", "family": "vann", "reference": "dann-r"},
            (
                "either `at_least` or `at_most` must be given, got at_least=None, at_most=None "
                "(key claims.0)"
            ),
        ),
        (
            RATIO | {"where": {"schedule": "cosin"}},
            "schedule: Value error, must be one or several of constant, cosine, one_cycle, got 'cosin'",
        ),
        (
            {"kind": "size_trend", "family": "vann", "direction": "rises", "metric": "test_los"},
            "unknown metric 'test_los'; did you mean",
        ),
        (
            {"kind": "controls", "families": [], "controls": ["mlp"]},
            "`length of claims.0.families >= 1` must hold, got []",
        ),
    ],
)
def test_a_mistake_names_the_key_the_rule_and_the_value(table, said):
    assert said in refusal(**table)


def test_the_reference_has_the_same_settings_unless_it_is_said_to_have_others():
    assert claim(**RATIO, where={"layers": 2}).where_reference == {"layers": 2}
    other = claim(**RATIO, where={"layers": 2}, reference_where={"layers": 1})
    assert other.where_reference == {"layers": 1}
    assert claim(**RATIO, where={"layers": 2}, reference_where={}).where_reference == {}


def test_claims_survive_json_and_toml(tmp_path):
    table = [RATIO | {"where": {"learning_rate": 0.001, "schedule": "constant"}}, ACCURACY]
    spec = StudySpec.from_dict(SHORT | {"claims": table})
    assert StudySpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    file = tmp_path / "spec.toml"
    file.write_text(spec.to_toml())
    assert StudySpec.from_toml(file) == spec


def test_one_family_may_be_written_without_a_list():
    table = {"kind": "parameters", "target_accuracy": 0.9, "at_most": 8000}
    assert claim(**table).families == ()
    assert claim(**table, families="vann").families == ("vann",)
