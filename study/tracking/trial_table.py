"""The table of trials of a study: one Parquet file, which all queries read.

Each row is the run of a trial. The sender updates the rows with all that it sends, and stores the table
as an artifact of the parent run. Readers use this file, or build the same table from the runs. MLflow
replaces artifacts atomically in a folder, on a server and in an object store.
"""

import json
import tempfile
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, final

import pyarrow as pa
import pyarrow.parquet as pq
from mlflow import MlflowClient
from mlflow.entities import Run

from models.architecture import Architecture
from study.search.pooling import CONFIRMED_NAMES
from study.spec.dimensions import bounds
from study.spec.metrics import recorded_names
from study.spec.study_spec import StudySpec
from study.tracking.tags import (
    CONFIG_TAG,
    CONTINUES_TAG,
    NOTICE_TAG,
    NUMBER_TAG,
    REASON_TAG,
    REPLICATES_TAG,
    STATE_TAG,
    TABLE_TAG,
)

FILE: Final = "trials.parquet"
"""The artifact of the parent run."""

METRICS: Final = (
    "trainable_parameters",
    "macs",
    "wiring_bits",
    "stored_bytes",
    "val_accuracy",
    "val_accuracy_sem",
    "val_loss",
    "val_loss_sem",
    "test_accuracy",
    "test_accuracy_sem",
    "test_loss",
    "test_loss_sem",
    "epochs",
    "seconds",
    *CONFIRMED_NAMES,
)
"""The metrics of every trial in the table; runs have more, such as learning curves."""

_VERSION_KEY: Final = b"study.table"
_VERSION: Final = b"3"
_OF_TAGS: Final = {
    STATE_TAG: "state",
    REASON_TAG: "reason",
    NOTICE_TAG: "notice",
    CONFIG_TAG: "config",
    REPLICATES_TAG: "replicates",
}
_KEYS: Final = [
    pa.field("trial", pa.int64(), nullable=False),
    pa.field("run_id", pa.string(), nullable=False),
    pa.field("state", pa.string(), nullable=False),
    pa.field("config", pa.string()),
    pa.field("family", pa.string()),
    pa.field("dendritic", pa.bool_()),
    pa.field("reason", pa.string()),
    pa.field("notice", pa.string()),
    pa.field("replicates", pa.string()),
    pa.field("continues", pa.int64()),
]


def diagnostics_of(spec: StudySpec) -> tuple[str, ...]:
    """The names of all diagnostics of the trials of a study."""
    return _names(spec.diagnostics, int(bounds(spec.space.layers)[1]))


@cache  # called for each trial
def _names(groups: tuple[str, ...], layers: int) -> tuple[str, ...]:
    return tuple(recorded_names(groups, layers=layers))


def read_table(file: Path, spec: StudySpec) -> pa.Table:
    """Reads the table in a file, with the columns of the spec.

    Raises ValueError unless the file has a table of this version, OSError if it cannot be read.
    """
    # From memory and by column: the content of a file is only data.
    stored = pq.ParquetFile(pa.BufferReader(file.read_bytes()))
    version = (stored.metadata.metadata or {}).get(_VERSION_KEY)
    if version != _VERSION:
        raise ValueError(f"the version must be {_VERSION!r}, got {version!r}")
    names = stored.schema_arrow.names
    if len(set(names)) < len(names):
        raise ValueError("the names of columns must be unique")
    schema = _schema(spec)
    table = stored.read([name for name in schema.names if name in names])
    columns = [
        _typed(table.column(field.name), field) if field.name in names else _empty(table, field)
        for field in schema
    ]
    table = pa.Table.from_arrays(columns, schema=schema)
    table.validate(full=True)  # also checks the encoding of texts
    return _checked(table)


def _schema(spec: StudySpec) -> pa.Schema:
    metrics = [pa.field(name, pa.float64()) for name in (*METRICS, *diagnostics_of(spec))]
    return pa.schema([*_KEYS, *metrics])


def _typed(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    if column.type != field.type:
        raise ValueError(f"the column {field.name} must be {field.type}, got {column.type}")
    return column


def _empty(table: pa.Table, field: pa.Field) -> pa.ChunkedArray:
    """A null column for a diagnostic that the study did not have when the table was stored."""
    if field in _KEYS or field.name in METRICS:
        raise ValueError(f"the column {field.name} must exist")
    return pa.chunked_array([pa.nulls(table.num_rows, field.type)])


def _checked(table: pa.Table) -> pa.Table:
    for field in table.schema:
        if not field.nullable and table.column(field.name).null_count:
            raise ValueError(f"the column {field.name} must have a value for each trial")
    return table


@final
class TrialRows:
    """The rows of the table by trial; `changed`: whether the stored table differs."""

    def __init__(self, spec: StudySpec) -> None:
        self._spec = spec
        self._names = frozenset({*METRICS, *diagnostics_of(spec)})
        self._rows: dict[int, dict[str, Any]] = {}
        self._named = False
        self.changed = True

    def take(self, run: Run) -> None:
        """Sets the row of a trial from its run. Raises KeyError or ValueError for any other run."""
        number = int(run.data.tags[NUMBER_TAG])
        self._rows.pop(number, None)
        self.add(number, run.info.run_id, run.data.tags, run.data.metrics.items())
        self._rows[number]["state"] = run.data.tags[STATE_TAG]

    def add(
        self,
        number: int,
        run_id: str,
        tags: Mapping[str, str],
        metrics: Iterable[tuple[str, float]] = (),
    ) -> None:
        """Adds tags and metrics to the row of a trial."""
        row = self._rows.setdefault(number, {"trial": number, "run_id": run_id})
        row |= {_OF_TAGS[key]: text for key, text in tags.items() if key in _OF_TAGS}
        row |= {name: value for name, value in metrics if name in self._names}
        if CONFIG_TAG in tags:
            row |= _of_network(tags[CONFIG_TAG])
        if CONTINUES_TAG in tags:
            row["continues"] = int(tags[CONTINUES_TAG])
        self.changed = True

    def table(self) -> pa.Table:
        """The table. Raises ValueError or OverflowError for values of a wrong type or size."""
        rows = [row for _, row in sorted(self._rows.items())]
        return _checked(pa.Table.from_pylist(rows, schema=_schema(self._spec)))

    def store(self, client: MlflowClient, parent: str, beside: Path) -> None:
        """Stores the table as an artifact of the parent run, if it changed.

        With the first one, the file beside it, if that exists.
        """
        if not self.changed:
            return
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / FILE
            table = self.table()
            # Without Arrow's schema: plain column types, and nothing that readers must trust.
            with pq.ParquetWriter(
                file, table.schema, compression="zstd", store_schema=False
            ) as writer:
                writer.write_table(table)
                writer.add_key_value_metadata({_VERSION_KEY: _VERSION})
            client.log_artifact(parent, str(file))
        if not self._named:
            if beside.exists():
                client.log_artifact(parent, str(beside))
            client.set_tag(parent, TABLE_TAG, FILE)
        self._named, self.changed = True, False

    def withdraw(self, client: MlflowClient, parent: str) -> None:
        """Removes the tag of an outdated table, so that readers use the runs."""
        self._named = False
        client.delete_tag(parent, TABLE_TAG)


def _of_network(config: str) -> dict[str, Any]:
    """The columns of the network, None if unreadable, which is reported when a record is read."""
    try:
        architecture = Architecture(**json.loads(config)["architecture"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return {"family": None, "dendritic": None}
    return {"family": architecture.family, "dendritic": architecture.is_dendritic}
