"""A trial's run as a store has it, whichever way it was read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

from study.tracking.tags import CONFIG_TAG, NOTICE_TAG, NUMBER_TAG, REASON_TAG, ROLE_TAG, STATE_TAG

TAGS: Final = (
    ROLE_TAG,
    NUMBER_TAG,
    STATE_TAG,
    CONFIG_TAG,
    REASON_TAG,
    NOTICE_TAG,
)
"""The tags that a record is made of."""

METRICS: Final = (
    "trainable_parameters",
    "macs",
    "val_accuracy",
    "val_accuracy_sem",
    "val_loss",
    "val_loss_sem",
    "test_accuracy",
    "test_accuracy_sem",
    "test_loss",
    "test_loss_sem",
    "epochs",
    "seconds",
)
"""The metrics that a record is made of; a run has as many again, such as its curves."""


@final
@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run with its tags and metrics, at least those above; `started` in milliseconds since 1970."""

    run_id: str
    started: int
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
