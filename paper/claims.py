"""The claims of the replication, fixed in claims.toml before the first network is tested.

A claim names its family (`group`), within which Holm's method corrects the p of all claims; the
networks (roles) that it compares; a test, with a tolerance; and what its power assumes.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from paper.choices import Role
from study import BadInputError

FILE: Final = Path(__file__).with_name("claims.toml")

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

    id: Annotated[str, Field(pattern=r"[a-z0-9-]+")]
    group: str
    source: str
    assumed: Assumed
    data: str = "fashion_mnist"
    configurations: Annotated[int, Field(ge=1)] = 1
    """The fewest that must have been searched for each role; with fewer the claim is "not searched"."""

    @property
    def roles(self) -> tuple[Role, ...]:
        """The networks that it is about, in the order of its fields."""
        values = [getattr(self, name) for name in type(self).model_fields]
        return tuple(one for one in values if isinstance(one, Role))


class Agreement(_Claim):
    """The mean test accuracy equals a published one within the tolerance (two one-sided tests)."""

    test: Literal["agreement"]
    network: Role
    published: Annotated[float, Field(gt=0, lt=1)]
    published_sd: Annotated[float, Field(ge=0)]
    tolerance: Annotated[float, Field(gt=0)]


class Comparison(_Claim):
    """A network beats another by more than `margin`; a negative margin is one of non-inferiority.

    For accuracies the difference, shares; for losses the reference divided by the network, minus 1.
    """

    test: Literal["better"]
    metric: Metric = "accuracy"
    network: Role
    reference: Role
    margin: float = 0.0


class Interaction(_Claim):
    """The lead in accuracy over another network grows from a condition to the next beyond `margin`."""

    test: Literal["interaction"]
    network: Role
    reference: Role
    network_before: Role
    reference_before: Role
    margin: float = 0.0


class SizeTrend(_Claim):
    """The test loss of the configurations of a family rises, or falls, with the parameters."""

    test: Literal["trend"]
    metric: Metric = "loss"
    networks: Role
    direction: Literal["rises", "falls"]


class Diagnostic(_Claim):
    """A diagnostic of validation images is larger than the reference's, over seeds."""

    test: Literal["diagnostic"]
    metric: str
    network: Role
    reference: Role
    margin: float = 0.0


Claim = Annotated[
    Agreement | Comparison | Interaction | SizeTrend | Diagnostic, Field(discriminator="test")
]


class Claims(BaseModel):
    """All claims; their ids differ, and no two test the same of the same networks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    claims: tuple[Claim, ...]

    @model_validator(mode="after")
    def _are_distinct(self) -> "Claims":
        ids = [one.id for one in self.claims]
        twice = sorted({one for one in ids if ids.count(one) > 1})
        if twice:
            raise ValueError(f"ids of claims must differ, got {', '.join(twice)} twice")
        said: dict[str, str] = {}
        for one in self.claims:
            about = {"id", "group", "source", "assumed", "tolerance", "margin", "direction"}
            key = one.model_dump_json(exclude=about)
            if key in said:
                raise ValueError(
                    f"claims must be of different things, got {said[key]} and {one.id}"
                )
            said[key] = one.id
        return self

    @classmethod
    def read(cls, file: Path = FILE) -> "Claims":
        """Reads the claims. Raises BadInputError for a file that is not valid."""
        try:
            tables = tomllib.loads(file.read_text(encoding="utf-8"))["claims"]
            return cls.model_validate(
                {"claims": [one for table in tables for one in expanded(table)]}
            )
        except (OSError, ValueError, LookupError) as error:  # ValidationError is a ValueError
            raise BadInputError(f"the claims {file} are not valid: {error}") from error

    @property
    def data(self) -> set[str]:
        """The data sets that claims are about."""
        return {one.data for one in self.claims}

    def roles(self, data: str) -> dict[str, list[Role]]:
        """The roles of the claims about a data set, each once, by study."""
        found: dict[str, list[Role]] = {}
        for claim in self.claims:
            for role in claim.roles if claim.data == data else ():
                own = found.setdefault(role.study, [])
                if role not in own:
                    own.append(role)
        return found


def expanded(table: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The claims of a table, one for each combination of the values of its key `each`.

    `each = { family = ["dann-r", "dann-lrf"] }` replaces `{family}` in every text, and a table with
    `by = "family"` by its value for the family, or its `else`. Raises KeyError for one that has neither.
    """
    table = dict(table)
    each: Mapping[str, Sequence[Any]] = table.pop("each", {})
    for values in product(*each.values()):
        filled = _filled(table, dict(zip(each, values, strict=True)))
        assert isinstance(filled, dict)  # noqa: S101  # as the table
        yield filled


def _filled(value: object, given: Mapping[str, Any]) -> object:
    if isinstance(value, str):
        for name, one in given.items():
            if value == f"{{{name}}}":
                return one
            value = value.replace(f"{{{name}}}", str(one))
        return value
    if isinstance(value, Mapping):
        if "by" in value and value["by"] in given:
            return value[key] if (key := str(given[value["by"]])) in value else value["else"]
        return {key: _filled(one, given) for key, one in value.items()}
    return [_filled(one, given) for one in value] if isinstance(value, list) else value
