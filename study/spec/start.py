"""The configurations that a study trains first (key `start`), each checked against the space."""

from collections.abc import Mapping, Sequence
from typing import Any

from models.architecture import FAMILIES
from study.errors import echo, echo_key, nearest
from study.spec.dimensions import Choice, Dimension, Space, Value


def checked_start(
    start: Sequence[Mapping[str, Any]], families: Sequence[str], space: Space
) -> tuple[dict[str, Value], ...]:
    """The configurations, with values of the types in the space.

    Raises ValueError, with the key and the values, for an unknown or inapplicable setting, a value
    outside the space, a missing family, or equal configurations.
    """
    checked: list[dict[str, Value]] = []
    for place, given in enumerate(start):
        configuration = _checked(given, f"start.{place}", families, space)
        if configuration in checked:
            first = checked.index(configuration)
            raise ValueError(
                f"configurations must differ, got start.{place} equal to start.{first}"
            )
        checked.append(configuration)
    return tuple(checked)


def _checked(
    given: Mapping[str, Any], key: str, families: Sequence[str], space: Space
) -> dict[str, Value]:
    settings = ["family", *type(space).model_fields]
    for name in given:
        if name not in settings:
            raise ValueError(f"unknown key '{key}.{echo_key(name)}'; {nearest(name, settings)}")
    if len(families) > 1 and "family" not in given:
        raise ValueError(f"the key '{key}.family' must be given, one of {', '.join(families)}")
    family = given.get("family", families[0])
    if family not in families:
        raise ValueError(
            f"`family` must be one of {', '.join(families)}, got {echo(family)} (key {key})"
        )
    configuration: dict[str, Value] = {"family": family}
    for name, value in given.items():
        if name == "family":
            continue
        if not FAMILIES[family].has(name):
            raise ValueError(f"{family} has no {name}, got {name}={echo(value)} (key {key}.{name})")
        configuration[name] = _value_in(getattr(space, name), name, value, key)
    return configuration


def _value_in(dimension: Dimension, name: str, value: object, key: str) -> Value:
    """The value in the type of its dimension; raises ValueError if it is outside."""
    place = f"(keys {key}.{name} and space.{name})"
    if isinstance(dimension, Choice):
        for choice in dimension.values:
            if choice == value and not isinstance(value, bool):
                return choice
        known = ", ".join(map(str, dimension.values))
        raise ValueError(f"`{name}` must be one of {known}, got {echo(value)} {place}")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"`{name}` must be a number, got {echo(value)} {place}")
    if not dimension.low <= value <= dimension.high:
        rule = f"{dimension.low:g} <= {name} <= {dimension.high:g}"
        raise ValueError(f"`{rule}` must hold, got {echo(value)} {place}")
    if dimension.integer and value != int(value):
        raise ValueError(f"`{name}` must be a whole number, got {echo(value)} {place}")
    return int(value) if dimension.integer else float(value)
