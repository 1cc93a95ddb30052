"""The table of trials: what the sender stores is what the runs hold, and only data."""

import json
import math
import pickle
import shutil
import sqlite3
from contextlib import closing
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models import Architecture
from study import environment
from study.errors import StudyError
from study.home import Home
from study.results import answers, study_status
from study.results.reader import read_study
from study.runner import resume
from study.search.trial import TrialConfig
from study.spec.study_spec import StudySpec
from study.tracking import retry, sender
from study.tracking.artifacts import StoreClient
from study.tracking.events import (
    ReplicatesReported,
    StudyBegun,
    StudyEnded,
    TrialBegun,
    TrialEnded,
    TrialNoticed,
    TrialReported,
)
from study.tracking.sender import Sender
from study.tracking.spool import Spool, waiting
from study.tracking.store import client
from study.tracking.tags import CONFIG_TAG, STATE_TAG, TABLE_TAG
from study.tracking.trial_table import FILE, read_table
from study.tracking.writer import MlflowWriter
from study.training.settings import TrainingSettings
from tests.support.empty_store import put_empty_store

SPEC = StudySpec.from_dict(
    {
        "name": "made",
        "dataset": "digits",
        "families": ["dann-r"],
        "space": {"synapses": 4},
        "diagnostics": ["activity"],
        "constraints": ["val_accuracy >= 0.2", "trainable_parameters <= 103"],
    }
)
DIAGNOSTIC = "layer1_somata_entropy"
STATES = ["COMPLETE", "COMPLETE", "FAIL", "PRUNED", "COMPLETE", "INTERRUPTED", "RUNNING"]


