"""What came out of one claim."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias, final

Verdict: TypeAlias = Literal["holds", "does not", "undecided"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A claim and what a study says to it; what there is none of is None.

    `ours` is what was measured, in `unit`, and `low` and `high` bound its 95 % interval; `published` is
    in the same unit. Units: `accuracy` (a share), `ratio`, `loss per decade`, and differences such as
    `accuracy difference`, `loss difference` or, of another metric, its name and `difference`. `seeds`
    counts the networks behind it (of a trend the fewest of any configuration). Trials are those
    that were chosen on validation, each of its study; parameters are of one replicate. `reason` says
    why, in words.
    """

    statement: str
    source: str | None = None
    kind: str
    family: str | None = None
    reference: str | None = None
    published: float | None = None
    published_sd: float | None = None
    ours: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str
    seeds: int | None = None
    study: str | None = None
    trial: int | None = None
    reference_study: str | None = None
    reference_trial: int | None = None
    trainable_parameters: int | None = None
    reference_parameters: int | None = None
    verdict: Verdict = "undecided"
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The finding as JSON types."""
        return asdict(self)


def shown(value: float, unit: str) -> str:
    """A value as people write it: accuracies in percent, their differences in points."""
    if unit == "accuracy":
        return f"{100 * value:.2f} %"
    if unit == "accuracy difference":
        return f"{100 * value:+.2f} points"
    if unit == "ratio":
        return f"{value:.3f}"
    return f"{value:.4f}" if unit == "loss" else f"{value:+.4f}"
