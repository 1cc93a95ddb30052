"""A claim as a sentence."""

from collections.abc import Mapping, Sequence

from paper.claim_result import shown
from paper.claims import (
    Accuracy,
    AccuracyUnder,
    Claim,
    Comparing,
    Controls,
    Difference,
    FewerParameters,
    LossRatio,
    Parameters,
    Rivalry,
    Setting,
    SizeTrend,
)
from paper.measurements import where_words


def unit_of(metric: str) -> str:
    """The unit of the difference of two values of a metric."""
    known = {"test_accuracy": "accuracy", "val_accuracy": "accuracy"}
    known |= {"test_loss": "loss", "val_loss": "loss"}
    return f"{known.get(metric, metric)} difference"


def statement(claim: Claim, control: str | None = None) -> str:
    """The sentence of a claim; `control` is the one of several that is compared."""
    match claim:
        case Accuracy():
            text = (
                f"The best {claim.family} has a test accuracy of {shown(claim.published, 'accuracy')}, "
                f"give or take {100 * claim.tolerance:g} points"
            )
        case LossRatio():
            text = (
                f"The test loss of the best {_family(claim)} is at most {claim.at_most:g} times that "
                f"of the best {_reference(claim)}"
            )
        case Difference():
            text = _difference(claim)
        case FewerParameters():
            text = _fewer(claim)
        case SizeTrend():
            verb = "rises" if claim.direction == "rises" else "does not rise"
            text = f"The {_name(claim.metric)} of larger {claim.family} networks {verb} with their size"
        case Parameters():
            text = (
                f"{_any(claim.families)} of at most {claim.at_most:,} parameters reaches a test "
                f"accuracy of {shown(claim.target_accuracy, 'accuracy')}"
            )
        case AccuracyUnder():
            text = (
                f"The best {_best(claim.families)} of at most {claim.max_parameters:,} parameters "
                f"has a test accuracy of at least {shown(claim.at_least, 'accuracy')}"
            )
        case Controls():
            text = _controls(claim, control or " or ".join(claim.controls))
    alike = not isinstance(claim, Comparing) or claim.where_reference == claim.where
    return text + where_words(claim.where) if alike else text


def _name(metric: str) -> str:
    return metric.replace("_", " ")


def _any(families: Sequence[str]) -> str:
    return f"A {' or '.join(families)}" if families else "A network"


def _best(families: Sequence[str]) -> str:
    return " or ".join(families) or "network"


def _family(claim: Rivalry) -> str:
    return claim.family + _own_settings(claim, claim.where)


def _reference(claim: Rivalry) -> str:
    return claim.reference + _own_settings(claim, claim.where_reference)


def _own_settings(claim: Comparing, where: Mapping[str, Setting]) -> str:
    """The settings of one side; nothing where both have the same, which the end of the sentence says."""
    return "" if claim.where_reference == claim.where else where_words(where)


def _difference(claim: Difference) -> str:
    unit = unit_of(claim.metric)
    bound = (
        f"at most {shown(claim.at_most, unit)}"
        if claim.at_least is None and claim.at_most is not None
        else f"at least {shown(claim.at_least or 0.0, unit)}"
    )
    return (
        f"The {_name(claim.metric)} of the best {_family(claim)} minus that of the best "
        f"{_reference(claim)} is {bound}"
    )


def _fewer(claim: FewerParameters) -> str:
    times = "fewer" if claim.at_least == 1 else f"at least {claim.at_least:g} times fewer"
    published = "" if claim.published is None else f" (published: {claim.published:g} times fewer)"
    return (
        f"{_family(claim)} reaches the best {claim.metric} of {_reference(claim)} with {times} "
        f"parameters{published}"
    )


def _controls(claim: Controls, control: str) -> str:
    margin = "" if claim.at_least == 0 else f"{shown(claim.at_least, 'accuracy difference')} "
    size = (
        "that is no larger"
        if claim.max_parameters is None
        else f"with at most {claim.max_parameters:,} parameters"
    )
    ours = _best(claim.families) + _own_settings(claim, claim.where)
    theirs = control + _own_settings(claim, claim.where_reference)
    return f"The best {ours} is {margin}more accurate than the best {theirs} {size}"
