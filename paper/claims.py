"""Claims of a paper, held against what studies measure: the tables `[[claims]]`, by `kind`.

A claim is data; `paper.verdict` judges it. Accuracies are shares in 0..1, losses nats.
"""

import difflib
from collections.abc import Iterable
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from models import FAMILIES
from study import Space, is_metric, metric_names

Setting: TypeAlias = bool | int | float | str


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint: the known name nearest to the given one, if any is near, and all of them."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}known: {', '.join(names)}"


def _known_settings(where: dict[str, Setting]) -> dict[str, Setting]:
    for name, value in where.items():
        if name not in Space.model_fields:
            raise ValueError(f"unknown setting {name!r}; {nearest(name, Space.model_fields)}")
        try:
            Space.model_validate({name: value})
        except ValidationError as error:
            raise ValueError(f"{name}: {error.errors()[0]['msg']}") from error
    return where


def _known_metric(name: str) -> str:
    plain = name.removeprefix("test_")
    on_test = plain != name and (is_metric(plain) or is_metric(f"val_{plain}"))
    if not on_test and not is_metric(name):
        raise ValueError(f"unknown metric {name!r}; {nearest(name, metric_names())}")
    return name


def _known_family(family: str) -> str:
    if family not in FAMILIES:
        raise ValueError(f"unknown family {family!r}; {nearest(family, FAMILIES)}")
    return family


def _several(raw: object) -> object:
    return (raw,) if isinstance(raw, str) else raw


Where: TypeAlias = Annotated[dict[str, Setting], AfterValidator(_known_settings)]
Family: TypeAlias = Annotated[str, AfterValidator(_known_family)]
Families: TypeAlias = Annotated[tuple[Family, ...], BeforeValidator(_several)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Positive: TypeAlias = Annotated[float, Field(gt=0)]
NotNegative: TypeAlias = Annotated[float, Field(ge=0)]
Count: TypeAlias = Annotated[int, Field(ge=1)]
MetricName: TypeAlias = Annotated[str, AfterValidator(_known_metric)]


class _Claim(BaseModel):
    """The keys of every claim: where it was published, and settings that a trial must have."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    source: Annotated[str, Field(max_length=500)] | None = None
    where: Where = Field(default={})


class _Against(_Claim):
    """A claim that compares; `reference_where` is by default `where`."""

    reference_where: Where | None = None

    @property
    def where_reference(self) -> dict[str, Setting]:
        """The settings that a trial of the reference must have."""
        return self.where if self.reference_where is None else self.reference_where


class _Rivalry(_Against):
    """A claim about a family beside a reference."""

    family: Family
    reference: Family


class Accuracy(_Claim):
    """The best configuration of a family has the published test accuracy, within `tolerance`.

    `published_sd` is the standard deviation over `published_seeds` networks, divided by their number
    (ddof 0), as in the paper's tables.
    """

    kind: Literal["accuracy"]
    family: Family
    published: Share
    published_sd: NotNegative | None = None
    published_seeds: Annotated[int, Field(ge=2)] = 5
    tolerance: Share = 0.005


class LossRatio(_Rivalry):
    """The test loss of the most accurate configuration is at most `at_most` times the reference's."""

    kind: Literal["loss_ratio"]
    at_most: Positive
    published: Positive | None = None


class Difference(_Rivalry):
    """A metric of the most accurate configuration, minus the reference's, has a bound."""

    kind: Literal["difference"]
    metric: MetricName = "test_accuracy"
    at_least: float | None = None
    at_most: float | None = None
    published: float | None = None

    @model_validator(mode="after")
    def _one_bound(self) -> "Difference":
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError(
                "either `at_least` or `at_most` must be given, "
                f"got at_least={self.at_least}, at_most={self.at_most}"
            )
        return self


class FewerParameters(_Rivalry):
    """A family reaches the reference's best with at least `at_least` times fewer parameters.

    On test it may be worse by up to `tolerance`. `published`: how many times fewer were published.
    """

    kind: Literal["fewer_parameters"]
    metric: Literal["accuracy", "loss"] = "accuracy"
    at_least: Annotated[float, Field(ge=1)] = 1.0
    tolerance: NotNegative = 0.0
    published: Positive | None = None


class SizeTrend(_Claim):
    """A loss rises with size, among the larger half of a family's configurations, or does not.

    It rises where a tenfold size adds more than `tolerance`.
    """

    kind: Literal["size_trend"]
    family: Family
    direction: Literal["rises", "does not rise"]
    metric: MetricName = "test_loss"
    tolerance: NotNegative = 0.0
    published: float | None = None


class Parameters(_Claim):
    """A network of at most `at_most` parameters reaches a test accuracy; `families`: by default any."""

    kind: Literal["parameters"]
    families: Families = ()
    target_accuracy: Share
    at_most: Count
    published: Share | None = None


class AccuracyUnder(_Claim):
    """The best network of at most `max_parameters` has at least this test accuracy."""

    kind: Literal["accuracy_under"]
    families: Families = ()
    max_parameters: Count
    at_least: Share
    published: Share | None = None


class Controls(_Against):
    """Families are more accurate than each control, by at least `at_least`, at the same size.

    That is with `max_parameters`, by default as many as the best of the families has.
    """

    kind: Literal["controls"]
    families: Annotated[Families, Field(min_length=1)]
    controls: Annotated[Families, Field(min_length=1)]
    max_parameters: Count | None = None
    at_least: float = 0.0
    published: float | None = None


Rivalry: TypeAlias = LossRatio | Difference | FewerParameters
"""A claim about a family beside a reference."""

Comparing: TypeAlias = Rivalry | Controls
"""A claim with a reference or controls."""

Claim: TypeAlias = Annotated[
    Accuracy
    | LossRatio
    | Difference
    | FewerParameters
    | SizeTrend
    | Parameters
    | AccuracyUnder
    | Controls,
    Field(discriminator="kind"),
]

KINDS: Final[dict[str, type[BaseModel]]] = {
    "accuracy": Accuracy,
    "loss_ratio": LossRatio,
    "difference": Difference,
    "fewer_parameters": FewerParameters,
    "size_trend": SizeTrend,
    "parameters": Parameters,
    "accuracy_under": AccuracyUnder,
    "controls": Controls,
}
"""The class of each kind of claim."""
