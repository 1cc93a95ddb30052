"""The documents of an exported network: its training history as JSON, and a model card."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final

from models.architecture import FAMILIES, Architecture
from study.results.format import estimate
from study.results.record import TrialRecord
from study.spec.study_spec import StudySpec
from study.spec.teachers import NO_TEACHER

_MOST_NAMED: Final = 100  # classes in the card; training.json has all
_METRICS: Final = ("val_accuracy", "val_loss", "test_accuracy", "test_loss")

PAPER: Final = (
    "Chavlis, S. & Poirazi, P. Dendrites endow artificial neural networks with accurate, robust and "
    "parameter-efficient learning. *Nature Communications* **16**, 943 (2025). "
    "https://doi.org/10.1038/s41467-025-56297-9"
)

_CARD: Final = """\
# {label}

Trial {trial} of the study `{study}`{retrained}: {description}.

It classifies images of {shape} (channels, height, width; whole numbers from 0 to 255). It has
{replicates} replicates: networks of one architecture, each with its own seed for wiring, initial weights
and order of batches. `python example.py` applies them.

## Files

{files}

## Architecture

One replicate has {parameters:,} trainable parameters and takes {macs:,} multiply-accumulates per image.
Only live weights are stored, computed and counted.

{architecture}

## Results

Means over {replicates} replicates ± standard errors, of the kept weights.

{results}

{validation} The test images had no influence.

## Data

{data}{classes}

## Training

{optimizer} on the cross-entropy for {epochs} epochs, with the seeds {seeds}. `keep` is the choice of
weights: those of the best validation epoch of each replicate, or of the last epoch.{unusual}

{training}

## Intended use and limits

For research on dendritic and other small networks, and for images of the same classes and preparation as
the training images. It assigns a class to any image, even to one that belongs to none. Its probabilities
are not calibrated. It was not tested for robustness, fairness or safety.

## How to cite

