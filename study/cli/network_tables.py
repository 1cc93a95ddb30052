"""Tables for a terminal: predictions, and what retraining measured beside the search."""

from collections.abc import Iterator, Sequence
from typing import Final

from rich import box
from rich.table import Table

from models.architecture import Architecture
from study.results.prediction import Prediction
from study.results.record import TrialRecord
from study.results.retrained_run import Retrained

_SHOWN: Final = 20
"""Of the images of a file; JSON has them all."""

_ROWS: Final = {
    "val_accuracy": ("val accuracy %", 100.0, 2),
    "val_loss": ("val loss", 1.0, 4),
    "test_accuracy": ("test accuracy %", 100.0, 2),
    "test_loss": ("test loss", 1.0, 4),
}


def prediction_table(predictions: Sequence[Prediction], title: str) -> Table:
    """One row an image, the first of each file: its class, the class's probability, and its label."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("file", overflow="fold")
    labelled = any(prediction.labels is not None for prediction in predictions)
    for heading in ("image", "class", "probability", *(("label",) if labelled else ())):
        table.add_column(heading, justify="right", no_wrap=True)
    for prediction in predictions:
        for image, shares in enumerate(prediction.probabilities[:_SHOWN]):
            cells = [str(image), str(shares.argmax()), f"{shares.max():.4f}"]
            if prediction.labels is not None:
                cells.append(str(prediction.labels[image]))
            table.add_row(str(prediction.file), *cells)
    return table


def sentences(predictions: Sequence[Prediction]) -> Iterator[str]:
    """What else there is to say of each file."""
    for prediction in predictions:
        count = len(prediction.probabilities)
        if prediction.notice is not None:
            yield prediction.notice
        if count > _SHOWN:
            yield f"{prediction.file}: the first {_SHOWN} of {count:,} images; --json prints all"
        if prediction.accuracies is not None:
            error = (
                "" if prediction.accuracy_sem is None else f" ± {100 * prediction.accuracy_sem:.2f}"
            )
            yield (
                f"{prediction.file}: accuracy {100 * (prediction.accuracy or 0):.2f}{error} % of "
                f"{count:,} images, mean over {len(prediction.accuracies)} replicates; of their mean "
                f"probabilities {100 * (prediction.classes == prediction.labels).mean():.2f} %"
            )


def retraining_table(found: Retrained, name: str) -> Table:
    """One row a metric: means ± standard errors over replicates, and whether both agree."""
    search, record = found.search, found.record
    label = Architecture(**search.architecture).label()
    table = Table(
        title=f"{name}: trial {search.trial}, {label}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("")
    table.add_column(f"search\n{_training(search)}", justify="right")
    full = "\nvalidation trained on" if found.wanted.full else ""
    table.add_column(f"retrained\n{_training(record)}{full}", justify="right")
    table.add_column("difference", justify="right")
    table.add_column("agree")
    for metric, (heading, scale, digits) in _ROWS.items():
        values = [_value(one, metric, scale, digits) for one in (search, record)]
        table.add_row(
            heading, *values, _difference(found, metric, scale, digits), _agree(found, metric)
        )
    return table


def verdict(found: Retrained) -> str:
    """What the last column means, and where the run is."""
    known = "trained now" if found.new else "trained before, and read"
    return (
        "agree: the difference does not exceed its standard error, as in two of three repetitions of "
        f"equal networks; {known}, MLflow run "
        f"{found.record.run_id}"
    )


def _training(record: TrialRecord) -> str:
    return f"{record.replicates} x {record.epochs} epochs"


def _value(record: TrialRecord, metric: str, scale: float, digits: int) -> str:
    mean, sem = getattr(record, metric), getattr(record, f"{metric}_sem")
    if mean is None:
        return ""
    return f"{scale * mean:.{digits}f}" + ("" if sem is None else f" ± {scale * sem:.{digits}f}")


def _difference(found: Retrained, metric: str, scale: float, digits: int) -> str:
    before, after = getattr(found.search, metric), getattr(found.record, metric)
    if before is None or after is None:
        return ""
    return f"{scale * (after - before):+.{digits}f}"


def _agree(found: Retrained, metric: str) -> str:
    agrees = found.agrees(metric)
    return {True: "yes", False: "no", None: ""}[agrees]
