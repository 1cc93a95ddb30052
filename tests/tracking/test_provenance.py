import json

import pytest

from study.tracking import provenance
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


def test_a_program_that_hangs_or_fails_tells_nothing(tmp_path, monkeypatch):
    for name, body in (("nvidia-smi", "exec sleep 600"), ("git", "exit 1")):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(provenance, "_WAIT_S", 0.05)
    stored = json.loads(provenance.as_tags()["study.environment"])
    assert (stored["machine"]["gpus"], stored["commit"]) == ([], None)
