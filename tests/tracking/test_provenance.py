import json

import pytest

from study.tracking.provenance import Provenance


def test_the_command_and_the_facts_of_the_run_are_told():
    stored = {
        "versions": {"torch": "2.0", "ray": None},
        "commit": "abc",
        "machine": ["a", {"cpus": 2}],
    }
    tags = {"study.command": "study run x.toml", "study.environment": json.dumps(stored)}
    found = Provenance.of(tags)
    assert found.command == "study run x.toml"
    assert found.facts == {"versions": "torch 2.0", "commit": "abc", "machine": "a, cpus 2"}


@pytest.mark.parametrize("stored", ["{", "[]", "null", '"text"'])
def test_what_cannot_be_read_counts_as_not_recorded(stored):
    assert Provenance.of({"study.environment": stored}) == Provenance(None, {})
