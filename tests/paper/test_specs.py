"""The specs of the paper's studies: what they say of themselves is so."""

import shlex

import pytest

from paper.files import SPECS, read_claims, spec_files
from study.search.grid import grid
from study.spec.dimensions import Choice
from study.spec.study_spec import StudySpec

TRIALS = {
    "table1": 175,
    "table2": 12,
    "noise": 60,
    "early_stopping": 350,
    "dropout": 280,
    "learning_rate": 525,
    "depth": 72,
    "structure": 385,
    "representation": 8,
}
ACCURACY = {
    "dann-r": 0.89612,
    "dann-lrf": 0.90256,
    "dann-grf": 0.90182,
    "pdann": 0.90184,
    "vann": 0.89288,
}
LOSS = {"dann-r": 0.3245, "dann-lrf": 0.2975, "dann-grf": 0.2947, "pdann": 0.2935, "vann": 0.4040}
IN_ORDER = {"dann-r": 0.56834, "dann-lrf": 0.59658, "dann-grf": 0.59348, "vann": 0.28458}
LOSS_IN_ORDER = {"dann-r": 3.395, "dann-lrf": 1.653, "dann-grf": 1.801, "vann": 313.47}
PUBLISHED = {"table1": (ACCURACY, LOSS), "table2": (IN_ORDER, LOSS_IN_ORDER)}
"""Means of the paper's Tables 1 and 2, of Fashion-MNIST."""
PROTOCOL = {
    "leaky_slope": 0.1,
    "dendrite_slope": 0.1,
    "initialization": "glorot_dense",
    "synapses": 16,
    "schedule": "constant",
    "batch_size": 128,
}


def test_every_spec_of_a_figure_or_table_is_known():
    files = {path.stem for path in spec_files()}
    assert {name for name in files if not name.startswith("beyond")} == set(TRIALS)


@pytest.mark.parametrize("name", TRIALS)
def test_a_spec_is_the_protocol_of_the_paper_on_a_grid_of_the_size_that_it_says(name):
    path = SPECS / f"{name}.toml"
    spec = StudySpec.from_toml(path)
    assert spec.name == name
    assert (spec.sampler, spec.keep, spec.replicates) == ("grid", "last", 5)
    assert spec.stopping.scheduler == "none"
    for key, value in PROTOCOL.items():
        assert getattr(spec.space, key) == Choice((value,)), key
    head = [line for line in path.read_text("utf-8").splitlines() if line.startswith("#")]
    assert len(head) <= 6
    assert f"{TRIALS[name]} trials of 5 replicates" in "\n".join(head)
    assert len(grid(spec)) == TRIALS[name]


@pytest.mark.parametrize("name", TRIALS)
def test_claims_are_about_what_the_study_trains(name):
    spec, claims = StudySpec.from_toml(SPECS / f"{name}.toml"), read_claims(SPECS / f"{name}.toml")
    assert claims
    for claim in claims:
        table = claim.model_dump()
        named = {table.get("family"), table.get("reference")} - {None}
        named |= {*table.get("families", ()), *table.get("controls", ())}
        assert named <= set(spec.families)
        for where in (table["where"], table.get("reference_where") or {}):
            for key, value in where.items():
                assert value in getattr(spec.space, key).values, (claim, key)


@pytest.mark.parametrize("name", TRIALS)
def test_the_small_run_that_its_head_gives_is_of_the_same_study_and_smaller(name):
    path = SPECS / f"{name}.toml"
    text = path.read_text("utf-8")
    small = " ".join(line[2:] for line in text.splitlines() if line.startswith("# "))
    words = shlex.split(small.partition("On a laptop:")[2])
    assert words[:3] == ["study", "run", f"paper/specs/{name}.toml"]
    spec = StudySpec.from_toml(path, [word for word in words[3:] if word != "--set"])
    trials = min(len(grid(spec)), spec.budget.trials or TRIALS[name])
    assert trials * spec.replicates < TRIALS[name] * 5


def test_the_free_search_has_the_families_of_its_claims():
    spec = StudySpec.from_toml(SPECS / "beyond.toml")
    claimed = {
        family
        for claim in read_claims(SPECS / "beyond.toml")
        for family in (*claim.families, *getattr(claim, "controls", ()))
    }
    assert claimed <= set(spec.families)


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_was_published_is_that_of_the_tables(name):
    accuracy, loss = PUBLISHED[name]
    for claim in read_claims(SPECS / f"{name}.toml"):
        if claim.kind == "accuracy":
            assert claim.published == accuracy[claim.family]
        elif claim.kind == "difference":
            gap = accuracy[claim.family] - accuracy[claim.reference]
            assert claim.published == pytest.approx(gap, abs=1e-9), claim
        elif claim.kind == "loss_ratio":
            ratio = loss[claim.family] / loss[claim.reference]
            assert claim.published == pytest.approx(ratio, rel=5e-3), claim
