"""What waits to be sent to one MLflow run, and how it is cut into requests."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias, final

from mlflow.entities import Metric, Param, RunTag

# MLflow's limit is 1,000 entities a request, of which 100 parameters and 100 tags.
_METRICS_A_REQUEST: Final = 800

Batch: TypeAlias = tuple[list[Metric], list[Param], list[RunTag]]


@final
@dataclass(slots=True)
class Unsent:
    """What waits for one run. Timestamps are milliseconds since 1970.

    `create` is the start, the name and the tags of a run to be made; `steps` the metrics of one step
    each, which are never sent apart, so that a step is recorded whole or not at all; `status` MLflow's
    and when it came to be, None for now; `network` a folder to store, `discard` one to delete at last;
    `one_by_one` sends each step alone, since one of them was refused; `newest` is the last step that was
    ever added, as the arguments of `add`.
    """

    create: tuple[int, str, dict[str, str]] | None = None
    steps: list[list[Metric]] = field(default_factory=list)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    network: Path | None = None
    status: tuple[str, int | None] | None = None
    discard: Path | None = None
    one_by_one: bool = False
    newest: tuple[int, int, dict[str, float]] | None = None

    def add(self, step: int, timestamp: int, metrics: Mapping[str, float]) -> None:
        """Adds the metrics of a step."""
        if metrics:
            found = [Metric(key, value, timestamp, step) for key, value in metrics.items()]
            self.steps.append(found)

    def batches(self) -> Iterator[Batch]:
        """What is left, as the arguments of `log_batch`; `sent` takes each off before the next."""
        while self.steps or self.params or self.tags:
            metrics: list[Metric] = []
            for step in self.steps:
                if metrics and (self.one_by_one or len(metrics) + len(step) > _METRICS_A_REQUEST):
                    break
                metrics += step
            alone = self.one_by_one and bool(metrics)
            params = [] if alone else [Param(key, value) for key, value in self.params.items()]
            tags = [] if alone else [RunTag(key, value) for key, value in self.tags.items()]
            yield metrics, params, tags

    def sent(self, batch: Batch) -> None:
        """A batch has been sent."""
        left = len(batch[0])
        while left:
            left -= len(self.steps.pop(0))
        if batch[1] or batch[2]:
            self.params, self.tags = {}, {}

    def refuse(self) -> dict[str, Any] | None:
        """Takes out what a request was refused for, as JSON types; None if all of it was.

        First nothing: the next request has one step alone, which shows whether that is the one.
        """
        if self.network is not None:
            refused: dict[str, Any] = {"network": str(self.network)}
            self.network = self.discard = None
            return refused
        if not self.steps:
            return None
        if not self.one_by_one:
            self.one_by_one = True
            return {}
        return {"step": [dict(metric) for metric in self.steps.pop(0)]}

    def to_dict(self) -> dict[str, Any]:
        """What is left, as JSON types."""
        table = asdict(self) | {"network": str(self.network), "discard": str(self.discard)}
        table["steps"] = [[dict(metric) for metric in step] for step in self.steps]
        return table
