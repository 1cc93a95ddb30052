import pytest

from paper.claims import Claims, expanded
from study.errors import BadInputError


@pytest.fixture(scope="module")
def claims():
    return Claims.read().claims


def test_agreement_is_with_the_published_accuracy_of_the_network(claims):
    published = Claims.read().published
    found = [one for one in claims if one.test == "agreement"]
    for one in found:
        table = published[one.id.split("-")[0]][one.data]
        assert (one.published, one.published_sd) == table[one.network.family].accuracy
    assert len(found) == 8  # the five families of Table 1, the dendritic ones of Table 2


def test_the_published_differences_are_those_that_the_paper_tells():
    """The best dendritic network less vann, points of accuracy, by data set (notes of Table 1)."""
    best = {}
    for data, families in Claims.read().published["table1"].items():
        accuracies = {name: one.accuracy[0] for name, one in families.items() if name != "pdann"}
        vann = accuracies.pop("vann")
        best[data] = round(100 * (max(accuracies.values()) - vann), 2)
    assert best == {
        "mnist": 0.54,
        "fashion_mnist": 0.97,
        "kmnist": 0.38,
        "emnist_balanced": 0.40,
        "cifar10": 7.92,
    }


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
