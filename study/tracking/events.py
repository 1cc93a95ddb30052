"""The events of a study, written by its driver and read by its sender: each a type and a JSON line."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated, Final, Literal, TypeAlias, get_args

from pydantic import Field, TypeAdapter

from study.search.trial import TrialConfig

EndState: TypeAlias = Literal["COMPLETE", "PRUNED", "FAIL", "INTERRUPTED"]


def now() -> int:
    """The time in milliseconds since 1970, MLflow's unit."""
    return int(time.time() * 1000)


Number: TypeAlias = Annotated[int, Field(ge=0)]
"""The number of a trial."""


# Without slots: `vars`, which needs none, makes a line within microseconds.
@dataclass(frozen=True, kw_only=True)
class _Event:
    """An event; timestamps are milliseconds since 1970, as in MLflow."""

    def to_json(self) -> str:
        """The event as one line, without a line break."""
        return json.dumps([type(self).__name__, vars(self)], separators=(",", ":"), default=asdict)


@dataclass(frozen=True, kw_only=True)
class StudyBegun(_Event):
    """A driver starts or resumes the study; `tags` are further tags of the parent run."""

    timestamp: int = field(default_factory=now)
    tags: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class TrialBegun(_Event):
    """A trial starts or resumes."""

    trial: TrialConfig
    timestamp: int = field(default_factory=now)


@dataclass(frozen=True, kw_only=True)
class TrialReported(_Event):
    """The metrics of a trial after an epoch, 0 before the first, with the worker and the engine."""

    number: Number
    timestamp: int = field(default_factory=now)
    epoch: int
    metrics: Mapping[str, float]
    worker: str | None = None
    engine: str | None = None


@dataclass(frozen=True, kw_only=True)
class ReplicatesReported(_Event):
    """The metrics of the kept weights of a trial, with one value for each replicate."""

    number: Number
    metrics: Mapping[str, Sequence[float]]


@dataclass(frozen=True, kw_only=True)
class TrialNoticed(_Event):
    """A message about a trial that does not end it."""

    number: Number
    notice: str


@dataclass(frozen=True, kw_only=True)
class TrialEnded(_Event):
    """A trial ended or was interrupted; after an interruption its folder is kept.

    `keep_network`: whether its network is stored, `keep_checkpoint`: whether its checkpoint stays.
    `curves`: the learning curves of its replicates, the text of a file (`study.tracking.seed_curves`).
    """

    number: Number
    timestamp: int = field(default_factory=now)
    state: EndState
    reason: str | None = None
    keep_network: bool = False
    keep_checkpoint: bool = False
    curves: str | None = None


@dataclass(frozen=True, kw_only=True)
class TrialConfirmed(_Event):
    """The metrics of the confirmation of a trial (`study.search.pooling.CONFIRMED_NAMES`)."""

    number: Number
    timestamp: int = field(default_factory=now)
    metrics: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class FrontChanged(_Event):
    """Trials joined (true) or left (false) the front."""

    changes: Mapping[Number, bool]


@dataclass(frozen=True, kw_only=True)
class StudyReported(_Event):
    """Metrics of the whole study; the step is the number of trials that ended."""

    step: int
    timestamp: int = field(default_factory=now)
    metrics: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class StudyEnded(_Event):
    """The driver ends; `status` is MLflow's status of the parent run."""

    timestamp: int = field(default_factory=now)
    status: str


Event: TypeAlias = (
    StudyBegun
    | TrialBegun
    | TrialReported
    | ReplicatesReported
    | TrialNoticed
    | TrialEnded
    | TrialConfirmed
    | FrontChanged
    | StudyReported
    | StudyEnded
)

_READERS: Final[Mapping[str, TypeAdapter[Event]]] = {
    kind.__name__: TypeAdapter(kind) for kind in get_args(Event)
}


def from_json(line: str) -> Event:
    """Parses a line of `to_json`. Raises ValueError for other lines."""
    try:
        match json.loads(line):
            case [str(name), dict(fields)] if name in _READERS:
                return _READERS[name].validate_python(fields)
    except RecursionError as error:
        raise ValueError("a line must not be nested so deeply") from error
    raise ValueError("a line must hold the name of an event and its fields")