@pytest.fixture
def home(tmp_path):
    environment.prepare()
    home = Home(folder=tmp_path, tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    put_empty_store(home)
    return home


def events():
    """A study with a trial in each state."""
    yield StudyBegun(timestamp=1, tags={})
    for number, state in enumerate(STATES):
        architecture = Architecture(family="dann-r", dendrites=2, somata=8, synapses=4)
        training = TrainingSettings(epochs=2, learning_rate=0.01)
        trial = TrialConfig(
            number=number, architecture=architecture, training=training, seeds=(0, 1)
        )
        yield TrialBegun(trial=trial, timestamp=1000 + number)
        for epoch in (1, 2):
            metrics = {"epochs": epoch, "trainable_parameters": 100 + number, "epoch/val_loss": 1}
            metrics |= {"val_accuracy": 0.1 * (number + epoch), "val_loss": math.nan}
            metrics |= {"val_accuracy_sem": 0.01, DIAGNOSTIC: 0.5, f"{DIAGNOSTIC}_sem": 0.1}
            yield TrialReported(number=number, timestamp=epoch, epoch=epoch, metrics=metrics)
        yield ReplicatesReported(number=number, metrics={"val_accuracy": [0.1 * number, 1 / 3]})
        if state == "PRUNED":
            yield TrialNoticed(number=number, notice="a checkpoint was damaged")
        if state != "RUNNING":
            reason = "it broke" if state == "FAIL" else None
            yield TrialEnded(number=number, timestamp=2000, state=state, reason=reason)


@pytest.fixture
def writer(home):
    writer = MlflowWriter(SPEC, home, home.study_folder(SPEC.name))
    for event in events():
        writer.apply(event)
    writer.flush()
    return writer


def told(records):
    """Records with NaN as a text, which is equal to itself."""
    return json.dumps([record.to_dict() for record in records])


@pytest.mark.slow
def test_the_table_holds_what_the_runs_do(home, writer):
    without = answers.records("made", home=home)
    logits = home.study_folder("made").teachers  # which are stored beside it
    logits.parent.mkdir(parents=True, exist_ok=True)
    logits.write_bytes(b"logits")
    writer.store_table()
    parent = read_study("made", home).parent
    assert TABLE_TAG in parent.data.tags
    names = {file.path for file in client(home).list_artifacts(parent.info.run_id)}
    assert names == {FILE, logits.name}
    found = answers.records("made", home=home)
    assert told(found) == told(without) == told(answers.records("made", home=home, fresh=True))
    assert [record.state for record in found] == STATES
    assert [record.feasible for record in found] == [True, True, None, None, False, None, None]
    assert (found[2].reason, found[3].notice) == ("it broke", "a checkpoint was damaged")
    assert found[0].diagnostics == {DIAGNOSTIC: 0.5, f"{DIAGNOSTIC}_sem": 0.1}
    assert [record.trial for record in answers.front("made", home=home)] == [0, 1]
    status, fresh = (
        study_status.status("made", home=home, fresh=fresh).to_dict() for fresh in (False, True)
    )
    assert json.dumps(status) == json.dumps(fresh)


def test_a_question_is_answered_by_the_table_until_it_is_stored_again(home, writer, monkeypatch):
    writer.store_table()
    writer.apply(TrialEnded(number=6, timestamp=2000, state="FAIL"))
    writer.flush()
    assert answers.records("made", home=home)[6].state == "RUNNING"
    assert answers.records("made", home=home, fresh=True)[6].state == "FAIL"
    writer.store_table()
    assert answers.records("made", home=home)[6].state == "FAIL"
    monkeypatch.setattr(StoreClient, "log_artifact", None)
    writer.store_table()  # nothing changed


def test_the_next_sender_makes_the_table_of_what_the_store_has(home, writer):
    """The one before was killed before it stored a table, or between two."""
    writer.store_table()
    before = answers.records("made", home=home)
    client(home).set_tag(before[6].run_id, STATE_TAG, "FAIL")
    MlflowWriter(SPEC, home, home.study_folder(SPEC.name)).store_table()
    found = answers.records("made", home=home)
    assert found[6].state == "FAIL"
    assert told(found[:6]) == told(before[:6])


def test_a_home_that_was_copied_answers_from_its_own_table_and_stores_it_there(home, writer):
    writer.store_table()
    copy = Home.find(home.folder.with_name(f"{home.folder.name}-copy"))
    shutil.copytree(home.folder, copy.folder)
    writer.apply(TrialEnded(number=6, timestamp=2000, state="FAIL"))
    writer.flush()
    writer.store_table()
    assert answers.records("made", home=copy)[6].state == "RUNNING"

    shutil.rmtree(home.folder)
    before = answers.records("made", home=copy)
    store = client(copy)
    store.set_tag(before[6].run_id, STATE_TAG, "INTERRUPTED")
    MlflowWriter(SPEC, copy, copy.study_folder(SPEC.name)).store_table()
    assert answers.records("made", home=copy)[6].state == "INTERRUPTED"
    store.log_artifact(before[6].run_id, __file__)  # the first of its run
    assert not home.folder.exists()


def test_a_table_that_is_withdrawn_leaves_questions_to_the_runs(home, writer):
    writer.store_table()
    writer.apply(TrialEnded(number=6, timestamp=2000, state="FAIL"))
    writer.flush()
    writer.withdraw_table()
    assert answers.records("made", home=home)[6].state == "FAIL"
    writer.store_table()
    assert TABLE_TAG in read_study("made", home).parent.data.tags


def test_who_reads_the_database_of_a_server_asks_the_runs(home, writer):
    """The table is an artifact, and a server's artifacts come from the server alone."""
    writer.store_table()
    writer.apply(TrialEnded(number=6, timestamp=2000, state="FAIL"))
    writer.flush()
    with closing(sqlite3.connect(home.database)) as database, database:
        database.execute("UPDATE runs SET artifact_uri = 'mlflow-artifacts:/1/x/artifacts'")
    assert answers.records("made", home=home)[6].state == "FAIL"


class Bomb:
    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return open, (str(self.file), "w")


def holding(column, value, kind="string"):
    """Stores the table with this value in a column, for every trial."""

    def store(file, table):
        values = pa.array([value] * table.num_rows, kind)
        place = table.schema.get_field_index(column)
        column_of = values.view("string") if kind == "binary" else values
        pq.write_table(table.set_column(place, column, column_of), file)

    return store


DAMAGE = {
    "missing": lambda file, _: file.unlink(),
    "cut": lambda file, _: file.write_bytes(file.read_bytes()[:-100]),
    "pickle": lambda file, _: file.write_bytes(pickle.dumps(Bomb(file.with_name("went off")))),
    "version": lambda file, table: pq.write_table(table.replace_schema_metadata({}), file),
    "column": lambda file, table: pq.write_table(table.drop_columns(["state"]), file),
    "twice": lambda file, table: pq.write_table(
        table.append_column("state", table.column("state")), file
    ),
    "type": holding("epochs", "1"),
    "null": holding("state", None),
    "text": holding("notice", b"\xff", "binary"),
    "config": holding("config", "{"),
    "nested": holding("config", "[" * 100_000),
    "infinite": holding("macs", math.inf, "double"),
}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_table_is_one_line_and_nothing_of_it_is_run(damage, home, writer):
    writer.store_table()
    (file,) = home.folder.rglob(FILE)
    DAMAGE[damage](file, pq.read_table(file))
    with pytest.raises(StudyError, match="of study 'made' in sqlite:") as caught:
        answers.records("made", home=home)
    assert "\n" not in str(caught.value)
    if damage not in {"config", "nested", "infinite"}:
        assert "--fresh reads the runs themselves" in str(caught.value)
    assert caught.value.exit_status == 1
    assert not file.with_name("went off").exists()
    assert len(answers.records("made", home=home, fresh=True)) == len(STATES)
    MlflowWriter(SPEC, home, home.study_folder(SPEC.name)).store_table()
    assert len(answers.records("made", home=home)) == len(STATES)


def test_a_table_that_is_cut_anywhere_is_refused(home, writer):
    writer.store_table()
    (file,) = home.folder.rglob(FILE)
    whole = file.read_bytes()
    for offset in (*range(0, len(whole), 97), *range(len(whole) - 32, len(whole))):
        file.write_bytes(whole[:offset])
        with pytest.raises((ValueError, OSError)):
            read_table(file, SPEC)


@pytest.mark.slow
@pytest.mark.usefixtures("writer")
def test_a_database_that_is_cut_anywhere_is_told_or_has_every_trial(home):
    """SQLite finds out itself that pages are missing; an empty file is an empty store."""
    with closing(sqlite3.connect(home.database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = home.database.read_bytes()
    expected = told(answers.records("made", home=home, fresh=True))
    told_of = 0
    for number in range(8):
        copy = Home.find(home.folder / f"cut-{number}")
        copy.folder.mkdir()
        copy.database.write_bytes(whole[: len(whole) * number // 8 + 7 * number])
        try:
            found = told(answers.records("made", home=copy, fresh=True))
        except StudyError as error:
            assert "\n" not in str(error)  # noqa: PT017  # the message is all that is said
            told_of += 1
        else:
            assert found == expected
    assert told_of > 4


def test_a_file_of_the_table_has_plain_columns_and_no_metadata_of_others(home, writer):
    writer.store_table()
    (file,) = home.folder.rglob(FILE)
    assert set(pq.ParquetFile(file).metadata.metadata) == {b"study.table"}
    types = {str(field.type) for field in pq.read_schema(file)}
    assert types == {"int64", "string", "double", "bool"}


def test_a_diagnostic_that_the_table_does_not_know_yet_has_no_values(home, writer):
    writer.store_table()
    wider = StudySpec.from_dict(SPEC.to_dict() | {"diagnostics": ["activity", "weights"]})
    (file,) = home.folder.rglob(FILE)
    table = read_table(file, wider)
    missing = set(table.column_names) - set(read_table(file, SPEC).column_names)
    assert missing
    assert all(table.column(name).null_count == len(STATES) for name in missing)


@pytest.mark.usefixtures("writer")
def test_a_run_without_its_configuration_is_named_from_the_table_as_from_the_runs(home):
    run = answers.records("made", home=home)[2].run_id
    client(home).delete_tag(run, CONFIG_TAG)
    MlflowWriter(SPEC, home, home.study_folder(SPEC.name)).store_table()
    for fresh in (False, True):
        with pytest.raises(StudyError, match=f"the MLflow run {run} of study 'made'"):
            answers.records("made", home=home, fresh=fresh)
        assert study_status.status("made", home=home, fresh=fresh).states["FAIL"] == 1


@pytest.fixture
def spool(home):
    """The spool of the study, with all of its events but the end."""
    folder = home.study_folder("made")
    resume.store_spec(folder, SPEC)
    spool = Spool(folder.spool)
    for event in events():
        spool.append(event.to_json())
    yield spool
    spool.close()


def test_a_sender_puts_aside_what_is_no_event_and_leaves_the_table_of_the_rest(home, spool):
    for line in ('["flush"]', '["interrupt", 1]', "no JSON", '["TrialEnded", {"number": 6}]', "\0"):
        spool.append(line)
    spool.append(StudyEnded(timestamp=3000, status="FINISHED").to_json())
    messages, shown = [], []

    def publish(name, home, *, final):
        """At the end the table is there: what people look at is made from it."""
        shown.append((final, TABLE_TAG in read_study(name, home).parent.data.tags))

    assert (
        Sender(home.study_folder("made"), home, messages.append, lambda _: True, publish).run() == 0
    )
    folder = home.study_folder("made")
    assert waiting(folder.spool) == 0
    assert shown == [(True, True)]
    assert len([message for message in messages if "refused" in message]) == 5
    refused = folder.refused.read_text().splitlines()
    assert json.loads(refused[0])["line"] == '["flush"]'
    assert study_status.status("made", home=home).run_status == "FINISHED"
    assert told(answers.records("made", home=home)) == told(
        answers.records("made", home=home, fresh=True)
    )


@pytest.mark.usefixtures("spool")
def test_while_a_study_runs_the_table_is_stored_and_then_what_is_made_from_it(home, monkeypatch):
    monkeypatch.setattr(sender, "_REFRESH_EVERY_S", 0.0)
    over, shown = iter([False, False, False, True]), []

    def publish(name, home, *, final):
        assert TABLE_TAG in read_study(name, home).parent.data.tags
        shown.append((final, answers.records(name, home=home)[-1].state))

    Sender(home.study_folder("made"), home, lambda _: None, lambda _: next(over), publish).run()
    # Once, for nothing moved after that; then the driver ends without a word.
    assert shown == [(False, "RUNNING"), (True, "INTERRUPTED")]


@pytest.mark.usefixtures("spool")
def test_the_table_takes_at_most_a_fifth_of_the_time_of_the_sender(home, monkeypatch):
    now, stored = [0.0], []

    def store(_):
        stored.append(now[0])
        now[0] += 4.0

    def ending(_):
        now[0] += 1.0
        return now[0] > 100

    monkeypatch.setattr(sender, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(MlflowWriter, "store_table", store)
    Sender(home.study_folder("made"), home, lambda _: None, ending, lambda *_, **__: None).run()
    while_it_runs = stored[:-1]
    assert len(while_it_runs) > 3
    assert min(np.diff(while_it_runs)) >= 20


@pytest.mark.usefixtures("spool")
def test_where_no_table_can_be_stored_the_runs_answer_and_everything_is_sent(home, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "nobody may write artifacts")

    monkeypatch.setattr(retry, "PATIENCE_S", 0.5)
    monkeypatch.setattr(sender, "_REFRESH_EVERY_S", 0.0)
    monkeypatch.setattr(StoreClient, "log_artifact", refuse)
    over = iter([False, False, True])
    assert (
        Sender(
            home.study_folder("made"), home, print, lambda _: next(over), lambda *_, **__: None
        ).run()
        == 0
    )
    assert TABLE_TAG not in read_study("made", home).parent.data.tags
    assert [record.state for record in answers.records("made", home=home)][-1] == "INTERRUPTED"
