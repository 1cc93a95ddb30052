"""Tables of predictions, and of retrainings compared with the search."""

from collections.abc import Iterator, Sequence
from typing import Final

from rich.markup import escape
from rich.table import Table

from study.cli.tables import plain_table
from study.results.format import estimate, percent
from study.results.prediction import Prediction
from study.results.record import TrialRecord
from study.results.retrained_run import Retrained

_SHOWN: Final = 20
"""The number of images shown per file; JSON has all."""

_ROWS: Final = {
    "val_accuracy": ("val accuracy %", 100.0, 2),
    "val_loss": ("val loss", 1.0, 4),
    "test_accuracy": ("test accuracy %", 100.0, 2),
    "test_loss": ("test loss", 1.0, 4),
}


def prediction_table(predictions: Sequence[Prediction], title: str) -> Table:
    """A row for each image, the first ones of each file: class, probability and label."""
    rows = [
        (prediction, image, shares)
        for prediction in predictions
        for image, shares in enumerate(prediction.probabilities[:_SHOWN])
    ]
    cells = {
        "file": [escape(str(prediction.file)) for prediction, _, _ in rows],
        "image": [str(image) for _, image, _ in rows],
        "class": [str(shares.argmax()) for _, _, shares in rows],
        "probability": [f"{shares.max():.4f}" for _, _, shares in rows],
    }
    if any(prediction.class_names for prediction in predictions):
        cells["name"] = [escape(prediction.names[image] or "") for prediction, image, _ in rows]
    if any(prediction.labels is not None for prediction in predictions):
        cells["label"] = [
            "" if prediction.labels is None else str(prediction.labels[image])
            for prediction, image, _ in rows
        ]
    table = plain_table(title, cells, left=("file", "name"))
    table.columns[0].no_wrap, table.columns[0].overflow = False, "fold"
    return table


def sentences(predictions: Sequence[Prediction]) -> Iterator[str]:
    """The notice and the accuracy of each file."""
    for prediction in predictions:
        count = len(prediction.probabilities)
        if prediction.notice is not None:
            yield prediction.notice
        if count > _SHOWN:
            yield f"{prediction.file}: the first {_SHOWN} of {count:,} images; --json prints all"
        if prediction.accuracies is not None:
            accuracy = percent(prediction.accuracy, prediction.accuracy_sem)
            yield (
                f"{prediction.file}: accuracy {accuracy} % of "
                f"{count:,} images, mean over {len(prediction.accuracies)} replicates; "
                f"{100 * (prediction.classes == prediction.labels).mean():.2f} % with their mean "
                "probabilities"
            )


def retraining_table(result: Retrained, name: str) -> Table:
    """A row for each metric: means ± standard errors over replicates, and whether they agree."""
    search, record = result.search, result.record
    full = "\nwith validation" if result.retraining.full else ""
    cells = {
        "": [heading for heading, _, _ in _ROWS.values()],
        f"search\n{_training(search)}": _estimates(search),
        f"retrained\n{_training(record)}{full}": _estimates(record),
        "difference": [_difference(result, metric, *_ROWS[metric][1:]) for metric in _ROWS],
        "agree": [{True: "yes", False: "no", None: ""}[result.agrees(name)] for name in _ROWS],
    }
    title = f"{name}: trial {search.trial}, {search.label()}"
    return plain_table(title, cells, left=("", "agree"))


def verdict(result: Retrained) -> str:
    """The meaning of the last column, and the run."""
    when = "trained now" if result.new else "trained before"
    return (
        "agree: the difference is within its standard error, as in two of three repetitions of equal "
        f"networks; {when}, MLflow run {result.record.run_id}"
    )


def _training(record: TrialRecord) -> str:
    return f"{record.replicates} x {record.epochs} epochs"


def _estimates(record: TrialRecord) -> list[str]:
    return [
        estimate(getattr(record, metric), getattr(record, f"{metric}_sem"), scale, digits)
        for metric, (_, scale, digits) in _ROWS.items()
    ]


def _difference(result: Retrained, metric: str, scale: float, digits: int) -> str:
    before, after = getattr(result.search, metric), getattr(result.record, metric)
    if before is None or after is None:
        return ""
    return f"{scale * (after - before):+.{digits}f}"
