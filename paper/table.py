"""The benchmark file: every network that the replication trained, as one Parquet table.

A row is a network: one seed of one configuration. `stage` is `search`, `race` or `test`; only networks
of the stage `test` have been evaluated on test images. docs/results_details.md describes the columns.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from mlflow import MlflowClient
from numpy.typing import NDArray

import study
from paper.choices import in_race
from paper.claim import DATA
from paper.plan import PlannedStudy
from study import Home, TrialRecord

SCHEMA: Final = pa.schema(
    {
        "data": pa.string(),
        "study": pa.string(),
        "stage": pa.string(),
        "trial": pa.int32(),
        "seed": pa.int32(),
        "family": pa.string(),
        "settings": pa.string(),
        "trainable_parameters": pa.int64(),
        "macs": pa.int64(),
        "stored_bytes": pa.int64(),
        "val_accuracy": pa.float32(),
        "val_loss": pa.float32(),
        "test_accuracy": pa.float32(),
        "test_loss": pa.float32(),
        "val_accuracy_curve": pa.list_(pa.float32()),
        "val_loss_curve": pa.list_(pa.float32()),
        "train_loss_curve": pa.list_(pa.float32()),
        "images": pa.int32(),
        "correct": pa.binary(),
        "losses": pa.binary(),
        "diagnostics": pa.string(),
        "environment": pa.string(),
    }
)
"""One row a network. `trial` is the number in the search, also of networks of race and test.

