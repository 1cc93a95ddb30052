"""The unsent changes of one MLflow run, in batches that MLflow takes in a request."""

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
class PendingBatch:
    """The unsent changes of one run. Timestamps are milliseconds since 1970.

    `create`: start, name and tags of a run to be created. `steps`: the metrics of each step, sent in one
    request, so that a step is recorded completely or not at all. `status`: MLflow's status and its time,
    None for now. `network`: a folder to store. `curves`: the text of an artifact
    (`study.tracking.seed_curves`). `discard`: the folder of a trial to delete at the end, all but its
    checkpoint with `keep_checkpoint`. `one_by_one`: each step is sent alone, since one was refused.
    `newest`: the arguments of the last `add`. `result`: those of an `add` after all others
    (`study.tracking.trial_result`).
    """

    create: tuple[int, str, dict[str, str]] | None = None
    steps: list[list[Metric]] = field(default_factory=list)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    network: Path | None = None
    curves: str | None = None
    status: tuple[str, int | None] | None = None
    discard: Path | None = None
    keep_checkpoint: bool = False
    one_by_one: bool = False
    newest: tuple[int, int, dict[str, float]] | None = None
    result: tuple[int, int, dict[str, float]] | None = None

    def add(self, step: int, timestamp: int, metrics: Mapping[str, float]) -> None:
        """Adds the metrics of a step."""
        if metrics:
            self.steps.append([Metric(key, metrics[key], timestamp, step) for key in metrics])

    def batches(self) -> Iterator[Batch]:
        """Yields the remaining changes as arguments of `log_batch`; `sent` removes each batch."""
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
        """Removes a sent batch."""
        left = len(batch[0])
        while left:
            left -= len(self.steps.pop(0))
        if batch[1] or batch[2]:
            self.params, self.tags = {}, {}

    def refuse(self) -> dict[str, Any] | None:
        """Removes the refused part and returns it as JSON types; returns None if all was refused.

        The first call removes nothing, but then each step is sent alone, to find the refused one.
        """
        if self.network is not None:
            refused: dict[str, Any] = {"network": str(self.network)}
            self.network = self.discard = None
            return refused
        if self.curves is not None:
            refused, self.curves = {"curves": self.curves}, None
            return refused
        if not self.steps:
            return None
        if not self.one_by_one:
            self.one_by_one = True
            return {}
        return {"step": [dict(metric) for metric in self.steps.pop(0)]}

    def to_dict(self) -> dict[str, Any]:
        """The unsent changes as JSON types."""
        table = asdict(self) | {"network": str(self.network), "discard": str(self.discard)}
        table["steps"] = [[dict(metric) for metric in step] for step in self.steps]
        return table
