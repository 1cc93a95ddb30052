"""The spec of a study, with all defaults; read from TOML by `StudySpec.from_toml`."""

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

import tomli_w
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    model_validator,
)

from models.architecture import FAMILIES
from study.errors import SpecError, echo, nearest
from study.home import LONGEST_NAME, NAME_PATTERN
from study.spec.constraint import Constraint, sound_constraints
from study.spec.dimensions import Range, Space, bounds
from study.spec.metrics import GROUPS, Direction, diagnostic, known_objectives, objective_table
from study.spec.sections import (
    Budget,
    DatasetSpec,
    Resources,
    Section,
    Stopping,
    Storage,
    dataset_table,
)
from study.spec.spec_file import parse, read_toml
from study.spec.start import checked_start

_MOST_OBJECTIVES: Final = 8
_MOST_CONSTRAINTS: Final = 100
_MOST_STARTS: Final = 100
_MOST_EARLIER: Final = 20


def _known(kind: str, known: Collection[str]) -> AfterValidator:
    """Raises ValueError for names that are not known, and drops repetitions."""

    def check(names: Sequence[str]) -> Sequence[str]:
        for name in names:
            if name not in known:
                raise ValueError(f"unknown {kind} {echo(name)}; {nearest(name, known)}")
        return tuple(dict.fromkeys(names))

    return AfterValidator(check)


