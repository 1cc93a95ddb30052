"""A journal that was cut or damaged: the search resumes from what is whole, or says what is wrong."""

import json

import pytest
from optuna.trial import TrialState

from study.errors import StudyError
from study.search.configuration import Configuration
from study.search.journal import repair
from study.search.proposals import Proposal
from study.search.storage import Ending, SearchStorage, stored_identity
from study.spec.study_spec import StudySpec

SPEC = StudySpec.from_dict(
    {"name": "a", "dataset": "digits", "families": ["vann"]}
    | {"constraints": ["val_accuracy >= 0.5"]}
    | {"space": {"somata": [8, 16, 32], "dendrites": 2, "learning_rate": 0.01}}
)
SIZES = (8, 16)


def ask(storage, somata):
    configuration = Configuration(SPEC, given={"somata": somata})
    return storage.ask(Proposal(configuration=configuration, system_attrs={}))


def complete(storage, number):
    storage.note_rung(number, 3, {"val_accuracy": 0.5 + number / 10})
    storage.tell(
        number,
        Ending(
            state=TrialState.COMPLETE,
            values=[0.5 + number / 10, 100.0 + number],
            violations={"val_accuracy >= 0.5": -0.1 * number},
            attributes={"metrics": {"epochs": 15}, "mlflow_run_id": f"run {number}"},
        ),
    )


def ended(storage):
    """Everything that is kept of the trials that ended."""
    return [
        (one.number, one.state, one.params, one.values, one.constraints, one.user_attrs)
        for one in storage.trials()
        if one.state.is_finished()
    ]


@pytest.fixture
def journal(tmp_path):
    storage = SearchStorage(SPEC, tmp_path / "whole")
    for somata in SIZES:
        complete(storage, ask(storage, somata))
    return tmp_path / "whole"


@pytest.mark.slow
def test_a_journal_that_is_cut_anywhere_loses_only_what_was_not_whole(journal, tmp_path):
    """At every offset it is repaired to whole lines; at every line the search resumes."""
    whole = journal.read_bytes()
    expected = ended(SearchStorage(SPEC, journal))
    cut = tmp_path / "cut"
    ends = {0}
    for offset in range(len(whole)):
        cut.write_bytes(whole[:offset])
        repair(cut)
        assert cut.read_bytes() == whole[: whole[:offset].rfind(b"\n") + 1]
        ends.add(len(cut.read_bytes()))
    assert len(ends) > 15
    for end in sorted(ends):
        cut.write_bytes(whole[:end])
        storage = SearchStorage(SPEC, cut)
        found = ended(storage)
        assert found == expected[: len(found)]
        for number, somata in enumerate(SIZES):
            if number == storage.asked:
                assert ask(storage, somata) == number
            if number >= len(found):
                complete(storage, number)
        assert ended(SearchStorage(SPEC, cut)) == expected


@pytest.mark.parametrize(
    "garbage",
    [b"\0\0\0\n", b"\xff\xfe\n", b"[1]\n", b"{}\n", b"[" * 100_000 + b"\n", b'{"op_code": 99}\n'],
)
@pytest.mark.parametrize("line", [1, 6])
def test_a_journal_with_garbage_is_refused_with_its_line(garbage, line, journal):
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[: line - 1], garbage, *lines[line - 1 :]]))
    where = "it cannot be replayed" if b"99" in garbage else f"line {line} is no entry of it"
    with pytest.raises(StudyError, match=f"the journal {journal} must hold .* {where}: restore it"):
        SearchStorage(SPEC, journal)


def test_a_journal_that_begins_with_garbage_has_no_identity(journal):
    journal.write_bytes(b"\0\n" + journal.read_bytes())
    with pytest.raises(StudyError, match="line 1 is no entry of it"):
        stored_identity(journal)


@pytest.mark.parametrize("garbage", [b"\0\0\0", b"\0\0\0\n", b'{"op_code":4,"worker', b"\xff\n"])
def test_a_last_line_that_was_not_written_to_its_end_is_cut_off(garbage, journal):
    whole = journal.read_bytes()
    journal.write_bytes(whole + garbage)
    repair(journal)
    assert journal.read_bytes() == whole
    journal.write_bytes(whole + b"\0\n" + garbage)
    repair(journal)
    assert journal.read_bytes().startswith(whole)  # two are no write that was cut, and are refused


def test_an_entry_with_missing_fields_is_refused(journal):
    lines = journal.read_text().splitlines()
    entry = json.loads(lines[5])
    journal.write_text("\n".join([*lines[:5], json.dumps({"op_code": entry["op_code"]}), ""]))
    with pytest.raises(StudyError, match="it cannot be replayed"):
        SearchStorage(SPEC, journal)


def test_the_lock_of_a_killed_driver_is_removed(journal):
    lock = journal.with_name(f"{journal.name}.lock")
    lock.symlink_to(journal)
    repair(journal)
    assert not lock.is_symlink()
