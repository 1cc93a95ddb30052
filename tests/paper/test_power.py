"""The committed powers, simulated again."""

import json
import math

import numpy as np
import pytest
from scipy import stats

from paper.claims import Claims
from paper.hypothesis_tests import LEVEL
from paper.plan import Plan
from paper.power import FILE, SUFFICIENT, seeds_of, simulated, write

GROUPS = {"A": {"says": "is better"}}
ROLE = {"study": "one", "family": "vann"}


@pytest.fixture
def claims_and_studies():
    studies = {one.key: one for one in Plan.read().planned("fashion_mnist")}
    return {one.id: one for one in Claims.read().claims}, studies


def claim(**table):
    given = {"id": "a", "label": "a", "group": "A", "source": "Table 1"}
    given |= {"network": ROLE, "reference": ROLE}
    given |= {"test": "better"} | table
    if given["test"] == "agreement":
        del given["reference"]
    return Claims.model_validate({"claims": [given], "groups": GROUPS}).claims[0]


def test_the_committed_powers_are_those_of_the_claims_and_the_plan(tmp_path):
    low = write(Claims.read(), Plan.read(), tmp_path / "powers.json")
    found = json.loads((tmp_path / "powers.json").read_text(encoding="utf-8"))
    committed = json.loads(FILE.read_text(encoding="utf-8"))
    assert low == sum(one["in_group"] < SUFFICIENT for one in found.values())
    assert 0 < low < len(found) / 2
    assert list(found) == list(committed)
    for name, one in committed.items():  # in two decimals, whose last may depend on the machine
        assert found[name] == pytest.approx(one, abs=0.011), name
        assert one["in_group"] <= one["alone"]


def test_networks_that_are_not_raced_have_the_seeds_of_the_search(claims_and_studies):
    claims, studies = claims_and_studies
    assert seeds_of(claims["table1-accuracy-dann-lrf"], studies) == [10, 10]
    assert seeds_of(claims["cables-lrf"], studies) == [5, 5]
    assert seeds_of(claims["entropy-dann-r"], studies) == [8, 8]


def test_the_power_of_a_difference_is_that_of_the_noncentral_t():
    one = claim(assumed={"effect": 0.003, "seed_sd": 0.002, "image_error": 0.0005})
    power = (simulated(one, [5, 5]) <= LEVEL).mean()
    of_seeds, of_images = 2 * 0.002**2 / 5, 0.0005**2
    variance = of_seeds + of_images
    freedom = (5 - 1) * (variance / of_seeds) ** 2
    expected = stats.nct.sf(stats.t.ppf(1 - LEVEL, freedom), freedom, 0.003 / math.sqrt(variance))
    assert power == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_without_an_effect_a_claim_holds_at_its_level(metric):
    one = claim(metric=metric, assumed={"seed_sd": 0.01})
    assert (simulated(one, [10, 10]) <= LEVEL).mean() == pytest.approx(LEVEL, abs=0.005)


def test_a_vague_publication_lowers_the_power_to_agree():
    found = [
        (simulated(one, [10]) <= LEVEL).mean()
        for sd in (0.0001, 0.002, 0.006)
        for one in [
            claim(
                test="agreement",
                published=0.9,
                published_sd=sd,
                tolerance=0.005,
                assumed={"seed_sd": 0.002},
            )
        ]
    ]
    assert found == sorted(found, reverse=True)
    assert found[0] > 0.99
    assert found[-1] < 0.2


def test_a_trend_has_the_correlation_that_it_assumes():
    table = {
        "id": "t",
        "label": "t",
        "group": "A",
        "source": "Fig. 2b",
        "test": "trend",
        "networks": ROLE,
    }
    table |= {"configurations": 400, "assumed": {"effect": 0.5}}
    (one,) = Claims.model_validate({"claims": [table], "groups": GROUPS}).claims
    p = simulated(one, [5], experiments=200)
    # Student's approximation backwards: the correlation that gives the median p.
    scaled = stats.t.isf(np.median(p), 398)
    assert scaled / math.sqrt(398 + scaled**2) == pytest.approx(0.5, abs=0.02)
