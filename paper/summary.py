"""The summary of a stored study in paper/results, in a file small enough to commit.

All numbers of docs/results.md are from these files, so the page can be made anew without the store.
"""

import json
import math
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from mlflow import MlflowClient
from mlflow.entities import Run

import study
from paper.files import SPECS, Summary, claims_file
from paper.verdict import verdict

_SIZES: Final = ("dendrites", "somata", "synapses")
_METRICS: Final = tuple(
    f"{part}_{kind}{ending}"
    for part in ("val", "test")
    for kind in ("accuracy", "loss")
    for ending in ("", "_sem")
)


@final
@dataclass(frozen=True, slots=True)
class _Part:
    """A stored study, or one of several that a study was run as."""

    name: str
    spec: study.StudySpec
    status: study.StudyStatus
    run: Run
    trials: list[study.TrialRecord]

    @classmethod
    def read(cls, name: str, home: study.Home) -> "_Part":
        status = study.status(name, home=home)
        return cls(
            name=name,
            spec=study.study_spec(name, home=home),
            status=status,
            run=MlflowClient(home.tracking_uri).get_run(status.parent_run_id),
            trials=study.records(name, home=home),
        )


def summary(name: str, home: study.Home, note: str = "", parts: Sequence[str] = ()) -> Summary:
    """A stored study as JSON types: how and on what it was run, its trials, the results of its claims.

    `parts` are the studies that it was run as, if it was run as several, each with a part of its space;
    their trials name the study that they are of. Nothing in it is a path, or names the machine. Raises
    BadInputError if there is no such study.
    """
    studies = [_Part.read(part, home) for part in parts or [name]]
    everything = [one for part in studies for one in part.trials]
    varied = varied_settings(everything)
    fixed = {key: value for one in everything[:1] for key, value in _settings(one).items()}
    wanted = [_portable(part.spec) for part in studies]
    families = dict.fromkeys(family for one in wanted for family in one["families"])
    states = Counter[str]()
    for part in studies:
        states.update(part.status.states)
    content = {
        "name": name,
        "note": note,
        "commands": [command(part.spec, name) for part in studies],
        **_environment(studies[0].run),
        "spec": wanted[0] | {"name": name, "families": list(families)},
        "epochs": sorted({one["budget"]["epochs"] for one in wanted}),
        "replicates": sorted({one["replicates"] for one in wanted}),
        "states": dict(states),
        "hours": _hours(studies),
        "settings": {key: value for key, value in fixed.items() if key not in varied},
        "varied": varied,
        "trials": [],
        "retrained": [],
        "findings": _results(name, studies, home),
    }
    for part in studies:
        whose = {"study": part.name} if parts else {}
        content["trials"] += [whose | _row(one, varied) for one in part.trials]
        content["retrained"] += [
            whose | {"full": one.retraining.full, **_row(one.record, varied)}
            for one in study.retrainings(part.name, home=home)
        ]
    return content


def to_text(content: Summary) -> str:
    """JSON with one line for each trial, so that a change shows as the lines that it concerns."""
    parts = []
    for key, value in content.items():
        text = json.dumps(value, ensure_ascii=False)
        if isinstance(value, list) and value:
            rows = ",\n".join(f"  {json.dumps(row, ensure_ascii=False)}" for row in value)
            text = f"[\n{rows}\n ]"
        parts.append(f" {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def command(spec: study.StudySpec, name: str) -> str:
    """The command that runs a study of a spec file: and each key that the stored spec has otherwise."""
    file = SPECS / f"{name}.toml"
    if not file.exists():
        return f"study run {spec.name}.toml"
    wanted = _told(spec)
    wanted.pop("name")
    given = _told(study.StudySpec.from_toml(file))
    changes = [
        f"--set {shlex.quote(f'{key}={_toml(value)}')}"
        for key, value in wanted.items()
        if value is not None and value != given.get(key)
    ]
    renamed = [] if spec.name == name else [f"--name {spec.name}"]
    return " ".join([f"study run paper/specs/{file.name}", *renamed, *changes])


def _told(spec: study.StudySpec) -> dict[str, Any]:
    """Each key with its value; the objectives as one, for one that is not wanted has to go."""
    table = _portable(spec)
    objectives = table.pop("objectives")
    return {**_flat(table), "objectives": objectives}


def _toml(value: Any) -> str:  # noqa: ANN401  # any JSON type
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {json.dumps(one)}" for key, one in value.items()) + "}"
    return json.dumps(value)


