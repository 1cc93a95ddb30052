import pytest

from paper.claims import Claims, expanded
from study.errors import BadInputError

ACCURACY = {
    "dann-r": 0.89612,
    "dann-lrf": 0.90256,
    "dann-grf": 0.90182,
    "pdann": 0.90184,
    "vann": 0.89288,
}
IN_ORDER = {"dann-r": 0.56834, "dann-lrf": 0.59658, "dann-grf": 0.59348, "vann": 0.28458}


@pytest.fixture(scope="module")
def claims():
    return Claims.read().claims


@pytest.mark.parametrize(("table", "published"), [("table1", ACCURACY), ("table2", IN_ORDER)])
def test_what_was_published_is_that_of_the_tables(table, published, claims):
    found = {
        one.network.family: one.published
        for one in claims
        if one.id.startswith(f"{table}-agrees") and one.test == "agreement"
    }
    assert found == {name: one for name, one in published.items() if name in found}
    assert set(found) >= {"dann-r", "dann-lrf", "dann-grf"}


def test_every_group_of_claims_has_labels_of_its_own(claims):
    for group in {one.group for one in claims}:
        labels = [one.label for one in claims if one.group == group]
        assert len(set(labels)) == len(labels), group


def test_every_claim_has_a_group_and_a_source(claims):
    assert all(one.group and one.source for one in claims)
    assert len({one.id for one in claims}) == len(claims)


def test_a_claim_is_made_of_each_combination_of_values():
    table = {
        "id": "{bound}-{family}",
        "each": {"family": ["a", "b"], "bound": [1, 2.5]},
        "where": {"noise": "{bound}"},
        "published": {"by": "family", "a": 0.1, "b": 0.2},
        "study": {"by": "family", "b": "two", "else": "one"},
        "list": ["{family}"],
    }
    found = list(expanded(table))
    assert [one["id"] for one in found] == ["1-a", "2.5-a", "1-b", "2.5-b"]
    assert found[1] == {
        "id": "2.5-a",
        "label": "a 2.5",
        "where": {"noise": 2.5},
        "study": "one",
        "published": 0.1,
        "list": ["a"],
    }


CLAIM = """
[[claims]]
id = "{id}"
label = "{id}"
group = "{group}"
source = "Table 1"
assumed = {{ effect = 0.01 }}
test = "better"
network = {{ study = "one", family = "dann-r" }}
reference = {{ study = "one", family = "vann" }}
margin = {margin}
"""


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"id": "a", "group": "A", "margin": 0.0}, "ids of claims must differ, got a twice"),
        (
            {"id": "b", "group": "B", "margin": 0.1},
            "claims must be of different things, got a and b",
        ),
    ],
)
def test_no_claim_is_made_twice_under_another_name_or_margin(other, message, tmp_path):
    text = "[groups]\nA = { says = '' }\nB = { says = '' }\n" + CLAIM.format(
        id="a", group="A", margin=0.0
    )
    text += CLAIM.format(**other)
    (tmp_path / "claims.toml").write_text(text)
    with pytest.raises(BadInputError, match=message):
        Claims.read(tmp_path / "claims.toml")


def test_a_file_without_claims_is_refused(tmp_path):
    (tmp_path / "claims.toml").write_text("claim = []")
    with pytest.raises(BadInputError, match="are not valid"):
        Claims.read(tmp_path / "claims.toml")
