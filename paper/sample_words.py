"""Whose networks a value is the mean of, in words."""

from models.architecture import Architecture
from paper.intervals import Sample
from paper.measurements import Evidence
from study.results.record import TrialRecord


def seeds_of(record: TrialRecord, sample: Sample, evidence: Evidence) -> str:
    """A trial, its network, and how many seeds speak for it."""
    label = Architecture(**record.architecture).label()
    seeds = "1 seed" if sample.seeds == 1 else f"{sample.seeds} seeds"
    whose = "of its retraining" if sample.retrained else "of the search"
    return f"{evidence.named(record)} ({label}), {seeds} {whose}"
