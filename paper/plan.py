"""The studies of the replication, made from plan.toml for each data set."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models import FAMILIES
from paper.factorial import cells_of
from study import BadInputError, StudySpec, TrialRecord

FILE: Final = Path(__file__).with_name("plan.toml")

RACE_SEED: Final = 1000
"""The first seed of a race, beyond those of every search; it draws another validation split, too."""

RACE_REPLICATES: Final = 3

_FIELDS: Final = ("local", "grouped")


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataPlan(_Table):
    """What a data set changes; plan.toml states the meaning of its keys."""

    epochs: Annotated[int, Field(ge=1)]
    fields: dict[str, Any] = Field(default={})
    dense: Annotated[int, Field(ge=1)] = 2_700_000
    images: Annotated[int, Field(ge=1)] = 54_000
    shape: tuple[int, int, int] = (1, 28, 28)
    classes: Annotated[int, Field(ge=2)] = 10


class StudyPlan(_Table):
    """A table `[[studies]]`; plan.toml states the meaning of its keys."""

    name: str
    shows: tuple[str, ...]
    data: tuple[str, ...]
    families: tuple[str, ...]
    space: dict[str, Any]
    spec: dict[str, Any] = Field(default={})
    epochs: tuple[int, ...] = ()
    bounds: tuple[int, ...] = ()
    each: bool = False
    cells: tuple[dict[str, Any], ...] = ()
    as_macs_of: str | None = None
    race: Annotated[int, Field(ge=0)]
    seeds: Annotated[int, Field(ge=2, le=100)]
    others: Annotated[int, Field(ge=0, le=100)] = 0

    def of_search(self, table: dict[str, Any]) -> dict[str, Any]:
        """The spec of the search: of one epoch if nothing is chosen by what it measures."""
        if self.race or not self.others:
            return table
        return _merged(table, {"budget": {"epochs": 1}})


class Plan(_Table):
    """All studies, the protocol that they share, and the data sets."""

    protocol: dict[str, Any]
    data: dict[str, DataPlan]
    studies: tuple[StudyPlan, ...]

    @classmethod
    def read(cls, file: Path = FILE) -> "Plan":
        """Reads a plan. Raises BadInputError for one that is not valid."""
        try:
            return cls.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError) as error:
            raise BadInputError(f"the plan {file} is not valid: {error}") from error

    def planned(self, data: str, root: str = "data") -> list["PlannedStudy"]:
        """The studies of a data set in the order of the plan.

        Raises BadInputError for a data set that no study has, SpecError for a spec that is not valid.
        """
        if data not in self.data:
            raise BadInputError(f"unknown data set {data!r}; known: {', '.join(self.data)}")
        return [
            PlannedStudy(
                plan=one,
                data=data,
                spec=StudySpec.from_dict(one.of_search(table)),
                epochs=table["budget"]["epochs"],
                images=self.data[data].images,
                shape=self.data[data].shape,
                classes=self.data[data].classes,
            )
            for one in self.studies
            if data in one.data
            for table in self._tables(one, data, root)
        ]

    def _tables(self, one: StudyPlan, data: str, root: str) -> Iterator[dict[str, Any]]:
        place = self.data[data]
        shared = _merged(self.protocol, {"space": one.space}, one.spec)
        if "constraints" in shared:
            shared["constraints"] = [
                text.format(dense=place.dense) for text in shared["constraints"]
            ]
        families = [[family] for family in one.families] if one.each else [list(one.families)]
        for bound in one.bounds or (None,):
            for group in families:
                for epochs in one.epochs or (None,):
                    own: dict[str, Any] = {
                        "name": _name(one, data, bound, group, epochs),
                        "families": group,
                        "dataset": {"name": data, "root": root, "withhold_test": True},
                        "budget": {"epochs": epochs or _epochs(shared, place)},
                    }
                    if all(FAMILIES[family].synapses in _FIELDS for family in group):
                        own["space"] = place.fields
                    if one.cells:
                        own = _merged(own, self._cells(one, data, bound))
                    elif bound is not None:
                        own["constraints"] = [
                            f"trainable_parameters <= {bound}",
                            f"trainable_parameters >= {4 * bound // 5}",
                        ]
                    yield _merged(shared, own)

    def _cells(self, one: StudyPlan, data: str, bound: int | None) -> dict[str, Any]:
        """The keys of a study of the cells of a factorial, networks of one size."""
        if bound is None:
            raise BadInputError(f"a study with cells must have bounds, got none (study {one.name})")
        place = self.data[data]
        start = cells_of(one.cells, bound, place.shape, place.classes, one.as_macs_of)
        return {"start": start, "sampler": "random", "budget": {"trials": len(start)}}


class PlannedStudy(_Table):
    """A study of the plan for one data set.

    `spec` is that of its search, whose test images are withheld; `epochs` are those of tested networks.
    """

    plan: StudyPlan
    data: str
    spec: StudySpec
    epochs: int
    images: int
    shape: tuple[int, int, int]
    classes: int

    @property
    def name(self) -> str:
        """The name of the search."""
        return self.spec.name

    @property
    def key(self) -> str:
        """The name without the data set, by which claims name the study."""
        return self.name.removesuffix(f"-{self.data}")

    @property
    def race_name(self) -> str:
        """The name of the race."""
        return f"{self.name}-race"

    @property
    def tested_name(self) -> str:
        """The study whose retrainings are of the chosen networks: the race, without one the search."""
        return self.race_name if self.plan.race else self.name

    @property
    def varied(self) -> list[str]:
        """The settings of the space, by which trials of search and race are the same."""
        return list(type(self.spec.space).model_fields)

    def race(self, candidates: Sequence[TrialRecord]) -> StudySpec:
        """The spec of the race of these trials of the search: fresh seeds, test images withheld."""
        table = self.spec.to_dict()
        table |= {
            "name": self.race_name,
            "seed": RACE_SEED,
            "replicates": RACE_REPLICATES,
            "sampler": "random",
            "start": [self._start(one) for one in candidates],
        }
        table["budget"] |= {"trials": len(candidates)}
        return StudySpec.from_dict(table)

    def _start(self, record: TrialRecord) -> dict[str, Any]:
        """The configuration of a trial, as the key `start` of a spec."""
        given = record.architecture | record.training
        return {"family": record.family} | {
            name: given[name]
            for name in self.varied
            if given.get(name) is not None and FAMILIES[record.family].has(name)
        }


def _name(
    one: StudyPlan, data: str, bound: int | None, families: Sequence[str], epochs: int | None
) -> str:
    parts = [one.name]
    parts += [] if bound is None else [f"{bound // 1000}k"]
    parts += list(families) if one.each else []
    parts += [f"{epochs}-epochs"] if len(one.epochs) > 1 else []
    return "-".join([*parts, data])


def _epochs(table: Mapping[str, Any], data: DataPlan) -> int:
    own: int | None = table.get("budget", {}).get("epochs")
    return data.epochs if own is None else own


def _merged(*tables: Mapping[str, Any]) -> dict[str, Any]:
    """The tables, one on top of the other, and likewise the tables in them."""
    merged: dict[str, Any] = {}
    for table in tables:
        for key, value in table.items():
            below = merged.get(key)
            # A range is one value of the space, not a table to add to.
            nested = isinstance(value, Mapping) and "low" not in value
            if nested and isinstance(below, Mapping) and "low" not in below:
                value = _merged(below, value)  # noqa: PLW2901  # the rest of it is below
            merged[key] = value
    return merged
