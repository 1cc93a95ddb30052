"""The JSON that commands print with `--json`, as JSON Schema (2020-12), made from the records' types."""

from typing import Any, Final

from pydantic import TypeAdapter
from typing_extensions import TypedDict  # before Python 3.12 pydantic needs this one

from study.cluster.study_job import StudyJob
from study.errors import BadInputError, nearest
from study.results.record import TrialRecord
from study.results.retrained_run import Retrained
from study.results.study_status import StudyStatus

Schema = dict[str, Any]


class _CurvePoint(TypedDict):
    epoch: int
    val_accuracy: float
    val_accuracy_sem: float | None


_Image = TypedDict(
    "_Image", {"class": int, "name": str | None, "probability": float, "label": int | None}
)


class _Seed(TypedDict):
    """The values of one replicate, of its kept weights."""

    trial: int
    seed: int
    val_accuracy: float | None
    val_loss: float | None
    test_accuracy: float | None
    test_loss: float | None


class _Class(TypedDict):
    label: int
    name: str | None
    train: int
    validation: int
    test: int


class _Images(TypedDict):
    """The number of images of each split."""

    train: int
    validation: int
    test: int


class _Data(TypedDict):
    """A data set; `sha256` is that of all its arrays.

    `files` has the MD5 of the unpacked files of a published data set with known checksums, and
    `official` tells whether they are these; both are null for other data.
    """

    name: str
    image_shape: list[int]
    sha256: str
    files: dict[str, str] | None
    official: bool | None
    images: _Images
    classes: list[_Class]


class _Prediction(TypedDict):
    """The predictions for the images of one file; `accuracy` is that of its labels, if it has any."""

    trial: int
    file: str | None
    notice: str | None
    accuracy: float | None
    accuracy_sem: float | None
    images: list[_Image]


def _object(kind: Any, **more: Schema) -> Schema:  # noqa: ANN401  # a type
    """The schema of an object with all fields of a type, and more properties."""
    schema = TypeAdapter(kind).json_schema(mode="serialization")
    for one in [schema, *schema.get("$defs", {}).values()]:
        if "properties" in one:
            one["additionalProperties"] = False
            one["required"] = list(one["properties"])
    for name, extra in more.items():
        schema.setdefault("$defs", {}).update(extra.pop("$defs", {}))
        schema["properties"][name] = extra
        schema["required"].append(name)
    return schema


def _list(items: Schema) -> Schema:
    definitions = items.pop("$defs", {})
    return {"type": "array", "items": items} | ({"$defs": definitions} if definitions else {})


def _optional(schema: Schema) -> Schema:
    definitions = schema.pop("$defs", {})
    return {"anyOf": [schema, {"type": "null"}]} | ({"$defs": definitions} if definitions else {})


def _comparison() -> Schema:
    studies = _object(
        StudyStatus,
        smallest=_optional(_object(TrialRecord)),
        joint_front=_optional({"type": "integer"}),
    )
    front = _object(TrialRecord, study={"type": "string"})
    properties = {
        "studies": _list(studies),
        "accuracy": _optional({"type": "number"}),
        "front": _list(front),
        "differences": _list({"type": "string"}),
    }
    definitions: Schema = {}
    for one in properties.values():
        definitions |= one.pop("$defs", {})
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
        "$defs": definitions,
    }


def _curve_row(*keys: str, values: int) -> Schema:
    """The keys of a row, with as many values under the names of a metric."""
    return {
        "type": "object",
        "properties": {key: {"type": "integer"} for key in keys},
        "required": list(keys),
        "minProperties": len(keys) + values,
        "maxProperties": len(keys) + values,
        "additionalProperties": {"type": ["number", "null"]},
    }


def _agreements() -> Schema:
    return {"type": "object", "additionalProperties": {"type": ["boolean", "null"]}}


def _schemas() -> dict[str, Schema]:
    trials = _list(_object(TrialRecord))
    curve = _list(_object(_CurvePoint))
    return {
        "list": _list(_object(StudyStatus)),
        "list --address": _list(_object(StudyJob)),
        "status": _object(StudyStatus),
        "status --address": _object(StudyJob, last={"type": "string"}),
        "compare": _comparison(),
        "trials": trials,
        "trials --curves": _list(_curve_row("trial", "epoch", values=2)),  # with standard errors
        "trials --curves --seeds": _list(_curve_row("trial", "seed", "epoch", values=1)),
        "trials --seeds": _list(_object(_Seed)),
        "pareto": trials,
        "best": trials,
        "show": _object(TrialRecord, kept={"type": "boolean"}, curve=curve),
        "predict": _list(_object(_Prediction)),
        "retrain": _object(Retrained, agrees=_agreements()),
        "data": _object(_Data),
    }


COMMANDS: Final = tuple(_schemas())
"""The commands with `--json`."""


def schema_of(command: str) -> Schema:
    """The schema of the JSON of a command. Raises BadInputError for a command without JSON."""
    if command not in COMMANDS:
        raise BadInputError(
            f"unknown command with --json {command!r}; {nearest(command, COMMANDS)}"
        )
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | _schemas()[command]