`settings`, `diagnostics` and `environment` are JSON objects. Curves have a value for each epoch.
`correct` has a bit for each of the test `images` (`unpacked`), `losses` a float16, of networks that
claims about losses choose; all three are null where there was no test.
"""

SCORES: Final = {"accuracy_score": "accuracy score", "loss_score": "loss score"}
"""The columns of `with_scores`, with their names."""

_CURVES: Final = ("val_accuracy", "val_loss", "train_loss")


def rows_of(planned: PlannedStudy, home: Home, *, losses: bool) -> Iterator[dict[str, Any]]:
    """The rows of a study of the plan: its search, its race, and its networks on test images.

    With `losses`, chosen networks have their loss on each image.
    """
    environment = {"environment": json.dumps(_environment(planned.name, home))}
    for row in _rows(planned, home, losses=losses):
        yield row | environment


def _rows(planned: PlannedStudy, home: Home, *, losses: bool) -> Iterator[dict[str, Any]]:
    search = complete(planned.name, home)
    own = {one.trial: one.trial for one in search}
    yield from _trained(planned, "search", planned.name, search, own, home)
    keeps = losses and not planned.plan.race
    yield from _tested(planned, planned.name, own, home, losses=keeps)
    if planned.plan.race:
        race = complete(planned.race_name, home)
        pairs = in_race(search, race, planned.varied)
        numbers = {one.trial: number for number, one in pairs.items()}
        yield from _trained(planned, "race", planned.race_name, race, numbers, home)
        yield from _tested(planned, planned.race_name, numbers, home, losses=losses)


def retrainings(planned: PlannedStudy, name: str, home: Home) -> list[study.Retrained]:
    """The retrainings that the plan asks for of its study `name`, its search or its race."""
    seeds = planned.plan.seeds if name == planned.race_name else planned.plan.others
    return [
        one
        for one in study.retrainings(name, home=home)
        if one.retraining.replicates == seeds
        and one.retraining.epochs == planned.epochs
        and not one.retraining.full
    ]


def _environment(name: str, home: Home) -> dict[str, Any]:
    """The versions and the processor of a study, from the tags of its parent run."""
    run_id = study.status(name, home=home).parent_run_id
    tags = MlflowClient(tracking_uri=home.tracking_uri).get_run(run_id).data.tags
    stored = json.loads(tags["study.environment"])
    machine = {key: stored["machine"][key] for key in ("processor", "cores")}
    return {"versions": stored["versions"]} | machine


def complete(name: str, home: Home) -> list[TrialRecord]:
    """The complete trials of a study."""
    return [one for one in study.records(name, home=home) if one.state == "COMPLETE"]


def _trained(  # noqa: PLR0913, PLR0917  # the parts of a row
    planned: PlannedStudy,
    stage: str,
    name: str,
    records: Sequence[TrialRecord],
    numbers: Mapping[int, int],
    home: Home,
) -> Iterator[dict[str, Any]]:
    """The networks of a search or a race."""
    curves = _curves(name, home, retrained=False)
    for record in records:
        shared = _shared(planned, stage, record, numbers[record.trial])
        for seed, values in record.by_seed.items():
            yield shared | {"seed": seed} | _of_network(curves, record.trial, seed) | dict(values)


def _tested(
    planned: PlannedStudy, name: str, numbers: Mapping[int, int], home: Home, *, losses: bool
) -> Iterator[dict[str, Any]]:
    """The networks of the retrainings of a study, with the outcomes on each test image."""
    found = retrainings(planned, name, home)
    if not found:
        return
    curves = _curves(name, home, retrained=True)
    for one in found:
        shared = _shared(planned, "test", one.record, numbers[one.search.trial])
        images = study.outcomes(name, one.search.trial, retrained=True, home=home)
        if not set(one.record.by_seed).issubset(images["correct"].columns):
            raise study.StudyError(
                f"the last retraining must be that of the plan, with {one.retraining.replicates} seeds, "
                f"got {len(images['correct'].columns)} (trial {one.search.trial} of study {name})"
            )
        for seed, values in one.record.by_seed.items():
            own = _of_network(curves, one.search.trial, seed)
            correct = images["correct"][seed].to_numpy()
            loss = images["loss"][seed].to_numpy(dtype=np.float16).tobytes() if losses else None
            yield (
                shared
                | own
                | dict(values)
                | {
                    "seed": seed,
                    "images": len(correct),
                    "correct": np.packbits(correct).tobytes(),
                    "losses": loss,
                }
            )


def _curves(name: str, home: Home, *, retrained: bool) -> pd.DataFrame:
    """The curves of each metric by trial, seed and epoch."""
    return study.curves(name, metric=_CURVES, seeds=True, retrained=retrained, home=home)


def _of_network(curves: pd.DataFrame, trial: int, seed: int) -> dict[str, list[float]]:
    """The columns with the curves of a network."""
    return {f"{metric}_curve": curves[metric].loc[trial, seed].tolist() for metric in _CURVES}


def _shared(planned: PlannedStudy, stage: str, record: TrialRecord, number: int) -> dict[str, Any]:
    settings = {**record.architecture, **record.training}
    return {
        "data": planned.data,
        "study": planned.key,
        "stage": stage,
        "trial": number,
        "family": record.family,
        "settings": json.dumps(
            {key: value for key, value in settings.items() if value is not None}
        ),
        "trainable_parameters": record.trainable_parameters,
        "macs": record.macs,
        "stored_bytes": record.stored_bytes,
        "diagnostics": json.dumps(dict(record.diagnostics)),
    }


def write(rows: Iterable[dict[str, Any]], file: Path) -> int:
    """Adds rows to a file, in place of those of the same studies; returns the number of all."""
    added = pa.Table.from_pylist(list(rows), schema=SCHEMA)
    if file.exists():
        kept = pq.read_table(file, schema=SCHEMA)
        replaced = pc.is_in(kept["study"], value_set=pc.unique(added["study"]))
        added = pa.concat_tables([kept.filter(pc.invert(replaced)), added])
    with replacing(file) as unfinished:
        pq.write_table(added, unfinished, compression="zstd")
    return int(added.num_rows)


def studies_in(file: Path) -> set[str]:
    """The keys of the studies of which a file has rows, none if there is no such file."""
    if not file.exists():
        return set()
    return set(pq.read_table(file, columns=["study"])["study"].unique().to_pylist())


def read(*files: Path) -> pd.DataFrame:
    """The rows of such files."""
    tables = [pq.read_table(file, schema=SCHEMA) for file in files]
    frame: pd.DataFrame = pa.concat_tables(tables).to_pandas()
    return frame


def unpacked(correct: bytes, images: float) -> NDArray[np.bool_]:
    """Whether a network classifies each test image correctly, shape (images,)."""
    return np.unpackbits(np.frombuffer(correct, np.uint8), count=int(images)).astype(np.bool_)


def tested(rows: pd.DataFrame, studies: str | tuple[str, ...]) -> pd.DataFrame:
    """The tested networks of the studies of Fashion-MNIST whose names start with `studies`."""
    of_study = (rows["data"] == DATA) & rows["study"].str.startswith(studies)
    return rows[of_study & (rows["stage"] == "test")]


def sizes(rows: pd.DataFrame) -> list[str]:
    """Of each network its dendrites and somata, such as D4 S512."""
    settings = map(json.loads, rows["settings"])
    return [f"D{one.get('dendrites')} S{one['somata']}" for one in settings]


def overfitting(rows: pd.DataFrame) -> list[float]:
    """Of each network the validation loss after the last epoch minus the mean training loss in it."""
    curves = zip(rows["val_loss_curve"], rows["train_loss_curve"], strict=True)
    return [float(of_val[-1] - of_train[-1]) for of_val, of_train in curves]


def with_scores(rows: pd.DataFrame) -> pd.DataFrame:
    """The networks with the paper's scores of efficiency, `accuracy_score` and `loss_score`.

    With P parameters and the lowest validation loss after E epochs, f is log(P E) by the least log(P E)
    of these networks; the scores are the test accuracy by f, and the test loss times f (Methods).
    """
    epochs = rows["val_loss_curve"].map(lambda curve: int(np.argmin(curve)) + 1)
    costs = np.log10((rows["trainable_parameters"] * epochs).astype(float))
    factors = costs / costs.min()
    return rows.assign(
        accuracy_score=rows["test_accuracy"] / factors, loss_score=rows["test_loss"] * factors
    )


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """Gives a path beside a file, whose folder is made; what the block writes replaces it at once."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".part")
    yield unfinished
    unfinished.replace(file)
