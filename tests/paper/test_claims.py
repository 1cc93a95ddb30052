import pytest

from paper.files import claims_file, claims_of, read_claims
from study import BadInputError
from tests.support.made_measurements import claim, refusal

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


def test_claims_stand_in_a_file_beside_the_spec(tmp_path):
    spec = tmp_path / "mine.toml"
    assert read_claims(spec) == ()
    claims_file(spec).write_text(
        """
        [[claims]]
        kind = "loss_ratio"
        family = "dann-r"
        reference = "vann"
        at_most = 0.8
        where = { learning_rate = 0.001, schedule = "constant" }

        [[claims]]
        kind = "accuracy"
        family = "vann"
        published = 0.89
        """
    )
    where = {"learning_rate": 0.001, "schedule": "constant"}
    assert read_claims(spec) == claims_of([RATIO | {"where": where}, ACCURACY])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[claims]", "mine.claims.toml is not TOML"),
        ('name = "mine"', "must have tables [[claims]] only, got name"),
        ('[[claims]]\nkind = "accuracy"', "the key 'claims.0.family' must be given"),
    ],
)
def test_a_mistake_in_the_file_is_said(tmp_path, text, said):
    spec = tmp_path / "mine.toml"
    claims_file(spec).write_text(text)
    with pytest.raises(BadInputError) as caught:
        read_claims(spec)
    assert said in str(caught.value)


def test_one_family_may_be_written_without_a_list():
    table = {"kind": "parameters", "target_accuracy": 0.9, "at_most": 8000}
    assert claim(**table).families == ()
    assert claim(**table, families="vann").families == ("vann",)