def varied_settings(found: Iterable[study.TrialRecord]) -> list[str]:
    """The options and training settings that are not the same in all trials that have them."""
    values: dict[str, set[Any]] = {}
    for one in found:
        for key, value in _settings(one).items():
            if value is not None:
                values.setdefault(key, set()).add(value)
    return [key for key, seen in values.items() if len(seen) > 1]


def rounded(value: Any, digits: int = 5) -> Any:  # noqa: ANN401  # any JSON type
    """Every number that is not whole to `digits` significant digits; None for one that is not finite."""
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: rounded(one, digits) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(one, digits) for one in value]
    return value


def _row(record: study.TrialRecord, varied: Sequence[str]) -> dict[str, Any]:
    """The values that a trial has."""
    settings = _settings(record)
    row: dict[str, Any] = {
        "trial": record.trial,
        "state": record.state,
        "family": record.family,
        **{size: record.architecture[size] for size in _SIZES},
        **{key: settings.get(key) for key in varied},
        "replicates": record.replicates,
        "trainable_parameters": record.trainable_parameters,
        **{name: _short(name, getattr(record, name)) for name in _METRICS},
        "epochs": record.epochs,
        "seconds": None if record.seconds is None else round(record.seconds),
        "diagnostics": {name: _short(name, value) for name, value in record.diagnostics.items()}
        or None,
    }
    return {key: value for key, value in row.items() if value is not None}


def _short(name: str, value: float | None) -> float | None:
    """A metric as it is kept; a standard error needs fewer digits."""
    found: float | None = rounded(value, 3 if name.endswith("_sem") else 5)
    return found


def _settings(record: study.TrialRecord) -> dict[str, Any]:
    """All of an architecture but its family and sizes, and how it was trained."""
    known = {"family", *_SIZES}
    options = {key: value for key, value in record.architecture.items() if key not in known}
    return options | record.training


def _environment(run: Run) -> dict[str, Any]:
    """The versions and the machine that a study was run with."""
    found = json.loads(run.data.tags.get("study.environment", "{}"))
    machine = found.get("machine", {})
    return {
        "machine": {key: machine.get(key) for key in ("processor", "cores", "gpus")},
        "versions": found.get("versions", {}),
    }


def _portable(spec: study.StudySpec) -> dict[str, Any]:
    """The spec without where the data lies."""
    table = spec.to_dict()
    table["dataset"]["root"] = "data"
    path = table["dataset"]["path"]
    table["dataset"]["path"] = path and Path(path).name
    return table


def _flat(table: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in table.items():
        inner = isinstance(value, dict)
        found |= _flat(value, f"{before}{key}.") if inner else {f"{before}{key}": value}
    return found


def _hours(studies: Sequence[_Part]) -> dict[str, float | None]:
    """Of training, over all trials; and from start to end of each study, None while one runs."""
    wall: float | None = 0.0
    for part in studies:
        info = part.run.info
        ended = info.end_time is not None and wall is not None
        wall = wall + (info.end_time - info.start_time) / 3.6e6 if ended else None
    training = sum(one.seconds or 0.0 for part in studies for one in part.trials) / 3600
    return {"training": rounded(training, 3), "wall": rounded(wall, 3)}


def _results(name: str, studies: Sequence[_Part], home: study.Home) -> list[dict[str, Any]]:
    """The results of the claims beside the spec file of a study; none if there are no such claims."""
    spec = SPECS / f"{name}.toml"
    if not claims_file(spec).exists():
        return []
    found = verdict(*(part.name for part in studies), spec=spec, home=home)
    return [rounded(one.to_dict()) for one in found]
