"""What is compared and how, as protocol.toml says; and the settings that tuning has chosen."""

import json
import pkgutil
import tomllib
from collections.abc import Mapping
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, Final

from benchmarks.search.replay import Method
from benchmarks.search.replay_table import Space, Table

HERE: Final = Path(__file__).parent
TUNED: Final = HERE / "tuned.json"
PROTOCOL: Final[dict[str, Any]] = tomllib.loads(
    (HERE / "protocol.toml").read_text(encoding="utf-8")
)
MEASURES: Final[dict[str, Any]] = PROTOCOL["measures"]
TUNING: Final[dict[str, Any]] = PROTOCOL["tuning"]
TEST: Final[dict[str, Any]] = PROTOCOL["test"]
METHODS: Final[dict[str, dict[str, Any]]] = PROTOCOL["methods"]

Settings = Mapping[str, Any]


def variants(name: str) -> list[dict[str, Any]]:
    """The settings of a method that are tried on the tuning tables; one, empty, if nothing is tuned."""
    keys = METHODS[name].get("tune", ())
    return [
        dict(zip(keys, values, strict=True)) for values in product(*(TUNING[key] for key in keys))
    ]


def is_slow(name: str) -> bool:
    """Whether a method has fewer searches, as its proposals take long."""
    return bool(METHODS[name].get("slow", False))


def tuned_settings() -> dict[str, dict[str, Any]]:
    """The settings that were chosen for each method that is tuned."""
    chosen: dict[str, dict[str, Any]] = json.loads(TUNED.read_text(encoding="utf-8"))["chosen"]
    return chosen


def tuned(name: str) -> dict[str, Any]:
    """The settings that were chosen for a method, for an ablation those of its `like`."""
    return tuned_settings()[METHODS[name].get("like", name)]


def make(name: str, space: Space, seed: int, settings: Settings) -> Method:
    """The method as it begins a search; only now is what it needs imported."""
    method = METHODS[name]
    factory = pkgutil.resolve_name(f"benchmarks.search.{method['make']}")
    made: Method = factory(space, seed, **method.get("with", {}), **settings)
    return made


@cache
def table_of(name: str) -> Table:
    """A tuning or test table. Raises FileNotFoundError for one that was not recorded yet."""
    entry = TEST["tables"].get(name, {})
    if "of" in entry:
        return table_of(entry["of"]).failing(**entry["failing"])
    return Table.load(file_of(name))


def file_of(name: str) -> Path:
    """The file of a table."""
    name = TEST["tables"].get(name, {}).get("of", name)
    return HERE / "tables" / f"{name}.{'npz' if name in TUNING['tables'] else 'parquet'}"


def recorded() -> list[str]:
    """The test tables that were recorded."""
    return [name for name in TEST["tables"] if file_of(name).exists()]