class StudySpec(Section):
    """The spec of a study. `name`, `dataset` and `families` have no default."""

    name: Annotated[str, Field(max_length=LONGEST_NAME, pattern=NAME_PATTERN)]
    """Name of the study, its folder and its MLflow experiment: letters, digits, `.`, `_` and `-`.
    """
    dataset: Annotated[DatasetSpec, BeforeValidator(dataset_table)]
    """The data set: a table as below, a name, or the path of your own data."""
    families: Annotated[tuple[str, ...], Field(min_length=1), _known("family", FAMILIES)]
    """Families of networks to search (docs/networks.md)."""
    replicates: Annotated[int, Field(ge=1, le=100)] = 3
    """Networks of a trial, trained together with different seeds."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Seed of the search, of the data split and of the first replicate; the others follow."""
    sampler: Literal["ehvi", "tpe", "nsga2", "nsga3", "gp", "random", "grid"] = "ehvi"
    """The sampler that proposes configurations (docs/search_method.md)."""
    keep: Literal["best", "last"] = "best"
    """Weights that are evaluated and stored for each replicate: those of the `best` epoch, with the
    highest validation accuracy whatever the objectives, or of the `last`, as in the paper.
    """
    objectives: Annotated[
        dict[str, Direction],
        Field(min_length=1, max_length=_MOST_OBJECTIVES),
        AfterValidator(known_objectives),
    ] = Field(default={"val_accuracy": "maximize", "trainable_parameters": "minimize"})
    """Metrics to `maximize` or `minimize`, but none of test images. In a table such as
    `{ goal = "maximize", from = 0.6 }`, `from` is the worst value of interest to the sampler `ehvi`.
    """
    constraints: Annotated[
        tuple[str, ...], Field(max_length=_MOST_CONSTRAINTS), AfterValidator(sound_constraints)
    ] = ()
    """Comparisons that a network on the front satisfies, such as `trainable_parameters <= 200000`.
    Those that depend on the network alone are checked before training.
    """
    diagnostics: Annotated[tuple[str, ...], _known("group", GROUPS)] = (
        "generalisation",
        "efficiency",
    )
    """Groups of diagnostics, measured at the end of a trial (docs/diagnostics.md)."""
    space: Space = Space()
    """The search space."""
    start: Annotated[tuple[dict[str, Any], ...], Field(max_length=_MOST_STARTS)] = ()
    """Configurations of the space that are trained first: tables `[[start]]` with `family` and settings
    of `[space]`. Settings that are left out are drawn.
    """
    budget: Budget = Budget()
    """Limits of the study."""
    stopping: Stopping = Stopping()
    """Early stopping of trials."""
    resources: Resources = Resources()
    """Resources of a trial."""
    storage: Storage = Storage()
    """Storage of checkpoints."""
    earlier: Annotated[
        tuple[Annotated[str, Field(max_length=LONGEST_NAME, pattern=NAME_PATTERN)], ...],
        Field(max_length=_MOST_EARLIER),
    ] = ()
    """Names of earlier studies in the same home, with other data, another space or budget, from which
    the sampler `ehvi` learns (docs/search_method.md).
    """
    _references: dict[str, float] = PrivateAttr(default_factory=dict)

    @model_validator(mode="wrap")
    @classmethod
    def _with_references(cls, raw: Any, build: ModelWrapValidatorHandler[Self]) -> Self:  # noqa: ANN401  # as written
        objectives = raw.get("objectives") if isinstance(raw, dict) else None
        if not isinstance(objectives, dict):
            return build(raw)
        tables = {name: objective_table(name, objective) for name, objective in objectives.items()}
        spec = build(raw | {"objectives": {name: table["goal"] for name, table in tables.items()}})
        spec._references |= {  # noqa: SLF001  # its own
            name: table["from"] for name, table in tables.items() if "from" in table
        }
        if spec._references and spec.sampler != "ehvi":  # noqa: SLF001  # as above
            raise ValueError(
                f'`sampler = "ehvi"` must hold for a value of interest, got "{spec.sampler}" with '
                f"{', '.join(f'objectives.{name}.from' for name in spec._references)}"  # noqa: SLF001
            )
        return spec

    @model_validator(mode="after")
    def _start_is_in_space(self) -> "StudySpec":
        for given, checked in zip(
            self.start, checked_start(self.start, self.families, self.space), strict=True
        ):
            given.update(checked)
        return self

    @model_validator(mode="after")
    def _can_learn_from_earlier(self) -> "StudySpec":
        if self.earlier and self.sampler != "ehvi":
            raise ValueError(
                f'`sampler = "ehvi"` must hold to learn from earlier studies, got "{self.sampler}" '
                f"with {', '.join(self.earlier)} (keys sampler and earlier)"
            )
        if self.name in self.earlier or len(set(self.earlier)) < len(self.earlier):
            raise ValueError(
                f"earlier studies must be others, each once, got {', '.join(self.earlier)} for the "
                f"study {self.name} (key earlier)"
            )
        return self

    @model_validator(mode="after")
    def _grid_is_finite(self) -> "StudySpec":
        infinite = [
            name
            for name in type(self.space).model_fields
            if isinstance(dimension := getattr(self.space, name), Range) and not dimension.integer
        ]
        if self.sampler == "grid" and infinite:
            raise ValueError(
                "a grid needs a list or a plain value for every number that is not whole, "
                f"got ranges for {', '.join(f'space.{name}' for name in infinite)} (key sampler)"
            )
        return self

    @model_validator(mode="after")
    def _diagnostics_are_measured(self) -> "StudySpec":
        for name in self.objectives:
            self._check_measured(name, "objectives")
        for text in self.constraints:
            for name in sorted(Constraint.parse(text).names):
                self._check_measured(name, "constraints")
        at_rungs = list(self.objectives)[: 1 if self.stopping.scheduler == "asha" else None]
        late = [name for name in at_rungs if diagnostic(name) is not None]
        if self.stopping.scheduler != "none" and late:
            raise ValueError(
                '`stopping.scheduler = "none"` must hold if an objective that ranks trials is known '
                f"only at their end, got {self.stopping.scheduler!r} with "
                f"{', '.join(late)} (key stopping.scheduler)"
            )
        return self

    def _check_measured(self, name: str, key: str) -> None:
        """Raises ValueError if a metric is a diagnostic that some trials do not have."""
        measured = diagnostic(name)
        if measured is None:
            return
        if measured.group not in self.diagnostics:
            raise ValueError(
                f'`diagnostics` must hold "{measured.group}" to use {name}, '
                f"got {', '.join(self.diagnostics) or 'none'} (key {key})"
            )
        layers, _ = bounds(self.space.layers)
        if measured.layer is not None and measured.layer > int(layers):
            raise ValueError(
                f"every network must have a layer {measured.layer} to use {name}, "
                f"got space.layers from {layers} (key {key})"
            )
        without = [family for family in self.families if not FAMILIES[family].has_dendrites]
        if measured.part in ("dendrites", "cables") and without:
            raise ValueError(
                f"every family must have dendrites to use {name}, "
                f"got {', '.join(without)} (key {key})"
            )

    @property
    def references(self) -> Mapping[str, float]:
        """The worst value of interest of each objective that states one (key `from`)."""
        return self._references

    @property
    def replicate_seeds(self) -> list[int]:
        """The seeds of the replicates, equal for all trials so that comparisons are fair."""
        return list(range(self.seed, self.seed + self.replicates))

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str], changes: Sequence[str] = ()) -> "StudySpec":
        """Reads a spec file and applies changes such as `budget.trials=5`.

        Raises SpecError with the key, the rule and the value, or the line and column.
        """
        return cls.from_dict(read_toml(Path(path), changes))

    @classmethod
    def from_stored(cls, path: Path) -> "StudySpec":
        """Reads the spec that a study's folder holds. Raises SpecError with the remedy if damaged."""
        try:
            return cls.from_toml(path)
        except SpecError as error:
            raise SpecError(
                f"the study's stored spec is damaged: {error}; restore {path}, or move the folder away, "
                "or give the study another name (--name NAME)"
            ) from error

    @classmethod
    def of(cls, spec: "AnySpec") -> "StudySpec":
        """The spec itself, or that of a file or a table; raises SpecError like `from_toml`."""
        if isinstance(spec, StudySpec):
            return spec
        return cls.from_dict(spec_table(spec))

    @classmethod
    def from_dict(cls, table: dict[str, Any]) -> "StudySpec":
        """Validates a table of TOML or JSON; raises SpecError like `from_toml`."""
        return parse(cls, table)

    def to_dict(self) -> dict[str, Any]:
        """The spec with all defaults as JSON types, for `from_dict`."""
        table = self.model_dump(mode="json")
        for name, reference in self._references.items():
            table["objectives"][name] = {"goal": self.objectives[name], "from": reference}
        return table

    def to_toml(self) -> str:
        """The spec with all defaults as TOML, for `from_toml`."""
        return tomli_w.dumps(_without_none(self.to_dict()))


AnySpec: TypeAlias = StudySpec | Mapping[str, Any] | str | os.PathLike[str]
"""A spec as users give it: as it is, as a table, or the path of its file."""


def spec_table(spec: AnySpec) -> dict[str, Any]:
    """The table of a spec, which is not validated. Raises SpecError for an unreadable file."""
    if isinstance(spec, StudySpec):
        return spec.to_dict()
    if isinstance(spec, Mapping):
        return dict(spec)
    if not isinstance(spec, str | os.PathLike):
        raise SpecError(
            f"a spec must be a StudySpec, a table or the path of a file, got {echo(spec)}"
        )
    return read_toml(Path(spec), ())


def _without_none(value: Any) -> Any:  # noqa: ANN401  # JSON of any type
    """Drops null, which TOML lacks: a missing key has its default."""
    if isinstance(value, list):
        return [_without_none(one) for one in value]
    if isinstance(value, dict):
        return {key: _without_none(one) for key, one in value.items() if one is not None}
    return value