{paper}
"""


def training_history(  # noqa: PLR0913  # each has a place of its own in the documents
    spec: StudySpec,
    record: TrialRecord,
    image_shape: Sequence[int],
    seeds: Sequence[int],
    *,
    class_names: Sequence[str],
    retrained: bool,
) -> dict[str, Any]:
    """The training and the measurements of the network of a trial, as JSON types.

    `metrics` has means over replicates with standard errors; `seeds` has one seed for each replicate;
    `class_names` are in the order of the outputs, empty if the classes have no names.
    """
    dataset = spec.dataset
    # A network trained on the validation images has no metrics of them.
    validated = not retrained or record.val_accuracy is not None
    return {
        "study": spec.name,
        "trial": record.trial,
        "run_id": record.run_id,
        "retrained": retrained,
        "package": f"dendritic-study {version('dendritic-study')}",
        "architecture": record.architecture,
        "image_shape": list(image_shape),
        "training": record.training
        | {"optimizer": _optimizer(record.training).lower(), "epochs_trained": record.epochs},
        "trained_on": ["train"] if validated else ["train", "validation"],
        "seeds": list(seeds),
        "dataset": {
            "name": dataset.name,
            "file": None if dataset.path is None else dataset.path.name,
            "train_size": dataset.train_size,
            "validation_size": dataset.validation_size,
            "split_seed": spec.seed,
            "grey": dataset.grey,
            "resize": None if dataset.resize is None else list(dataset.resize),
        },
        "class_names": list(class_names),
        "objectives": spec.objectives,
        "trainable_parameters": record.trainable_parameters,
        "macs": record.macs,
        "metrics": {
            name: {"mean": getattr(record, name), "sem": getattr(record, f"{name}_sem")}
            for name in _METRICS
        },
    }


def model_card(history: Mapping[str, Any], files: Mapping[str, str]) -> str:
    """The model card in Markdown, from `training_history` and the purposes of the files."""
    architecture = Architecture(**history["architecture"])
    return _CARD.format(
        label=architecture.label(),
        trial=history["trial"],
        study=history["study"],
        retrained=", retrained with new seeds" if history["retrained"] else "",
        description=FAMILIES[architecture.family].description
        + ("" if architecture.is_dendritic else " (a control)"),
        shape=" x ".join(map(str, history["image_shape"])),
        replicates=len(history["seeds"]),
        files=_table(("file", "what it is"), [(f"`{file}`", text) for file, text in files.items()]),
        parameters=history["trainable_parameters"],
        macs=history["macs"],
        architecture=_settings(history["architecture"]),
        results=_results(history["metrics"]),
        validation=_validation(history),
        data=_data(history["dataset"]),
        classes=_classes(history["class_names"]),
        optimizer=_optimizer(history["training"]),
        epochs=history["training"]["epochs_trained"],
        seeds=", ".join(map(str, history["seeds"])),
        unusual=_unusual(history["training"]),
        training=_settings(history["training"]),
        paper=PAPER,
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _settings(settings: Mapping[str, Any]) -> str:
    rows = [(name, str(value)) for name, value in settings.items() if value is not None]
    return _table(("setting", "value"), rows)


def _optimizer(training: Mapping[str, Any]) -> str:
    return "AdamW" if training.get("weight_decay") else "Adam"


def _unusual(training: Mapping[str, Any]) -> str:
    """Sentences about settings that are not the default."""
    text = ""
    if training.get("patience"):
        text += (
            f" A replicate without a new lowest validation loss in {training['patience']} epochs "
            "stopped, with the weights of the lowest."
        )
    if training.get("noise"):
        text += (
            " All images, also those of the results, had Gaussian noise with a standard deviation of "
            f"{training['noise']:g} (pixels from 0 to 1), drawn once."
        )
    if training.get("batch_order") == "by_class":
        text += (
            " Each batch had images of one class, and the classes of an epoch followed in order."
        )
    if training.get("average"):
        text += (
            " The weights are an exponential average of those of all steps, with a decay of "
            f"{training['average']:g} a step."
        )
    if training.get("teacher", NO_TEACHER) != NO_TEACHER:
        text += (
            f" A share of {training['teacher_weight']:g} of the loss compared the outputs with those of "
            f"stored trials, at a temperature of {training['temperature']:g}."
        )
    return text


def _results(metrics: Mapping[str, Mapping[str, float | None]]) -> str:
    rows = [
        (
            images,
            _estimate(metrics[f"{prefix}_accuracy"], 100, 2),
            _estimate(metrics[f"{prefix}_loss"], 1, 4),
        )
        for images, prefix in (("validation", "val"), ("test", "test"))
    ]
    return _table(("images", "accuracy (%)", "cross-entropy (nats)"), rows)


def _estimate(measured: Mapping[str, float | None], scale: float, digits: int) -> str:
    return estimate(measured["mean"], measured["sem"], scale, digits) or "not measured"


def _validation(history: Mapping[str, Any]) -> str:
    if "validation" in history["trained_on"]:
        return "The validation images were used for training."
    if history["retrained"]:
        training = history["training"]
        by_epoch = training["keep"] == "best" or bool(training.get("patience"))
        chosen = ", and the epoch of the weights" if by_epoch else ""
        return f"Validation selected the configuration, with other seeds{chosen}."
    return "Validation steered the search, so its value is probably slightly optimistic."


def _data(dataset: Mapping[str, Any]) -> str:
    name = dataset["file"] or dataset["name"]
    train, validation = dataset["train_size"], dataset["validation_size"]
    return (
        f"`{name}`. Its training images are split by the seed {dataset['split_seed']}, stratified by "
        f"class: {validation or 'a tenth'} for validation, {train or 'all others'} for training. The "
        "test images are those of the data set or, where it has none, a fifth that is the same for "
        f"every seed.{_preparation(dataset)}"
    )


def _preparation(dataset: Mapping[str, Any]) -> str:
    """How images must be prepared for the network, beyond their shape."""
    steps = ["converted to grey"] if dataset["grey"] else []
    if dataset["resize"] is not None:
        steps.append(f"scaled to {' x '.join(map(str, dataset['resize']))} (height x width)")
    return f" All images were {' and '.join(steps)} (Pillow, Lanczos)." if steps else ""


def _classes(names: Sequence[str]) -> str:
    """The classes in the order of the outputs, as far as they have names and are few."""
    if not 0 < len(names) <= _MOST_NAMED:
        return ""
    named = ", ".join(f"{number} {name}" for number, name in enumerate(names))
    return f"\n\nThe classes, by output: {named}."
