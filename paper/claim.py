"""One claim of the replication: the networks (roles) that it compares, its test and tolerance.

A claim names its family (`group`), within which Holm's method corrects the p of all claims; and what its
power assumes.
"""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from paper.choices import Role

DATA: Final = "fashion_mnist"
"""The data set of claims that name no other."""

Metric = Literal["accuracy", "loss"]


class Assumed(BaseModel):
    """What the power of a claim assumes: shares, of losses relative ones, of diagnostics their unit.

    `effect` is the true difference, of losses the true ratio minus 1, of a trend Spearman's correlation.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    effect: float = 0.0
    seed_sd: Annotated[float, Field(ge=0)] = 0.0
    image_error: Annotated[float, Field(ge=0)] = 0.0


class _Claim(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    id: Annotated[str, Field(pattern=r"^[a-z0-9.-]+$")]
    label: str
    """What distinguishes it in its group."""

    group: str
    source: str
    assumed: Assumed
    data: str = DATA
    configurations: Annotated[int, Field(ge=1)] = 1
    """The fewest that must have been searched for each role; with fewer the claim is "not searched"."""

    @property
    def roles(self) -> tuple[Role, ...]:
        """The networks that it is about, in the order of its fields."""
        values = [getattr(self, name) for name in type(self).model_fields]
        return tuple(one for one in values if isinstance(one, Role))

    @property
    def in_points(self) -> bool:
        """Whether the result is a difference of accuracies, which is shown in points."""
        return False


class Agreement(_Claim):
    """The mean test accuracy equals a published one within the tolerance (two one-sided tests)."""

    test: Literal["agreement"]
    network: Role
    published: Annotated[float, Field(gt=0, lt=1)]
    published_sd: Annotated[float, Field(ge=0)]
    tolerance: Annotated[float, Field(gt=0)]

    @property
    def criterion(self) -> str:
        """The test in short."""
        return f"published value ± {100 * self.tolerance:g} points"

    @property
    def in_points(self) -> bool:
        return True


class Comparison(_Claim):
    """A network beats another by more than `margin`; a negative margin is one of non-inferiority.

    For accuracies the difference, shares; for losses the reference divided by the network, minus 1.
    """

    test: Literal["better"]
    metric: Metric = "accuracy"
    network: Role
    reference: Role
    margin: float = 0.0

    @property
    def criterion(self) -> str:
        """The test in short."""
        if self.metric == "loss":
            return f"ratio of losses above {1 + self.margin:g}"
        return f"difference above {100 * self.margin:g} points"

    @property
    def in_points(self) -> bool:
        return self.metric == "accuracy"


class Interaction(_Claim):
    """The lead in accuracy over another network grows from a condition to the next.

    It does not hold if the lead grows by less than `relevant`, a share.
    """

    test: Literal["interaction"]
    network: Role
    reference: Role
    network_before: Role
    reference_before: Role
    relevant: Annotated[float, Field(ge=0)] = 0.0

    @property
    def criterion(self) -> str:
        """The test in short."""
        return f"interaction above 0 points; against: below {100 * self.relevant:g}"

    @property
    def in_points(self) -> bool:
        return True


class SizeTrend(_Claim):
    """The test loss of the configurations of a family rises with the parameters."""

    test: Literal["trend"]
    networks: Role
    criterion: ClassVar[str] = "rank correlation of loss and size above 0"


class SizeSlope(_Claim):
    """The test loss of a family rises less with the parameters than the reference's.

    The slopes are those of the logarithm of the loss over that of the parameters, of all configurations.
    """

    test: Literal["slope"]
    network: Role
    reference: Role
    criterion: ClassVar[str] = "difference of slopes above 0"


class Overfitting(_Claim):
    """The reference overfits more than the network, in nats.

    Overfitting is the validation loss after the last epoch minus the training loss, the mean over the
    batches of that epoch, with changing weights (docs/diagnostics.md).
    """

    test: Literal["overfitting"]
    network: Role
    reference: Role
    criterion: ClassVar[str] = "difference above 0 nats"


class Diagnostic(_Claim):
    """A diagnostic of validation images is larger than the reference's, over seeds."""

    test: Literal["diagnostic"]
    metric: str
    network: Role
    reference: Role
    criterion: ClassVar[str] = "difference above 0"


Claim = Annotated[
    Agreement | Comparison | Interaction | SizeTrend | SizeSlope | Overfitting | Diagnostic,
    Field(discriminator="test"),
]
