"""What paper/results keeps of a stored study, in a file small enough to commit.

All numbers of docs/results.md are from these files, so the page can be made anew without the store.
"""

import json
import math
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from machine import describe

import study
from paper.files import SPECS, Summary
from study.home import Home
from study.results.answers import records as records_of
from study.results.reader import read_study
from study.results.record import TrialRecord
from study.results.retrained_run import (
    RETRAINING_TAG,
    ROLE,
    TRIAL_TAG,
    Retrained,
    Retraining,
    retrained,
)
from study.results.stored_study import StoredStudy
from study.tracking.store import all_runs, client, translated
from study.tracking.tags import ENVIRONMENT_TAG, ROLE_TAG

_SIZES: Final = ("dendrites", "somata", "synapses")
_METRICS: Final = tuple(
    f"{part}_{kind}{ending}"
    for part in ("val", "test")
    for kind in ("accuracy", "loss")
    for ending in ("", "_sem")
)


def summary(name: str, home: Home, note: str = "", parts: Sequence[str] = ()) -> Summary:
    """A stored study as JSON types: how it was run, on what, its trials, and what of its claims holds.

    `parts` are the studies that it was run as, if it was run as several, each with a part of its space;
    their trials name the study that they are of. Nothing in it is a path, or names the machine. Raises
    NotFoundError if there is no such study.
    """
    studies = {part: read_study(part, home) for part in parts or [name]}
    found = {part: records_of(part, home) for part in studies}
    everything = [one for records in found.values() for one in records]
    varied = varied_settings(everything)
    fixed = {key: value for one in everything[:1] for key, value in _settings(one).items()}
    first = next(iter(studies.values()))
    wanted = [_portable(stored.spec) for stored in studies.values()]
    families = dict.fromkeys(family for one in wanted for family in one["families"])
    states = Counter[str]()
    for stored in studies.values():
        states.update(stored.tally().states)
    content = {
        "name": name,
        "note": note,
        "commands": [command(stored.spec, name) for stored in studies.values()],
        **_environment(first),
        "spec": wanted[0] | {"name": name, "families": list(families)},
        "epochs": sorted({one["budget"]["epochs"] for one in wanted}),
        "replicates": sorted({one["replicates"] for one in wanted}),
        "states": dict(states),
        "hours": _hours([(stored, found[part]) for part, stored in studies.items()]),
        "settings": {key: value for key, value in fixed.items() if key not in varied},
        "varied": varied,
        "trials": [],
        "retrained": [],
        "findings": _findings(name, list(studies.values())),
    }
    for part, stored in studies.items():
        whose = {"study": part} if parts else {}
        content["trials"] += [whose | _row(one, varied) for one in found[part]]
        content["retrained"] += [
            whose | {"full": one.wanted.full, **_row(one.record, varied)}
            for one in _retrained(stored, found[part])
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


def varied_settings(found: Iterable[TrialRecord]) -> list[str]:
    """The options and training settings that are not the same in all trials that have them."""
    values: dict[str, set[Any]] = {}
    for one in found:
        for key, value in _settings(one).items():
            if value is not None:
                values.setdefault(key, set()).add(value)
    return [key for key, seen in values.items() if len(seen) > 1]


def rounded(value: Any, digits: int = 5) -> Any:  # noqa: ANN401  # any JSON type
    """Every number that is not whole with so many significant digits; what is not finite is None."""
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: rounded(one, digits) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(one, digits) for one in value]
    return value


def _row(record: TrialRecord, varied: Sequence[str]) -> dict[str, Any]:
    """What is there of a trial; what it does not have is left out."""
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


def _settings(record: TrialRecord) -> dict[str, Any]:
    """All of an architecture but its family and sizes, and how it was trained."""
    known = {"family", *_SIZES}
    options = {key: value for key, value in record.architecture.items() if key not in known}
    return options | record.training


def _environment(stored: StoredStudy) -> dict[str, Any]:
    """The versions and the machine of the run, of this one where the study does not say."""
    try:
        found = json.loads(stored.parent.data.tags[ENVIRONMENT_TAG])
        machine = {key: found["machine"][key] for key in ("processor", "cores", "gpus")}
        return {"machine": machine, "versions": found["versions"]}
    except (KeyError, json.JSONDecodeError):
        here = describe()
        machine = {key: here[key] for key in ("processor", "cores")} | {"gpus": []}
        return {"machine": machine, "versions": {"python": here["python"]} | here["versions"]}


def _portable(spec: study.StudySpec) -> dict[str, Any]:
    """The spec without where the data lies; its claims are told by the findings."""
    table = spec.to_dict()
    table.pop("claims", None)
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


def _hours(
    studies: Sequence[tuple[StoredStudy, Sequence[TrialRecord]]],
) -> dict[str, float | None]:
    """Of training, over all trials; and from start to end of each study, None while one runs."""
    wall: float | None = 0.0
    for stored, _ in studies:
        info = stored.parent.info
        ended = info.end_time is not None and wall is not None
        wall = wall + (info.end_time - info.start_time) / 3.6e6 if ended else None
    training = sum(one.seconds or 0.0 for _, found in studies for one in found) / 3600
    return {"training": rounded(training, 3), "wall": rounded(wall, 3)}


def _findings(name: str, studies: Sequence[StoredStudy]) -> list[dict[str, Any]]:
    """What came out of the claims of the spec file, or of the stored spec where there is no file."""
    file = SPECS / f"{name}.toml"
    first, *_ = studies
    spec = study.StudySpec.from_toml(file) if file.exists() else first.spec
    if not spec.claims:
        return []
    names = [stored.spec.name for stored in studies]
    found = study.verdict(*names, spec=spec, home=first.home)
    return [rounded(one.to_dict()) for one in found]


def _retrained(stored: StoredStudy, found: Sequence[TrialRecord]) -> list[Retrained]:
    trials = {one.trial: one for one in found}
    with translated(stored.home):
        runs = all_runs(client(stored.home), stored.parent.info.experiment_id)
    confirmed = []
    for run in runs:
        tags = run.data.tags
        if tags.get(ROLE_TAG) == ROLE and str(run.info.status) == "FINISHED":
            wanted = Retraining(**json.loads(tags[RETRAINING_TAG]))
            confirmed.append(retrained(run, wanted, trials[int(tags[TRIAL_TAG])], new=False))
    return sorted(confirmed, key=lambda one: one.wanted.trial)
