"""The claims of the replication, fixed in claims.toml before the first network is tested.

The file has the groups of claims, too, and the published values.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from paper.choices import Role
from paper.claim import DATA, Claim, Comparison
from study import BadInputError

FILE: Final = Path(__file__).with_name("claims.toml")


class Group(BaseModel):
    """What the claims of a group say of a network, and whether the page begins with it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    says: str
    headline: bool = False


class PublishedNetwork(BaseModel):
    """A published mean and standard deviation over seeds, of test accuracy and loss."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    accuracy: tuple[float, float]
    loss: tuple[float, float]


class Claims(BaseModel):
    """All claims; their ids differ, and no two test the same of the same networks.

    `groups` has what each group says; `published` the values of the paper, by table, data set, family.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    claims: tuple[Claim, ...]
    groups: dict[str, Group] = Field(default={})
    published: dict[str, dict[str, dict[str, PublishedNetwork]]] = Field(default={})

    @model_validator(mode="after")
    def _are_distinct(self) -> "Claims":
        unknown = sorted({one.group for one in self.claims}.difference(self.groups))
        if unknown:
            raise ValueError(f"each group of claims must be in [groups], got {unknown[0]!r}")
        ids = [one.id for one in self.claims]
        twice = sorted({one for one in ids if ids.count(one) > 1})
        if twice:
            raise ValueError(f"ids of claims must differ, got {', '.join(twice)} twice")
        said: dict[str, str] = {}
        for one in self.claims:
            about = {"id", "label", "group", "source", "assumed", "tolerance", "margin", "relevant"}
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
            tables = tomllib.loads(file.read_text(encoding="utf-8"))
            published = tables.get("published", {})
            claims = [
                _with_published(one, published)
                for table in tables["claims"]
                for one in expanded(table)
            ]
            return cls.model_validate({**tables, "claims": claims})
        except (OSError, ValueError, LookupError) as error:  # ValidationError is a ValueError
            raise BadInputError(f"the claims {file} are not valid: {error}") from error

    @property
    def data(self) -> set[str]:
        """The data sets that claims are about."""
        return {one.data for one in self.claims}

    def of_losses(self, data: str) -> set[str]:
        """The studies of which claims about a data set compare losses image by image."""
        own = (one for one in self.claims if one.data == data)
        return {
            role.study
            for one in own
            if isinstance(one, Comparison) and one.metric == "loss"
            for role in one.roles
        }

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

    The label of a claim is by default the values. `each = { family = ["dann-r", "dann-lrf"] }` replaces
    `{family}` in every text, and a table with `by = "family"` by its value for the family, or its
    `else`. Raises KeyError for one that has neither.
    """
    table = dict(table)
    each: Mapping[str, Sequence[Any]] = table.pop("each", {})
    for values in product(*each.values()):
        filled = _filled(table, dict(zip(each, values, strict=True)))
        assert isinstance(filled, dict)  # noqa: S101  # as the table
        yield {"label": " ".join(map(str, values))} | filled


def _with_published(table: dict[str, Any], published: Mapping[str, Any]) -> dict[str, Any]:
    """A claim with the published accuracy of its network, where it names a table of the paper."""
    name = table.get("published")
    if not isinstance(name, str):
        return table
    mean, sd = published[name][table.get("data", DATA)][table["network"]["family"]]["accuracy"]
    return table | {"published": mean, "published_sd": sd}


def _filled(value: object, given: Mapping[str, Any]) -> object:
    if isinstance(value, str):
        for name, one in given.items():
            if value == f"{{{name}}}":
                return one
            value = value.replace(f"{{{name}}}", str(one))
        return value
    if isinstance(value, Mapping):
        if "by" in value and value["by"] in given:
            key = str(given[value["by"]])
            return _filled(value[key] if key in value else value["else"], given)
        return {key: _filled(one, given) for key, one in value.items()}
    return [_filled(one, given) for one in value] if isinstance(value, list) else value
